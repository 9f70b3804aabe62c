#include "migration_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace milvus_backup::config {

Result<Endpoint> ParseEndpoint(const std::string& key, std::string text) {
  Endpoint endpoint{.is_tls = text.starts_with("https://")};
  if (const size_t scheme = text.find("://"); scheme != std::string::npos) {
    text.erase(0, scheme + 3);
  }
  while (text.ends_with('/')) text.pop_back();
  const size_t colon = text.rfind(':');
  const bool is_ipv6_alone = text.ends_with(']');
  if (colon != std::string::npos && !is_ipv6_alone) {
    const char* const end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + colon + 1, end, endpoint.port);
    if (parsed.ec != std::errc() || parsed.ptr != end || endpoint.port == 0) {
      return ConfigError(fmt::format("{} is '{}'; use host or host:port", key, text));
    }
    text.erase(colon);
  }
  endpoint.address = std::move(text);
  return endpoint;
}

std::string MigrationKeys::Text(const std::string& key, const std::string& fallback) const {
  const auto node = file_.find(ToLower(key));
  return node == file_.end() ? fallback : node->second.text;
}

Result<std::string> MigrationKeys::Required(const std::string& key) const {
  std::string text = Text(key);
  if (text.empty()) return ConfigError(key + " is not set");
  return text;
}

Result<bool> MigrationKeys::Bool(const std::string& key) const {
  MB_ASSIGN_OR_RETURN(const std::optional<bool> value, OptionalBool(key));
  return value.value_or(false);
}

Result<std::optional<bool>> MigrationKeys::OptionalBool(const std::string& key) const {
  const std::string text = Text(key);
  if (text.empty()) return std::optional<bool>();
  const std::optional<bool> value = ParseBool(text);
  if (!value) return ConfigError(fmt::format("{} is '{}'; use true or false", key, text));
  return value;
}

Result<int64_t> MigrationKeys::Number(const std::string& key, int64_t fallback, int64_t max) const {
  const std::string text = Text(key);
  if (text.empty()) return fallback;
  int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value < 1 || value > max) {
    return ConfigError(fmt::format("{} is '{}'; use a whole number from 1 to {}", key, text, max));
  }
  return value;
}

std::vector<std::string> MigrationKeys::Names(const std::string& key) const {
  std::vector<std::string> names;
  const std::string text = Text(key);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    std::string name = text.substr(begin, end - begin);
    name.erase(0, name.find_first_not_of(' '));
    name.erase(name.find_last_not_of(' ') + 1);
    if (!name.empty()) names.push_back(std::move(name));
    begin = end + 1;
  }
  return names;
}

Result<milvus::ClientOptions> MigrationKeys::MilvusAt(const std::string& section) const {
  const std::string key = section + ".endpoint";
  MB_ASSIGN_OR_RETURN(const std::string text, Required(key));
  MB_ASSIGN_OR_RETURN(const Endpoint endpoint, ParseEndpoint(key, text));
  if (endpoint.address.empty() || endpoint.address.find_first_of("/{} ") != std::string::npos) {
    return ConfigError(fmt::format("{} is '{}'; use host:port", key, text));
  }
  milvus::ClientOptions options{.address = endpoint.address};
  if (endpoint.port != 0) options.port = endpoint.port;
  if (endpoint.is_tls) options.tls_mode = milvus::TlsMode::kServer;
  options.user = Text(section + ".username");
  options.password = Secret(Text(section + ".password"));
  options.key_names = {.address = key,
                       .user = section + ".username",
                       .password = section + ".password",
                       .tls = key + " and its scheme (https:// for TLS)"};
  MB_RETURN_IF_ERROR(options.Validate());
  return options;
}

}  // namespace milvus_backup::config
