#include "parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

namespace milvus_backup::config {
namespace {

// Go's strconv.ParseBool, which the reference tool uses.
std::optional<bool> ParseBool(std::string_view text) {
  constexpr std::array<std::string_view, 6> kTrue = {"1", "t", "T", "true", "TRUE", "True"};
  constexpr std::array<std::string_view, 6> kFalse = {"0", "f", "F", "false", "FALSE", "False"};
  if (std::ranges::find(kTrue, text) != kTrue.end()) return true;
  if (std::ranges::find(kFalse, text) != kFalse.end()) return false;
  return std::nullopt;
}

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

Status BadValue(const Parameter& parameter, const std::string& value, const std::string& wanted) {
  return InvalidArgumentError(fmt::format("{} is '{}'; {}", parameter.names.front(), value, wanted))
      .WithOrigin(Origin::kConfig);
}

}  // namespace

std::string ToLower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

Resolver::Resolver(FlatFile file,
                   std::function<std::optional<std::string>(const std::string&)> environment)
    : file_(std::move(file)), environment_(std::move(environment)) {}

Status Resolver::AddSets(const std::vector<std::string>& sets) {
  for (const std::string& text : sets) {
    for (const std::string& item : SplitCsv(text)) {
      const size_t equals = item.find('=');
      if (equals == std::string::npos || equals == 0) {
        return InvalidArgumentError("invalid --set format, want KEY=VALUE: '" + item + "'")
            .WithOrigin(Origin::kConfig);
      }
      sets_[ToLower(std::string_view(item).substr(0, equals))] = item.substr(equals + 1);
    }
  }
  return Status::Ok();
}

Resolver::Found Resolver::Find(const Parameter& parameter) const {
  for (const std::string& name : parameter.names) {
    if (const auto it = sets_.find(ToLower(name)); it != sets_.end()) return {it->second, "--set"};
  }
  if (!parameter.environment.empty()) {
    if (const auto it = sets_.find(ToLower(parameter.environment)); it != sets_.end()) {
      return {it->second, "--set"};
    }
    if (auto value = environment_(parameter.environment)) return {*std::move(value), "environment"};
  }
  for (const std::string& name : parameter.names) {
    if (const auto it = file_.find(ToLower(name)); it != file_.end()) return {it->second, "file"};
  }
  return {};
}

std::string Resolver::Text(const Parameter& parameter,
                           const std::optional<std::string>& inherited) {
  Found found = Find(parameter);
  if (found.source.empty()) {
    found = {inherited.value_or(parameter.fallback), inherited ? "inherited" : "default"};
  }
  settings_.push_back(
      {parameter.names.front(), parameter.secret ? Mask(found.value) : found.value, found.source});
  return found.value;
}

Result<bool> Resolver::Bool(const Parameter& parameter, const std::optional<bool>& inherited) {
  const std::string text =
      Text(parameter,
           inherited ? std::optional<std::string>(*inherited ? "true" : "false") : std::nullopt);
  if (text.empty()) return inherited.value_or(ParseBool(parameter.fallback).value_or(false));
  const std::optional<bool> value = ParseBool(text);
  if (!value) return BadValue(parameter, text, "use true or false");
  return *value;
}

Result<int64_t> Resolver::Integer(const Parameter& parameter, int64_t min, int64_t max,
                                  const std::optional<int64_t>& inherited) {
  const std::string text = Text(
      parameter, inherited ? std::optional<std::string>(std::to_string(*inherited)) : std::nullopt);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min || value > max) {
    return BadValue(parameter, text, fmt::format("use a whole number from {} to {}", min, max));
  }
  return value;
}

}  // namespace milvus_backup::config
