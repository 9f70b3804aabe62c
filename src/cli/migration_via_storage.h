/// A migration between two Milvus 2.x through their storages: a backup, restored at the other site.
#pragma once

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/milvus2x_options.h"

#include <string>

namespace milvus_backup::cli {

struct ViaStorageFlags {
  /// backup.yaml of either site, of which only the storages count: the servers are those of
  /// migration.yaml.
  std::string source_config;
  std::string target_config;
  bool all = false;
  bool index = false;
  bool show_progress = true;
};

/// Of the backup that a run takes: the same for the same source, target and set of names, in
/// whatever order and however often they are given, so that an interrupted run is taken up.
std::string ViaStorageBackupName(const migration::Milvus2xOptions& options, bool all);

/// Back the collections up into the source's backup storage, restore them into the target from
/// there, and remove the backup. The same call goes on after a run that failed or was killed while
/// it restored, with the rows of its backup and a warning; else a new backup is taken.
/// kAlreadyExists while another run with this state directory is under way or when a target exists;
/// kInvalidArgument for what `options` want changed on the way, which files cannot be; else the
/// errors of create and restore.
Result<backup::RestoreReport> MigrateViaStorage(const CallContext& ctx,
                                                const migration::Milvus2xOptions& options,
                                                const ViaStorageFlags& flags);

}  // namespace milvus_backup::cli
