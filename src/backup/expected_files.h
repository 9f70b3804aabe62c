/// Comparing what a storage holds with what a backup should consist of.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// A log file of a backup.
struct ExpectedFile {
  /// Relative to the backup directory.
  std::string path;
  uint64_t size = 0;
};

/// List the insert and delta logs of a collection below `backup_dir` and compare them with
/// `expected`, sorted by path. kDataLoss naming the first file that is missing, has another size,
/// or is not expected although it lies in one of `closed_dirs` (relative, with a slash at the end).
Status CheckFiles(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
                  int64_t collection_id, const std::vector<ExpectedFile>& expected,
                  const std::vector<std::string>& closed_dirs);

}  // namespace milvus_backup::backup
