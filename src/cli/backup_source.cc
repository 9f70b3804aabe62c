#include "backup_source.h"

#include "milvus_backup/meta/layout.h"
#include "milvus_backup/service/services.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

namespace milvus_backup::cli {
namespace {

namespace fs = std::filesystem;
using config::StorageKind;
using config::StorageSettings;

/// The environment and --set are meant for the file of --config, so they do not change this one.
Result<config::Config> LoadOther(const std::string& path, const std::string& flag) {
  auto other = config::Load(
      {.path = path, .sets = {}, .environment = [](const std::string&) { return std::nullopt; }});
  if (!other.ok()) return other.status().Annotate(flag);
  return other;
}

/// Messages then tell its keys from those of --config.
void NameFile(const std::string& path, config::StorageKeyNames& keys) {
  for (std::string* key :
       {&keys.address, &keys.port, &keys.use_ssl, &keys.ca_cert_path, &keys.region,
        &keys.access_key, &keys.secret_key, &keys.bucket, &keys.root_path}) {
    *key += " in " + path;
  }
}

/// Absolute, so that its last element is a name whatever it was written as.
Status Resolve(StorageSettings& directory) {
  std::error_code error;
  fs::path path = fs::weakly_canonical(fs::absolute(directory.root_path, error), error);
  if (error) {
    return InvalidArgumentError(fmt::format("'{}': {}", directory.root_path, error.message()));
  }
  if (!path.has_filename()) path = path.parent_path();
  directory.root_path = path.string();
  return Status::Ok();
}

/// Cut the last element off the root and return it.
Result<std::string> SplitName(StorageSettings& storage, const std::string& place) {
  const size_t slash = storage.root_path.rfind('/');
  std::string name = storage.root_path.substr(slash == std::string::npos ? 0 : slash + 1);
  if (!meta::BackupDir("", name).ok()) {
    return InvalidArgumentError(fmt::format("'{}' cannot be a backup", place))
        .WithAdvice("give the directory of a backup, whose last element is its name");
  }
  storage.root_path.resize(slash == std::string::npos ? 0 : slash);
  if (storage.kind == StorageKind::kLocal && storage.root_path.empty()) storage.root_path = "/";
  return name;
}

}  // namespace

void AddSourceFlags(CLI::App& command, SourceFlags& flags) {
  command
      .add_option("place", flags.place,
                  "A backup by where it is: NAME:BUCKET/PREFIX with a name from storages: (or "
                  "milvus, backup), s3://BUCKET/PREFIX, or a path")
      ->type_name("PLACE");
  command.add_option("--from", flags.from, "In the backup storage called so in storages:");
  command.add_option("--from-config", flags.from_config,
                     "In the backup storage of this configuration file");
}

Result<BackupSource> FindSource(const config::Config& own, const SourceFlags& flags,
                                bool holds_several) {
  BackupSource source{.config = own, .name = ""};
  StorageSettings& storage = source.config.backup_storage;
  if (flags.place.empty()) {
    MB_ASSIGN_OR_RETURN(storage, FindBackupStorage(own, flags.from, flags.from_config, "--from"));
    return source;
  }
  if (!flags.from.empty() || !flags.from_config.empty()) {
    return InvalidArgumentError(fmt::format("'{}' says where the backup is: leave out {}",
                                            flags.place,
                                            flags.from.empty() ? "--from-config" : "--from"));
  }
  MB_ASSIGN_OR_RETURN(const storage::Location location, storage::ParseLocation(flags.place));
  MB_ASSIGN_OR_RETURN(storage, StorageAt(own, location));
  if (storage.kind == StorageKind::kLocal) MB_RETURN_IF_ERROR(Resolve(storage));
  if (holds_several) return source;
  MB_ASSIGN_OR_RETURN(source.name, SplitName(storage, flags.place));
  return source;
}

Result<StorageSettings> FindBackupStorage(const config::Config& config, const std::string& name,
                                          const std::string& other_config,
                                          const std::string& flag) {
  if (!name.empty() && !other_config.empty()) {
    return InvalidArgumentError(fmt::format("{0} and {0}-config exclude each other", flag));
  }
  if (!other_config.empty()) {
    MB_ASSIGN_OR_RETURN(config::Config other, LoadOther(other_config, flag + "-config"));
    NameFile(other_config, other.backup_storage.keys);
    return std::move(other.backup_storage);
  }
  auto found = service::BackupStorageCalled(config, name);
  if (!found.ok()) return found.status().Annotate(flag);
  return found;
}

Result<StorageSettings> StorageAt(const config::Config& config, const storage::Location& location) {
  using Kind = storage::Location::Kind;
  if (location.kind == Kind::kDisk) {
    StorageSettings disk;
    disk.kind = StorageKind::kLocal;
    disk.provider = "local";
    disk.root_path = location.path;
    return disk;
  }
  StorageSettings settings = config.backup_storage;
  if (location.kind == Kind::kNamed) {
    MB_ASSIGN_OR_RETURN(settings, config::FindStorage(config, location.name));
  } else if (settings.kind == StorageKind::kLocal) {
    return InvalidArgumentError(
               fmt::format("'{}': the backup storage of this configuration is a directory",
                           location.text))
        .WithAdvice("write a path, or NAME:BUCKET/PREFIX with a name from storages:");
  }
  if (settings.kind == StorageKind::kLocal) {
    settings.root_path += "/" + location.BucketAndPath();
  } else {
    settings.bucket = location.bucket;
    settings.root_path = location.path;
  }
  return settings;
}

}  // namespace milvus_backup::cli
