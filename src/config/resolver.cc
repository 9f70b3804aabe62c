#include "resolver.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
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
  for (const std::string& name : names) result.push_back(name + std::string(suffix));
  return result;
}

std::vector<std::string> Unknown(const std::map<std::string, std::string>& values,
                                 const std::set<std::string>& known) {
  std::vector<std::string> unknown;
  for (const auto& [name, value] : values) {
    if (!known.contains(name)) unknown.push_back(name);
  }
  return unknown;
}

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
  for (const std::string& text : sets) {
    for (const std::string& item : SplitCsv(text)) {
      const size_t equals = item.find('=');
      // The text is not repeated: it may be a secret.
      if (equals == std::string::npos || equals == 0) {
        return ConfigError("invalid --set format, want KEY=VALUE");
      }
      sets_[ToLower(std::string_view(item).substr(0, equals))] = item.substr(equals + 1);
    }
  }
  return Status::Ok();
}

std::vector<Resolver::Layer> Resolver::LayersOf(const Parameter& parameter) const {
  std::vector<std::string> variables;
  if (!parameter.environment.empty()) variables.push_back(parameter.environment);
  const auto in = [](const std::map<std::string, std::string>& values) {
    return [&values](const std::string& name) -> std::optional<std::string> {
      const auto it = values.find(ToLower(name));
      return it == values.end() ? std::nullopt : std::optional(it->second);
    };
  };
  std::vector<Layer> layers = {{"--set", in(sets_), parameter.names, {}},
                               {"environment", environment_, variables, {}},
                               {"file", in(file_), parameter.names, {}}};
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
  return true;
}

void Resolver::Remember(const Parameter& parameter) {
  for (const Layer& layer : LayersOf(parameter)) {
    for (const std::string& name : layer.names) known_.insert(ToLower(name));
    for (const std::string& name : layer.file_names) known_.insert(ToLower(name));
  }
}

Status Resolver::Resolve(const Parameter& parameter) {
  Remember(parameter);
  Value value;
  value.parameter = parameter;
  value.text = parameter.fallback;
  value.source = "default";
  bool found = false;
  for (const Layer& layer : LayersOf(parameter)) {
    MB_ASSIGN_OR_RETURN(found, FindIn(layer, value));
    if (found) break;
  }
  if (found) {
    MB_RETURN_IF_ERROR(CheckKind(value));
  } else if (!parameter.inherits.empty()) {
    const Value& parent = Get(parameter.inherits);
    value.text = parent.text;
    value.source = "inherited";
    value.source_key = parent.parameter.names.front();
  }
  index_[parameter.id] = values_.size();
  values_.push_back(std::move(value));
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
  for (const auto* values : {&file_, &sets_}) {
    for (auto it = values->lower_bound(section + "."); it != values->end(); ++it) {
      if (!it->first.starts_with(section + ".")) break;
      const std::string rest = it->first.substr(section.size() + 1);
      names.insert(rest.substr(0, rest.find('.')));
    }
  }
  return names;
}

std::vector<std::string> Resolver::UnknownFileKeys() const { return Unknown(file_, known_); }

std::vector<std::string> Resolver::UnknownSets() const { return Unknown(sets_, known_); }

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
