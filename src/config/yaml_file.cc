#include "resolver.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <string>

namespace milvus_backup::config {
namespace {

// Deeper than any key; an alias inside its own anchor would otherwise never end.
constexpr int kMaxDepth = 16;

void Flatten(const YAML::Node& node, const std::string& path, int depth, FlatFile& flat) {
  if (depth > kMaxDepth) throw YAML::RepresentationException(node.Mark(), "nested too deeply");
  switch (node.Type()) {
    case YAML::NodeType::Map:
      for (const auto& entry : node) {
        std::string inner = path.empty() ? "" : path + ".";
        inner += ToLower(entry.first.as<std::string>());
        Flatten(entry.second, inner, depth + 1, flat);
      }
      break;
    case YAML::NodeType::Sequence: {
      std::string joined;
      for (const auto& item : node) {
        if (!item.IsScalar()) continue;
        joined += (joined.empty() ? "" : ",") + item.Scalar();
      }
      flat[path] = joined;
      break;
    }
    case YAML::NodeType::Scalar:
      flat[path] = node.Scalar();
      break;
    case YAML::NodeType::Null:
    case YAML::NodeType::Undefined:
      break;
  }
}

}  // namespace

Result<FlatFile> ParseYaml(std::string_view text, const std::string& path) {
  FlatFile flat;
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    if (!root.IsMap() && !root.IsNull()) {
      return InvalidArgumentError(fmt::format("{} is not a mapping of keys to values", path))
          .WithOrigin(Origin::kConfig);
    }
    Flatten(root, "", 0, flat);
  } catch (const YAML::Exception& error) {
    return InvalidArgumentError(fmt::format("{} line {}: {}", path, error.mark.line + 1, error.msg))
        .WithOrigin(Origin::kConfig);
  }
  return flat;
}

}  // namespace milvus_backup::config
