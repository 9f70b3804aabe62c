#include "milvus_backup/config/migrate.h"

#include "resolver.h"
#include "sections.h"
#include "source_file.h"
#include "yaml_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace milvus_backup::config {
namespace {

const StorageIds kMilvusStorage{"milvus.storage"};
const StorageIds kBackupStorage{"backup.storage"};

/// Where a credential of version 1 goes in version 2, by the type of auth.
struct AuthMove {
  std::string_view type;
  std::string_view from;
  std::string_view to;
};
constexpr AuthMove kAuthMoves[] = {
    {"static", "auth.accessKeyID", "auth.accessKeyID"},
    {"static", "auth.secretAccessKey", "auth.secretAccessKey"},
    {"static", "auth.sessionToken", "auth.sessionToken"},
    {"iam", "auth.endpoint", "auth.endpoint"},
    {"sharedKey", "auth.accessKeyID", "accountName"},
    {"sharedKey", "auth.secretAccessKey", "auth.accountKey"},
    {"default", "auth.accessKeyID", "accountName"},
    {"serviceAccount", "auth.credentialsFile", "auth.credentialsFile"},
};
constexpr std::string_view kV1AuthKeys[] = {"auth.accessKeyID", "auth.secretAccessKey",
                                            "auth.sessionToken", "auth.endpoint",
                                            "auth.credentialsFile"};

std::optional<std::string> MoveOf(std::string_view type, std::string_view from) {
  for (const AuthMove& move : kAuthMoves) {
    if (move.type == type && move.from == from) return std::string(move.to);
  }
  return std::nullopt;
}

/// Collects the keys of the new file from a resolved v1 file.
class Translation {
 public:
  explicit Translation(const Resolver& values) : values_(values) {}

  Status Run() {
    for (const Key& key : Keys()) {
      if (HasKey(key, Version::kV1)) TranslateKey(key);
    }
    TranslateTls();
    TranslateBackupRoot();
    return TranslateStorages();
  }

  Migration Finish(const std::vector<std::string>& unknown_keys) {
    for (const std::string& key : unknown_keys) ReportUnknown(key);
    std::vector<WrittenKey> keys = {{"configVersion", "v2"}};
    for (const Key& key : Keys()) {
      if (const auto it = written_.find(std::string(key.v2)); it != written_.end()) {
        keys.push_back(it->second);
      }
    }
    for (const Value& value : values_.all()) {
      const bool is_entry = value.parameter.id.starts_with("storages.") ||
                            value.parameter.id.starts_with("schedules.");
      if (!is_entry || !value.is_set()) continue;
      keys.push_back(Written(value.source_key, value));
    }
    migration_.yaml = WriteYaml(keys);
    migration_.keys = keys.size();
    return std::move(migration_);
  }

 private:
  WrittenKey Written(const std::string& path, const Value& value) const {
    if (!value.secret_file.empty()) return {path, value.secret_file};
    switch (value.parameter.kind) {
      case Kind::kBool:
        return {path, ParseBool(value.text).value_or(false) ? "true" : "false", Kind::kBool};
      case Kind::kNumber:
        return {path, std::to_string(values_.Number(value.parameter.id)), Kind::kNumber};
      default:
        return {path, value.text, value.parameter.kind, value.items};
    }
  }

  void Put(const std::string& id, const Value& value) {
    written_[id] = Written(value.secret_file.empty() ? id : id + "File", value);
  }
  void PutText(const std::string& id, const std::string& text) { written_[id] = {id, text}; }
  void Drop(const Value& value, const std::string& reason) {
    migration_.dropped.push_back({value.name(), reason});
  }
  void Lose(const Value& value, const std::string& reason) {
    migration_.lost.push_back({value.name(), reason});
  }

  void TranslateKey(const Key& key) {
    const Value& value = values_.Get(IdOf(key));
    if (!value.is_set()) return;
    const std::string& id = value.parameter.id;
    if (id == "http.enabled" || id == "backup.gcPause.seconds") {
      Drop(value, "it has no effect, and version 2 has no such key");
    } else if (id == "minio.crossStorage") {
      PutText("transfer.mode", values_.Bool(id) ? "streaming" : "auto");
    } else if (id == "milvus.management.endpoint") {
      PutUrl(value, ToUrl(value.text));
    } else if (id == "zillizCloud.endpoint") {
      PutUrl(value, IsAbsoluteUrl(value.text) ? value.text : "");
    } else if (!key.v2.empty() && id.find(".storage.auth.") == std::string::npos) {
      Put(id, value);
    }
  }

  void PutUrl(const Value& value, const std::string& url) {
    if (!url.empty()) {
      PutText(value.parameter.id, url);
    } else if (value.text.empty()) {
      Drop(value, "it is empty, and version 2 wants a URL here");
    } else {
      Lose(value, "version 2 wants a URL here");
    }
  }

  void TranslateTls() {
    const Value& value = values_.Get("milvus.tlsMode");
    if (!value.is_set()) return;
    const bool lacks_files = values_.Text("milvus.grpc.mtlsCertPath").empty() ||
                             values_.Text("milvus.grpc.mtlsKeyPath").empty();
    const int64_t mode = values_.Number("milvus.tlsMode");
    PutText("milvus.grpc.tlsMode",
            mode == 0 ? "disabled" : (mode == 1 || lacks_files ? "server" : "mutual"));
  }

  // The defaults of the two versions differ, so it is always written.
  void TranslateBackupRoot() {
    const Value& value = values_.Get(kBackupStorage.Id("rootPath"));
    const bool is_local = ToLower(values_.Text(kBackupStorage.Id("provider"))) == "local";
    const bool is_empty =
        is_local ? value.text.empty() : value.text.find_first_not_of('/') == std::string::npos;
    PutText(value.parameter.id, is_empty && !value.is_set() ? "backup" : value.text);
  }

  Status TranslateStorages() {
    MB_ASSIGN_OR_RETURN(const std::string milvus_type, TranslateProvider(kMilvusStorage));
    MB_ASSIGN_OR_RETURN(const std::string backup_type, TranslateProvider(kBackupStorage));
    if (milvus_type != "static" || values_.Get("minio.useIAM").is_set()) {
      PutText(kMilvusStorage.Id("auth.type"), milvus_type);
    }
    if (backup_type != milvus_type || values_.Get("minio.backupUseIAM").is_set()) {
      PutText(kBackupStorage.Id("auth.type"), backup_type);
    }
    for (const std::string_view key : kV1AuthKeys) {
      TranslateMilvusAuth(key, milvus_type, backup_type);
      TranslateBackupAuth(key, milvus_type, backup_type);
    }
    return Status::Ok();
  }

  // Writes the provider's own name; returns the type of auth.
  Result<std::string> TranslateProvider(const StorageIds& ids) {
    const Value& value = values_.Get(ids.Id("provider"));
    MB_ASSIGN_OR_RETURN(const std::string provider, NormaliseProvider(value));
    if (value.is_set()) PutText(value.parameter.id, provider);
    const bool use_iam =
        values_.Bool(ids.section == kMilvusStorage.section ? "minio.useIAM" : "minio.backupUseIAM");
    if (provider == "azure") return std::string(use_iam ? "default" : "sharedKey");
    if (provider == "gcpnative") return std::string("serviceAccount");
    return std::string(use_iam ? "iam" : "static");
  }

  void TranslateMilvusAuth(std::string_view key, const std::string& type,
                           const std::string& backup_type) {
    const Value& value = values_.Get(kMilvusStorage.Id(key));
    if (!value.is_set()) return;
    const Value& backup = values_.Get(kBackupStorage.Id(key));
    if (const auto to = MoveOf(type, key)) {
      PutCredential(kMilvusStorage.Id(*to), value);
    } else if (!MoveOf(backup_type, key) || backup.is_set() || backup.parameter.inherits.empty()) {
      DropCredential(value, type);
    }
  }

  void TranslateBackupAuth(std::string_view key, const std::string& milvus_type,
                           const std::string& type) {
    const Value& own = values_.Get(kBackupStorage.Id(key));
    const auto to = MoveOf(type, key);
    if (own.is_set() && to) return PutCredential(kBackupStorage.Id(*to), own);
    if (own.is_set()) return DropCredential(own, type);
    // Inherited: version 2 does so by itself as long as both storages have the same type of auth.
    const Value& parent = values_.Get(kMilvusStorage.Id(key));
    if (to && type != milvus_type && !own.parameter.inherits.empty() && parent.is_set()) {
      PutCredential(kBackupStorage.Id(*to), parent);
    }
  }

  void PutCredential(const std::string& id, const Value& value) {
    if (id.ends_with("auth.endpoint")) {
      const std::string url = ToUrl(value.text);
      if (!url.empty() || value.text.empty()) return PutText(id, url);
      return Lose(value, "version 2 wants a URL here");
    }
    if (id.ends_with("accountName") && !value.secret_file.empty()) {
      return Lose(value, fmt::format("version 2 has no {}File", id));
    }
    Put(id, value);
  }

  void DropCredential(const Value& value, const std::string& type) {
    if (!value.text.empty() || !value.secret_file.empty()) {
      Drop(value, fmt::format("it has no effect with auth.type '{}'", type));
    }
  }

  void ReportUnknown(const std::string& key) {
    const bool is_forgotten = std::ranges::any_of(
        ForgottenV1Keys(), [&](std::string_view other) { return ToLower(other) == key; });
    if (is_forgotten) {
      migration_.dropped.push_back({key, "only releases before 0.5 read it"});
    } else {
      migration_.lost.push_back({key, "unknown key"});
    }
  }

  const Resolver& values_;
  /// v2 id → what to write for it.
  std::map<std::string, WrittenKey> written_;
  Migration migration_;
};

Status LoadEntries(Resolver& values, Config& config) {
  MB_RETURN_IF_ERROR(LoadStorages(values, config));
  return LoadSchedules(values, config);
}

// Everything Load would refuse, but for the providers that only version 2 files of other programs
// can use.
Status Validate(Resolver& values) {
  Config config;
  for (const StorageIds& ids : {kMilvusStorage, kBackupStorage}) {
    MB_ASSIGN_OR_RETURN(const std::string provider,
                        NormaliseProvider(values.Get(ids.Id("provider"))));
    if (provider == "azure" || provider == "gcpnative") return LoadEntries(values, config);
  }
  MB_RETURN_IF_ERROR(LoadCommon(values, config));
  MB_RETURN_IF_ERROR(LoadV1(values, config));
  return LoadEntries(values, config);
}

}  // namespace

Result<Migration> Migrate(const LoadOptions& options) {
  MB_ASSIGN_OR_RETURN(SourceFile source, ReadSourceFile(options));
  if (source.version == Version::kV2) {
    return ConfigError(fmt::format("{} is version 2 already", source.path));
  }
  Resolver values(
      std::move(source.keys), [](const std::string&) { return std::nullopt; },
      [](const std::string&) -> Result<std::string> { return std::string(); });
  const auto run = [&]() -> Result<Migration> {
    for (const Key& key : Keys()) {
      if (!HasKey(key, Version::kV1)) continue;
      MB_RETURN_IF_ERROR(values.Resolve(ToParameter(key, Version::kV1)));
    }
    MB_RETURN_IF_ERROR(Validate(values));
    Translation translation(values);
    MB_RETURN_IF_ERROR(translation.Run());
    return translation.Finish(values.UnknownFileKeys());
  };
  auto migration = run();
  if (!migration.ok()) return migration.status().Annotate(source.path);
  migration->path = source.path;
  return migration;
}

}  // namespace milvus_backup::config
