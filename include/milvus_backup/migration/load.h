/// Bringing what a dump has written into Milvus 2.x.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"
#include "milvus_backup/migration/store.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/transfer/progress.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// Most bytes of an import of small segments: they are read and written once more for it, but a 2.3
/// server ends one import every 2 s however small it is.
inline constexpr uint64_t kMergedImportBytes = uint64_t{256} << 20;

struct LoadRules {
  /// Collections by their names in 1.x; all of the dump when empty.
  std::vector<std::string> collections;
  /// Unfinished import tasks at the same time.
  size_t parallel_imports = 2;
  /// Carry index and metric over.
  bool create_indexes = false;
  /// Leave the dump where it is.
  bool keep = false;
  /// Look at everything and change nothing.
  bool dry_run = false;
  /// Then: warn of a bucket that is not that of Milvus.
  bool looks_for_bucket = true;
  /// Told of its imports, and of what is inserted instead; may be null.
  transfer::Progress* progress = nullptr;
  /// Small segments of one partition are imported together, up to so many bytes; see
  /// kMergedImportBytes. With 0 each by itself.
  uint64_t merge_bytes = 0;
  /// Of one insert, where Milvus cannot read the dump. It receives at most 64 MiB.
  uint64_t insert_bytes = uint64_t{8} << 20;
  std::chrono::milliseconds poll_interval{50};
  /// How long an import that a killed load may just have sent is waited for.
  std::chrono::milliseconds settle_time{5000};
  /// Milvus 2.3 ends a task after 900 s by itself.
  std::chrono::milliseconds stall_limit = std::chrono::minutes(30);
  /// How long Milvus may take to count rows that it says it has.
  std::chrono::milliseconds count_patience{10000};
};

struct LoadedCollection {
  /// Names in 1.x and in Milvus 2.x; those of partitions by their tags.
  std::string source;
  std::string name;
  std::map<std::string, std::string> partitions;
  /// Import tasks of the whole collection.
  size_t imports = 0;
  /// Rows that were to be brought.
  uint64_t expected = 0;
  /// Rows in Milvus before and after.
  int64_t before = 0;
  int64_t after = 0;
  /// An earlier load had finished it.
  bool was_done = false;
  /// It was there, and WriteMode::kSkip leaves it as it is.
  bool skipped = false;
};

struct LoadReport {
  std::vector<LoadedCollection> collections;
  std::vector<std::string> warnings;
  /// The dump was removed.
  bool cleaned = false;
  double seconds = 0;
};

/// Create database, collections and partitions that are missing, import every segment that Milvus
/// does not have yet (or insert it where Milvus cannot read the dump), compare the rows, create
/// indexes, and remove the dump once every collection in it is loaded. What is sent is written down
/// at the dump first, so the same command after a load that failed or was killed imports nothing
/// twice. `db` may be empty for the default database.
///
/// Errors: those of PlanLoad (no dump, unfinished, damaged); kFailedPrecondition when a collection
/// of that name does not fit, it cannot be told what a killed load has imported, or the server is
/// older than 2.2; kAborted with Milvus' reason when an import fails; kDataLoss when rows are
/// missing or too many; kAlreadyExists while another load of this dump runs.
Result<LoadReport> Load(const CallContext& ctx, milvus::Client& client, const std::string& db,
                        const Store& target, const LoadRules& rules);

/// What Load would do with a dump of `meta` at `target`, as far as Milvus alone tells: names, and
/// whether collections that are there fit. Rows are those that the meta counts. Changes nothing.
Result<LoadReport> PreviewLoad(const CallContext& ctx, milvus::Client& client,
                               const std::string& db, const Meta& meta, const Store& target,
                               const LoadRules& rules);

}  // namespace milvus_backup::migration
