/// Bring collections of a backup back into a Milvus.
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

struct RestoreOptions {
  std::string name;
  /// Collections by their names in the backup (-c).
  Selection sources;
  /// Collections by the names they will have (--filter).
  Selection targets;
  /// Appended to every collection name.
  std::string suffix;
  bool rebuild_index = false;
};

/// How far the row count of a restored collection was proved.
struct RowCheck {
  int64_t restored = 0;
  /// Rows of segments without deletes: all of them must be there.
  int64_t at_least = 0;
  /// Rows of all segments.
  int64_t at_most = 0;
  /// True when no segment has deletes, so both bounds are equal.
  bool exact() const { return at_least == at_most; }
};

struct RestoredCollection {
  std::string source;
  std::string target;
  RowCheck rows;
  uint64_t imports = 0;
  /// Whether Milvus read the backup where it lies, without staging.
  bool in_place = false;
};

struct RestoreReport {
  std::string name;
  std::vector<RestoredCollection> collections;
  uint64_t imports = 0;
  uint64_t staged_objects = 0;
  uint64_t staged_bytes = 0;
  /// Seconds per phase: read, check, create, stage, import, index, count, clean.
  std::map<std::string, double> phases;
  double seconds = 0;
};

/// Check everything that can be known before writing (backup complete, objects there, targets
/// free), then create each target, hand its binlogs to Milvus' import, in place when Milvus can
/// read the backup's storage, else through a staging directory in Milvus' own, and compare row
/// counts. On an error or a stop the collections this run created are dropped and the staging is
/// removed. kNotFound: no such backup; kAlreadyExists: a target exists; kDataLoss: the backup is
/// damaged or rows are missing.
Result<RestoreReport> RestoreBackup(const CallContext& ctx, Site& site,
                                    const RestoreOptions& options);

}  // namespace milvus_backup::backup
