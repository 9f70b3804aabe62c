/// Take a backup of collections of a live Milvus.
#pragma once

#include "milvus_backup/backup/selection.h"
#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace milvus_backup::backup {

struct CreateOptions {
  /// Empty chooses `backup_<UTC time>`.
  std::string name;
  Selection selection;
};

struct CreateReport {
  std::string name;
  uint64_t collections = 0;
  uint64_t segments = 0;
  int64_t rows = 0;
  uint64_t objects = 0;
  uint64_t bytes = 0;
  /// Objects the service copied by itself.
  uint64_t server_side_objects = 0;
  /// Streamed objects proved by a second read of the source.
  uint64_t second_reads = 0;
  /// Seconds per phase: prepare, describe, flush, list, copy, check, meta. Collections work side by
  /// side, so phases may add up to more than `seconds`.
  std::map<std::string, double> phases;
  double seconds = 0;
};

/// Flush the selected collections, copy their binlogs into `<backup root>/<name>/`, check what
/// arrived, then write the metas, header last. Creates the backup bucket when it is missing. Any
/// error, and a stop, removes what this run has written. kAlreadyExists when the name is taken.
Result<CreateReport> CreateBackup(const CallContext& ctx, Site& site, const CreateOptions& options);

}  // namespace milvus_backup::backup
