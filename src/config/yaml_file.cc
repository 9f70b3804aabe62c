#include "resolver.h"

#include <fmt/format.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::config {
namespace {

// Far above any real file. An alias counts as often as it is used: a few lines of aliases of
// aliases would otherwise stand for billions of keys, and one inside its own anchor for no end.
constexpr int kMaxDepth = 64;
constexpr size_t kMaxNodes = 100000;
constexpr size_t kMaxBytes = 16 * kMaxFileBytes;
/// The one list whose items are more than texts.
constexpr std::string_view kNamedEntries = "schedules";

class Flattener {
 public:
  explicit Flattener(std::string_view exact_below) : exact_below_(exact_below) {}

  FlatFile Run(const YAML::Node& root) {
    Add(root, "", 0);
    return std::move(flat_);
  }

 private:
  void Count(const YAML::Node& node, size_t bytes) {
    ++nodes_;
    bytes_ += bytes;
    if (nodes_ <= kMaxNodes && bytes_ <= kMaxBytes) return;
    throw YAML::RepresentationException(
        node.Mark(),
        fmt::format("too large: aliases stand for more than {} keys or too much text", kMaxNodes));
  }

  /// Nothing where something could stand has no line of its own: that of what came before.
  int LineOf(const YAML::Node& node) {
    const YAML::Mark mark = node.Mark();
    if (!mark.is_null()) line_ = mark.line + 1;
    return line_;
  }

  void Put(const YAML::Node& node, const std::string& path, FlatNode::Kind kind, std::string text,
           std::vector<std::string> items = {}) {
    Count(node, path.size() + text.size());
    flat_[path] = {
        .text = std::move(text), .kind = kind, .line = LineOf(node), .items = std::move(items)};
  }

  void Add(const YAML::Node& node, const std::string& path, int depth) {
    if (depth > kMaxDepth) {
      throw YAML::RepresentationException(node.Mark(),
                                          fmt::format("nested deeper than {} levels", kMaxDepth));
    }
    switch (node.Type()) {
      case YAML::NodeType::Map:
        if (!path.empty()) Put(node, path, FlatNode::Kind::kSection, "");
        AddEntries(node, path, depth);
        break;
      case YAML::NodeType::Sequence:
        if (path == kNamedEntries) {
          AddNamedEntries(node, path, depth);
        } else {
          AddList(node, path);
        }
        break;
      case YAML::NodeType::Scalar:
        Put(node, path, FlatNode::Kind::kText, node.Scalar());
        break;
      case YAML::NodeType::Null:
      case YAML::NodeType::Undefined:
        Count(node, 0);
        break;
    }
  }

  void AddEntries(const YAML::Node& map, const std::string& path, int depth) {
    const bool is_exact = !exact_below_.empty() && path.ends_with(exact_below_);
    CheckKeys(map, is_exact);
    for (const auto& entry : map) {
      const std::string name = ToLower(entry.first.as<std::string>());
      Add(entry.second, path.empty() ? name : fmt::format("{}.{}", path, name), depth + 1);
    }
  }

  static void CheckKeys(const YAML::Node& map, bool is_exact) {
    std::map<std::string, int> lines;
    for (const auto& entry : map) {
      const auto key = entry.first.as<std::string>();
      if (key.empty()) throw YAML::RepresentationException(entry.first.Mark(), "a key is empty");
      const auto [first, is_new] =
          lines.try_emplace(is_exact ? key : ToLower(key), entry.first.Mark().line + 1);
      if (is_new) continue;
      throw YAML::RepresentationException(
          entry.first.Mark(),
          fmt::format("{} is there a second time, first in line {}; remove one of them", key,
                      first->second));
    }
  }

  void AddList(const YAML::Node& list, const std::string& path) {
    std::string joined;
    std::vector<std::string> items;
    for (const auto& each : list) {
      if (each.IsMap()) CheckKeys(each, false);
      const YAML::Node item = each.IsMap() ? NameOf(each) : YAML::Node(each);
      if (!item.IsScalar()) continue;
      Count(item, item.Scalar().size());
      joined += (joined.empty() ? "" : ",") + item.Scalar();
      items.push_back(item.Scalar());
    }
    Put(list, path, FlatNode::Kind::kList, std::move(joined), std::move(items));
  }

  /// A list of mappings that stand below their names, as if the list were a mapping.
  void AddNamedEntries(const YAML::Node& list, const std::string& path, int depth) {
    Put(list, path, FlatNode::Kind::kSection, "");
    for (const auto& entry : list) {
      const YAML::Node name = entry.IsMap() ? NameOf(entry) : YAML::Node();
      if (!name.IsScalar() || name.Scalar().empty()) {
        throw YAML::RepresentationException(
            entry.Mark(),
            fmt::format("an entry of {}: has no name; begin it with - name: NAME", path));
      }
      if (name.Scalar().find('.') != std::string::npos) {
        throw YAML::RepresentationException(
            name.Mark(), fmt::format("{}: '{}' cannot be a name", path, name.Scalar()));
      }
      const std::string entry_path = fmt::format("{}.{}", path, ToLower(name.Scalar()));
      if (flat_.contains(entry_path)) {
        throw YAML::RepresentationException(
            name.Mark(), fmt::format("{}: two entries are called '{}'", path, name.Scalar()));
      }
      Add(entry, entry_path, depth + 1);
    }
  }

  /// What an item that is a mapping is called: `- name: id`.
  static YAML::Node NameOf(const YAML::Node& item) {
    for (const auto& entry : item) {
      if (entry.first.IsScalar() && ToLower(entry.first.Scalar()) == "name") return entry.second;
    }
    return {};
  }

  const std::string_view exact_below_;
  FlatFile flat_;
  int line_ = 1;
  size_t nodes_ = 0;
  size_t bytes_ = 0;
};

}  // namespace

Result<FlatFile> ParseYaml(std::string_view text, const std::string& path,
                           std::string_view exact_below) {
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    if (!root.IsMap() && !root.IsNull()) {
      return ConfigError(fmt::format("{} is not a mapping of keys to values", path));
    }
    return Flattener(exact_below).Run(root);
  } catch (const YAML::DeepRecursion& error) {
    return ConfigError(fmt::format("{} line {}: nested too deeply", path, error.mark.line + 1));
  } catch (const YAML::Exception& error) {
    return ConfigError(fmt::format("{} line {}: {}", path, error.mark.line + 1, error.msg));
  }
}

}  // namespace milvus_backup::config
