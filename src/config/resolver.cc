#include "resolver.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <utility>

namespace milvus_backup::config {
namespace {

std::string Mask(const std::string& value) {
  if (value.empty()) return value;
  if (value.size() <= 4) return "****";
  return value.substr(0, 2) + "****" + value.substr(value.size() - 2);
}

// Split one --set text at commas; double quotes keep a comma inside a value (CSV rules).
std::vector<std::string> SplitCsv(std::string_view text) {
  std::vector<std::string> items(1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      items.emplace_back();
    } else {
      items.back().push_back(c);
    }
  }
  return items;
}

std::optional<int64_t> ParseNumber(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Status CheckKind(const Value& value) {
  const Parameter& parameter = value.parameter;
  const auto bad = [&](const std::string& wanted) {
    return ConfigError(fmt::format("{} is '{}'; {}", value.name(), value.text, wanted));
  };
  if (parameter.kind == Kind::kBool && !ParseBool(value.text)) return bad("use true or false");
  if (parameter.kind != Kind::kNumber) return Status::Ok();
  const std::optional<int64_t> number = ParseNumber(value.text);
  if (!number || *number < parameter.min || *number > parameter.max) {
    return bad(fmt::format("use a whole number from {} to {}", parameter.min, parameter.max));
  }
  return Status::Ok();
}

std::vector<std::string> Appended(const std::vector<std::string>& names, std::string_view suffix) {
  std::vector<std::string> result;
  result.reserve(names.size());
  for (const std::string& name : names) result.push_back(name + std::string(suffix));
  return result;
}

// Levenshtein's distance: letters to insert, remove or replace.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row[b.size()];
}

/// What a text stands for where a list may stand.
std::vector<std::string> ItemsOf(const std::string& text, Kind kind) {
  if (text.empty() || (kind != Kind::kList && kind != Kind::kWords)) return {};
  if (kind == Kind::kWords) return {text};
  std::vector<std::string> items;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    items.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

std::string_view KindName(FlatNode::Kind kind) {
  switch (kind) {
    case FlatNode::Kind::kText:
      return "a single value";
    case FlatNode::Kind::kList:
      return "a list";
    case FlatNode::Kind::kSection:
      return "a section of keys";
  }
  return "";
}

constexpr const char* kQuoteAdvice =
    R"(put double quotes around a value that has a comma in it: --set 'KEY="a,b"')";

}  // namespace

std::optional<bool> ParseBool(std::string_view text) {
  constexpr std::array<std::string_view, 6> kTrue = {"1", "t", "T", "true", "TRUE", "True"};
  constexpr std::array<std::string_view, 6> kFalse = {"0", "f", "F", "false", "FALSE", "False"};
  if (std::ranges::find(kTrue, text) != kTrue.end()) return true;
  if (std::ranges::find(kFalse, text) != kFalse.end()) return false;
  return std::nullopt;
}

Status ConfigError(std::string message) {
  return InvalidArgumentError(std::move(message)).WithOrigin(Origin::kConfig);
}

Resolver::Resolver(FlatFile file, Environment environment, SecretReader read_secret)
    : file_(std::move(file)),
      environment_(std::move(environment)),
      read_secret_(std::move(read_secret)) {}

Status Resolver::AddSets(const std::vector<std::string>& sets) {
  for (size_t i = 0; i < sets.size(); ++i) {
    Position position{.flag = i + 1};
    if (std::ranges::count(sets[i], '"') % 2 != 0) {
      return ConfigError(fmt::format("--set number {} has a double quote without its pair", i + 1))
          .WithAdvice(kQuoteAdvice);
    }
    for (const std::string& item : SplitCsv(sets[i])) {
      ++position.item;
      const size_t equals = item.find('=');
      if (equals == std::string::npos || equals == 0) {
        return ConfigError(
                   fmt::format("invalid --set format, want KEY=VALUE: {}", position.ToString()))
            .WithAdvice(kQuoteAdvice);
      }
      const std::string key = ToLower(std::string_view(item).substr(0, equals));
      sets_[key] = item.substr(equals + 1);
      set_positions_[key] = position;
    }
  }
  return Status::Ok();
}

std::vector<Resolver::Layer> Resolver::LayersOf(const Parameter& parameter) const {
  std::vector<std::string> variables;
  if (!parameter.environment.empty()) variables.push_back(parameter.environment);
  const auto in_sets = [this](const std::string& name) -> std::optional<std::string> {
    const auto it = sets_.find(ToLower(name));
    return it == sets_.end() ? std::nullopt : std::optional(it->second);
  };
  const auto in_file = [this](const std::string& name) -> std::optional<std::string> {
    const auto it = file_.find(ToLower(name));
    return it == file_.end() ? std::nullopt : std::optional(it->second.text);
  };
  // CI systems and compose files often pass on variables that nobody has set.
  const bool needs_text = parameter.kind == Kind::kBool || parameter.kind == Kind::kNumber;
  const auto in_environment = [this,
                               needs_text](const std::string& name) -> std::optional<std::string> {
    std::optional<std::string> text = environment_(name);
    return needs_text && text && text->empty() ? std::nullopt : text;
  };
  std::vector<Layer> layers = {{"--set", in_sets, parameter.names, {}},
                               {"environment", in_environment, variables, {}},
                               {"file", in_file, parameter.names, {}}};
  if (parameter.kind == Kind::kSecret) {
    for (Layer& layer : layers) layer.file_names = Appended(layer.names, "File");
    layers[1].file_names = Appended(variables, "_FILE");
    const std::vector<std::string> more = Appended(variables, "_FILE");
    layers[0].file_names.insert(layers[0].file_names.end(), more.begin(), more.end());
  }
  layers[0].names.insert(layers[0].names.end(), variables.begin(), variables.end());
  return layers;
}

Result<bool> Resolver::FindIn(const Layer& layer, Value& value) const {
  const auto first = [&](const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const std::optional<std::string> text = layer.look_up(name);
      if (!text || (text->empty() && value.parameter.kind == Kind::kBool)) continue;
      return std::pair(name, *text);
    }
    return std::pair<std::string, std::string>();
  };
  const auto [name, text] = first(layer.names);
  const auto [file_name, path] = first(layer.file_names);
  if (!path.empty() && !text.empty()) {
    return ConfigError(fmt::format("both {} and {} are set", name, file_name))
        .WithAdvice("keep one of them");
  }
  if (!path.empty()) {
    auto secret = read_secret_(path);
    if (!secret.ok()) return secret.status().Annotate(file_name);
    value.text = *std::move(secret);
    value.secret_file = path;
  } else if (!name.empty()) {
    value.text = text;
  } else {
    return false;
  }
  value.source = layer.source;
  value.source_key = path.empty() ? name : file_name;
  value.items = ItemsOf(value.text, value.parameter.kind);
  const auto node = file_.find(ToLower(name));
  if (layer.source == "file" && node != file_.end() && node->second.kind == FlatNode::Kind::kList) {
    value.items = node->second.items;
  }
  return true;
}

void Resolver::Remember(const Parameter& parameter) {
  for (const Layer& layer : LayersOf(parameter)) {
    for (const std::string& name : layer.names) known_.emplace(ToLower(name), name);
    for (const std::string& name : layer.file_names) known_.emplace(ToLower(name), name);
  }
}

Status Resolver::Resolve(const Parameter& parameter) {
  Remember(parameter);
  Value value;
  value.parameter = parameter;
  value.text = parameter.fallback;
  value.items = ItemsOf(value.text, parameter.kind);
  value.source = "default";
  bool found = false;
  const std::vector<Layer> layers = LayersOf(parameter);
  for (const auto* names : {&layers.back().names, &layers.back().file_names}) {
    MB_RETURN_IF_ERROR(CheckFileKinds(parameter, *names));
  }
  for (const Layer& layer : layers) {
    MB_ASSIGN_OR_RETURN(found, FindIn(layer, value));
    if (found) break;
  }
  if (found) {
    MB_RETURN_IF_ERROR(CheckKind(value));
  } else if (!parameter.inherits.empty()) {
    const Value& parent = Get(parameter.inherits);
    value.text = parent.text;
    value.items = parent.items;
    value.source = "inherited";
    value.source_key = parent.parameter.names.front();
  }
  index_[parameter.id] = values_.size();
  values_.push_back(std::move(value));
  return Status::Ok();
}

Status Resolver::CheckFileKinds(const Parameter& parameter,
                                const std::vector<std::string>& names) const {
  using enum FlatNode::Kind;
  const auto refuse = [](const std::string& name, const FlatNode& node, const char* wanted) {
    return ConfigError(
        fmt::format("line {}: {} is {}; want {}", node.line, name, KindName(node.kind), wanted));
  };
  for (const std::string& name : names) {
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
      const std::string section = name.substr(0, dot);
      const auto it = file_.find(ToLower(section));
      if (it == file_.end() || it->second.kind == kSection) continue;
      return refuse(section, it->second, "a section of keys, each on an indented line of its own");
    }
    const auto it = file_.find(ToLower(name));
    if (it == file_.end() || it->second.kind == kText) continue;
    const bool takes_list = parameter.kind == Kind::kList || parameter.kind == Kind::kWords;
    if (!takes_list) return refuse(name, it->second, "a single value");
    if (it->second.kind == kSection) return refuse(name, it->second, "a list");
  }
  return Status::Ok();
}

const Value& Resolver::Get(const std::string& id) const {
  const auto it = index_.find(id);
  MB_CHECK(it != index_.end());
  return values_[it->second];
}

bool Resolver::Bool(const std::string& id) const { return ParseBool(Text(id)).value_or(false); }

int64_t Resolver::Number(const std::string& id) const { return ParseNumber(Text(id)).value_or(0); }

std::set<std::string> Resolver::NamesBelow(const std::string& section) const {
  std::set<std::string> names;
  const auto add = [&](const auto& values) {
    for (auto it = values.lower_bound(section + "."); it != values.end(); ++it) {
      if (!it->first.starts_with(section + ".")) break;
      const std::string rest = it->first.substr(section.size() + 1);
      names.insert(rest.substr(0, rest.find('.')));
    }
  };
  add(file_);
  add(sets_);
  return names;
}

std::vector<std::string> Resolver::UnknownFileKeys() const {
  std::vector<std::string> unknown;
  for (const auto& [name, node] : file_) {
    if (node.kind != FlatNode::Kind::kSection && !known_.contains(name)) unknown.push_back(name);
  }
  return unknown;
}

std::vector<std::string> Resolver::UnknownSets() const {
  std::vector<std::string> unknown;
  for (const auto& [name, value] : sets_) {
    if (!known_.contains(name)) unknown.push_back(name);
  }
  return unknown;
}

std::string Resolver::Position::ToString() const {
  return fmt::format("item {} of --set number {}", item, flag);
}

// A third of the shorter text may be another: of two letters nothing, or every word would be near.
std::string Closest(const std::string& text, const std::map<std::string, std::string>& names) {
  std::string closest;
  if (text.size() > 100) return closest;  // no name of ours is half as long
  size_t least = SIZE_MAX;
  for (const auto& [lower, name] : names) {
    const size_t distance = Distance(text, lower);
    if (distance >= least || distance > std::min(text.size(), lower.size()) / 3) continue;
    least = distance;
    closest = name;
  }
  return closest;
}

Status Resolver::CheckSets(
    const std::function<bool(const std::string& key)>& is_ignored,
    const std::function<std::string(const std::string& key)>& other_name) const {
  for (const std::string& key : UnknownSets()) {
    if (is_ignored(key)) continue;
    const Position& position = set_positions_.at(key);
    // What follows the first comma of a text may be a piece of a secret.
    std::string text =
        position.item == 1 ? "--set: unknown key " + key : "unknown key in " + position.ToString();
    if (const std::string name = other_name(key); !name.empty()) {
      return ConfigError(text).WithAdvice("this version of the file calls it " + name);
    }
    const std::string closest = Closest(key, known_);
    if (!closest.empty()) return ConfigError(text).WithAdvice("did you mean " + closest + "?");
    return ConfigError(text).WithAdvice(position.item == 1 ? "docs/configuration.md lists the keys"
                                                           : kQuoteAdvice);
  }
  return Status::Ok();
}

std::vector<Setting> Resolver::Settings() const {
  std::vector<Setting> settings;
  for (const Value& value : values_) {
    const bool secret = value.parameter.kind == Kind::kSecret;
    settings.push_back({value.parameter.names.front(), secret ? Mask(value.text) : value.text,
                        value.source, value.source_key});
  }
  return settings;
}

}  // namespace milvus_backup::config
