/// What a restore is going to do, worked out from the backup's meta alone.
#pragma once

#include "expected_files.h"

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/milvus/version.h"

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// One task of Milvus' import: the files below one pair of directories.
struct ImportUnit {
  std::string partition_name;
  /// Directories relative to the backup directory, with a slash at the end; empty when there is
  /// none.
  std::string insert_dir;
  std::string delta_dir;
  /// Only deletes, for servers that know L0 segments.
  bool is_l0 = false;
  int64_t storage_version = 0;
  uint64_t bytes = 0;
};

struct CollectionPlan {
  CollectionName source;
  CollectionName target;
  /// Points into the BackupInfo the plan was made from.
  const meta::CollectionBackup* backup = nullptr;
  std::vector<ImportUnit> units;
  ExpectedFiles files;
  RowCheck rows;
};

/// Servers from 2.4 on list only the direct children of a directory; older ones walk it. An unknown
/// version counts as new, for what those take the older ones take as well.
bool ImportWalksDirectories(const milvus::ParsedVersion& server);

/// Choose the collections, name the targets and cut the data into import units. kInvalidArgument
/// when what was asked for by name is not in the backup or two sources get the same target,
/// kDataLoss when the meta contradicts itself (rows without binlogs), kUnimplemented when a
/// collection needs what this program cannot restore.
Result<std::vector<CollectionPlan>> PlanRestore(const meta::BackupInfo& info,
                                                const RestoreOptions& options,
                                                bool server_walks_directories);

/// What rules of -r/--rename name although it is not restored: `database.collection` or
/// `database NAME`.
std::vector<std::string> UnusedRenames(const meta::BackupInfo& info, const RestoreOptions& options,
                                       const std::vector<CollectionPlan>& plans);

/// Databases that the options select, by their new names, even those without a collection.
std::set<std::string> DatabasesToRestore(const meta::BackupInfo& info,
                                         const RestoreOptions& options);

}  // namespace milvus_backup::backup
