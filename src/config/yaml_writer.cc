#include "yaml_writer.h"

#include "milvus_backup/base/status.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <string_view>

namespace milvus_backup::config {
namespace {

/// A section, or a key when `value` is set. Children keep the order they came in.
struct Node {
  std::string name;
  const WrittenKey* value = nullptr;
  std::vector<std::unique_ptr<Node>> children;

  Node& Child(std::string_view child_name) {
    for (const auto& child : children) {
      if (child->name == child_name) return *child;
    }
    children.push_back(std::make_unique<Node>());
    children.back()->name = child_name;
    return *children.back();
  }
};

// Whether every YAML reader takes the bare text for this text, and not for a number or a boolean.
bool StandsPlain(const std::string& text) {
  constexpr std::array<std::string_view, 9> kWords = {"true", "false", "yes", "no",  "on",
                                                      "off",  "y",     "n",   "null"};
  const auto is_plain = [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("_-./:@").find(static_cast<char>(c)) != std::string_view::npos;
  };
  const bool begins_well =
      !text.empty() && (std::isalpha(static_cast<unsigned char>(text[0])) != 0 || text[0] == '/');
  return begins_well && text.back() != ':' && std::ranges::all_of(text, is_plain) &&
         std::ranges::find(kWords, ToLower(text)) == kWords.end();
}

void WriteText(YAML::Emitter& out, const std::string& text) {
  if (!StandsPlain(text)) out << YAML::DoubleQuoted;
  out << text;
}

void WriteValue(YAML::Emitter& out, const WrittenKey& key) {
  switch (key.kind) {
    case Kind::kNumber:
    case Kind::kBool:
      out << key.text;
      return;
    case Kind::kText:
    case Kind::kSecret:
      WriteText(out, key.text);
      return;
    case Kind::kList:
    case Kind::kWords:
      break;
  }
  out << YAML::Flow << YAML::BeginSeq;
  for (const std::string& item : key.items) WriteText(out, item);
  out << YAML::EndSeq;
}

void WriteSection(YAML::Emitter& out, const Node& section) {
  out << YAML::BeginMap;
  for (const auto& child : section.children) {
    out << YAML::Key << child->name << YAML::Value;
    if (child->value != nullptr) {
      WriteValue(out, *child->value);
    } else {
      WriteSection(out, *child);
    }
  }
  out << YAML::EndMap;
}

}  // namespace

std::string WriteYaml(const std::vector<WrittenKey>& keys) {
  Node root;
  for (const WrittenKey& key : keys) {
    Node* node = &root;
    for (size_t begin = 0; begin <= key.path.size();) {
      const size_t end = std::min(key.path.find('.', begin), key.path.size());
      node = &node->Child(std::string_view(key.path).substr(begin, end - begin));
      begin = end + 1;
    }
    node->value = &key;
  }
  YAML::Emitter out;
  WriteSection(out, root);
  MB_CHECK(out.good());
  return std::string(out.c_str()) + "\n";
}

}  // namespace milvus_backup::config
