#include "sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <string>
#include <vector>

namespace milvus_backup::config {
namespace {

// The keys of the `minio:` section, by the names FillStorage knows them by.
struct EntryKey {
  std::string_view name;
  std::string_view id;
  std::string_view fallback;
  Kind kind = Kind::kText;
  std::string_view environment = "";
};
constexpr EntryKey kEntryKeys[] = {
    {"storageType", "provider", "minio"},
    {"address", "address", "localhost"},
    {"port", "port", "9000", Kind::kNumber},
    {"region", "region", ""},
    {"useSSL", "useSSL", "false", Kind::kBool},
    {"caCertPath", "caCertPath", ""},
    {"payloadSigning", "payloadSigning", "auto"},
    {"useIAM", "useIAM", "false", Kind::kBool},
    {"accessKeyID", "auth.accessKeyID", "minioadmin", Kind::kSecret, "_ACCESS_KEY"},
    {"secretAccessKey", "auth.secretAccessKey", "minioadmin", Kind::kSecret, "_SECRET_KEY"},
    {"token", "auth.sessionToken", "", Kind::kSecret, "_TOKEN"},
    {"bucketName", "bucketName", "a-bucket"},
    {"backupRootPath", "rootPath", "backup"},
    // Accepted so that a `minio:` section can be pasted; only backups are read from here.
    {"rootPath", "milvusRootPath", ""},
};

// `STORAGES_<NAME>`, with `_` for whatever is neither letter nor digit.
std::string VariablePrefix(const std::string& name) {
  std::string variable = "STORAGES_" + name;
  std::ranges::transform(variable, variable.begin(), [](unsigned char c) {
    return std::isalnum(c) != 0 ? static_cast<char>(std::toupper(c)) : '_';
  });
  return variable;
}

Status CheckName(const std::string& name) {
  if (name == "milvus" || name == "backup") {
    return ConfigError(fmt::format("storages.{}: this name is reserved", name))
        .WithAdvice("choose another name");
  }
  const bool is_plain = !name.empty() && std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  });
  if (is_plain) return Status::Ok();
  return ConfigError(fmt::format("storages: '{}' cannot be a name", name))
      .WithAdvice("use letters, digits, '-' and '_'");
}

}  // namespace

Result<StorageSettings> LoadStorageEntry(Resolver& values, const StorageIds& ids,
                                         const std::string& variables) {
  for (const EntryKey& key : kEntryKeys) {
    const std::string environment = key.environment.empty() || variables.empty()
                                        ? ""
                                        : variables + std::string(key.environment);
    MB_RETURN_IF_ERROR(values.Resolve({.id = ids.Id(key.id),
                                       .names = {ids.Id(key.name)},
                                       .environment = environment,
                                       .fallback = std::string(key.fallback),
                                       .kind = key.kind,
                                       .min = 1,
                                       .max = 65535,
                                       .inherits = ""}));
  }
  StorageSettings storage;
  MB_RETURN_IF_ERROR(FillStorage(values, ids, storage));
  storage.use_iam = values.Bool(ids.Id("useIAM"));
  MB_RETURN_IF_ERROR(FinishStorage(storage));
  return storage;
}

Status LoadStorages(Resolver& values, Config& config) {
  std::map<std::string, std::string> prefixes;  // environment prefix → name
  for (const std::string& name : values.NamesBelow("storages")) {
    MB_RETURN_IF_ERROR(CheckName(name));
    const auto [other, is_new] = prefixes.emplace(VariablePrefix(name), name);
    if (!is_new) {
      return ConfigError(fmt::format("storages.{} and storages.{} share the environment names {}_…",
                                     other->second, name, other->first))
          .WithAdvice("rename one of them");
    }
    MB_ASSIGN_OR_RETURN(StorageSettings storage,
                        LoadStorageEntry(values, {"storages." + name}, VariablePrefix(name)));
    config.storages.emplace(name, std::move(storage));
  }
  for (const auto& unknown : {values.UnknownFileKeys(), values.UnknownSets()}) {
    for (const std::string& key : unknown) {
      if (key != "storages" && !key.starts_with("storages.")) continue;
      return ConfigError("unknown key " + key)
          .WithAdvice(
              "an entry of storages: takes the keys of the minio: section that "
              "docs/configuration.md lists");
    }
  }
  return Status::Ok();
}

Result<StorageSettings> FindStorage(const Config& config, std::string_view name) {
  const std::string lower = ToLower(name);
  if (lower == "milvus") return config.milvus_storage;
  if (lower == "backup") return config.backup_storage;
  if (const auto it = config.storages.find(lower); it != config.storages.end()) return it->second;
  std::map<std::string, std::string> names = {{"milvus", "milvus"}, {"backup", "backup"}};
  std::string known = "milvus, backup";
  for (const auto& [other, storage] : config.storages) {
    known += ", " + other;
    names.emplace(other, other);
  }
  const std::string closest = Closest(lower, names);
  return InvalidArgumentError(fmt::format("no storage is called '{}'; known: {}", name, known))
      .WithAdvice(closest.empty() ? fmt::format("add it below storages: in {}", config.path)
                                  : fmt::format("did you mean {}?", closest));
}

std::vector<std::string> StorageEntryKeys() {
  std::vector<std::string> names;
  for (const EntryKey& key : kEntryKeys) {
    names.emplace_back(key.name);
    if (key.kind == Kind::kSecret) names.push_back(std::string(key.name) + "File");
  }
  return names;
}

}  // namespace milvus_backup::config
