/// Which storage a command works on, as its flags say it.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/storage/location.h"

#include <string>

namespace CLI {
class App;
}

namespace milvus_backup::cli {

/// As given on the command line; empty texts were not given.
struct SourceFlags {
  /// A backup, or a directory of backups, as ParseLocation reads it.
  std::string place;
  std::string from;
  std::string from_config;
};

/// Add PLACE, --from and --from-config. `flags` must outlive `command`.
void AddSourceFlags(CLI::App& command, SourceFlags& flags);

/// The backups that a command reads.
struct BackupSource {
  /// With their storage as `backup_storage`.
  config::Config config;
  /// Of the backup that the place is; empty when no place was given or it holds several.
  std::string name;
};

/// What `flags` mean in a command with the configuration `own`. `holds_several`: the place is a
/// directory of backups and not one of them. kInvalidArgument naming the flag for flags that
/// exclude each other, storages that the configuration does not have and places that cannot be a
/// backup.
Result<BackupSource> FindSource(const config::Config& own, const SourceFlags& flags,
                                bool holds_several);

/// The storage called `name` in `config`, or the backup storage of the file `other_config`, whose
/// names of keys then tell the file, or with both empty that of `config`. `flag` names the one in
/// errors, with `-config` added the other.
Result<config::StorageSettings> FindBackupStorage(const config::Config& config,
                                                  const std::string& name,
                                                  const std::string& other_config,
                                                  const std::string& flag);

/// A place as ParseLocation reads it, as the root of a storage. kInvalidArgument for names that the
/// configuration does not have and `s3://` where backups are kept on a disk.
Result<config::StorageSettings> StorageAt(const config::Config& config,
                                          const storage::Location& location);

}  // namespace milvus_backup::cli
