#include "parameters.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <string>

namespace milvus_backup::config {
namespace {

void Flatten(const YAML::Node& node, const std::string& path, FlatFile& flat) {
  switch (node.Type()) {
    case YAML::NodeType::Map:
      for (const auto& entry : node) {
        std::string inner = path.empty() ? "" : path + ".";
        inner += ToLower(entry.first.as<std::string>());
        Flatten(entry.second, inner, flat);
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
    Flatten(root, "", flat);
  } catch (const YAML::Exception& error) {
    return InvalidArgumentError(fmt::format("{} line {}: {}", path, error.mark.line + 1, error.msg))
        .WithOrigin(Origin::kConfig);
  }
  return flat;
}

}  // namespace milvus_backup::config
