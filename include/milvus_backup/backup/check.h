/// Whether a configuration works: Milvus answers, both storages can be listed, and an object can be
/// moved from one to the other.
#pragma once

#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <optional>
#include <string>

namespace milvus_backup::backup {

struct CheckReport {
  std::string milvus_version;
  /// Nothing lies under Milvus' root path: either Milvus is new or the path is wrong.
  bool milvus_root_is_empty = false;
  /// Where rows of Milvus lie when there are none under its root path: the directory above it, or
  /// one directly below it. A key of the storage without a slash at its end; empty for its top.
  std::optional<std::string> likely_milvus_root;
  /// The bucket or directory of the backups does not exist yet, so no object was moved.
  bool backup_storage_is_missing = false;
  /// The storage service copies by itself; false while that has not been tried.
  bool server_side_copy = false;
};

/// List the start of both roots, write one byte below Milvus' root, copy it below the backup root,
/// compare, delete both. Creates no bucket: where that of the backups is missing, which a first
/// backup would create, nothing is written. Errors name the place that failed.
Result<CheckReport> CheckSite(const CallContext& ctx, Site& site);

}  // namespace milvus_backup::backup
