#include "milvus_backup/config/config.h"

#include "resolver.h"
#include "sections.h"
#include "source_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::config {
namespace {

Status Fill(Resolver& values, Version version, Config& config) {
  for (const Key& key : Keys()) {
    if (!HasKey(key, version)) continue;
    MB_RETURN_IF_ERROR(values.Resolve(ToParameter(key, version)));
  }
  MB_RETURN_IF_ERROR(LoadCommon(values, config));
  MB_RETURN_IF_ERROR(version == Version::kV1 ? LoadV1(values, config) : LoadV2(values, config));
  MB_RETURN_IF_ERROR(LoadStorages(values, config));
  return LoadSchedules(values, config);
}

std::vector<std::string> Warnings(const Resolver& values, Version version,
                                  const std::string& path) {
  std::vector<std::string> warnings;
  if (version == Version::kV2) {
    for (const std::string& key : values.UnknownFileKeys()) {
      warnings.push_back(fmt::format("{}: unknown key {} is ignored", path, key));
    }
  }
  return warnings;
}

bool IsForgotten(const std::string& key) {
  return std::ranges::any_of(ForgottenV1Keys(),
                             [&](std::string_view other) { return ToLower(other) == key; });
}

// What `version` calls a key or variable, given in lower case, that only the other version has.
std::string NameIn(Version version, const std::string& key_of_other) {
  const Version other = version == Version::kV1 ? Version::kV2 : Version::kV1;
  for (const Key& key : Keys()) {
    if (!HasKey(key, version) || !HasKey(key, other)) continue;
    const Parameter there = ToParameter(key, other);
    std::vector<std::string> names = there.names;
    names.push_back(there.environment);
    const auto is_meant = [&](const std::string& name) { return ToLower(name) == key_of_other; };
    if (std::ranges::any_of(names, is_meant)) return ToParameter(key, version).names.front();
  }
  return "";
}

}  // namespace

std::optional<std::string> ProcessEnvironment(const std::string& name) {
  // Read at start, before any thread exists; nothing of ours changes the environment.
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

Result<Config> Load(const LoadOptions& options) {
  MB_ASSIGN_OR_RETURN(SourceFile source, ReadSourceFile(options));
  Config config;
  config.path = source.path;
  Resolver values(std::move(source.keys), options.environment, ReadSecretFile);
  MB_RETURN_IF_ERROR(values.AddSets(options.sets));
  MB_RETURN_IF_ERROR(Fill(values, source.version, config).Annotate(source.path));
  MB_RETURN_IF_ERROR(values.CheckSets(
      IsForgotten, [&](const std::string& key) { return NameIn(source.version, key); }));
  config.settings = values.Settings();
  for (std::string& warning : Warnings(values, source.version, source.path)) {
    config.warnings.push_back(std::move(warning));
  }
  if (source.is_empty) {
    config.warnings.push_back(source.path + " is empty: every key it could set has its default");
  }
  return config;
}

}  // namespace milvus_backup::config
