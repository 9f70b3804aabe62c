/// Take a backup of collections of a live Milvus.
#pragma once

#include "milvus_backup/backup/selection.h"
#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::backup {

/// When segments are sealed, and whether any are copied.
enum class Strategy {
  kMetaOnly,     ///< describe collections, copy nothing
  kSkipFlush,    ///< copy what is in storage by now; rows that are only in memory are left out
  kBulkFlush,    ///< flush all collections, then copy all
  kSerialFlush,  ///< flush and copy collection by collection
};

/// `meta_only`, `skip_flush`, `bulk_flush` or `serial_flush`; kInvalidArgument listing them
/// otherwise.
Result<Strategy> ParseStrategy(std::string_view text);

/// What `--format` may say: `auto` (or nothing) and `binlog`, which mean the same. kInvalidArgument
/// otherwise.
Status CheckFormat(std::string_view text);

struct CreateOptions {
  /// Empty chooses `backup_<UTC time>`.
  std::string name;
  /// Of the backup, as its metas tell it; empty chooses one. A backup that is taken up keeps its
  /// own.
  std::string id;
  Selection selection;
  Strategy strategy = Strategy::kSerialFlush;
  /// Also back up users, roles and grants.
  bool rbac = false;
  /// Find out what would be copied; flush and write nothing.
  bool dry_run = false;
  /// End the run at the first collection that fails.
  bool fail_fast = false;
  /// A flush that takes long is said in the log so often.
  std::chrono::milliseconds flush_warning_interval = std::chrono::minutes(5);
  /// A collection that Milvus does not flush within this time fails.
  std::chrono::milliseconds flush_limit = std::chrono::hours(1);
};

/// What became of one collection.
struct CollectionReport {
  /// `database.collection`.
  std::string name;
  uint64_t segments = 0;
  int64_t rows = 0;
  uint64_t objects = 0;
  uint64_t bytes = 0;
  /// The backup had it before this run, which leaves it as it is.
  bool kept = false;
  /// Why the backup does not have it; OK when it has.
  Status status;
};

struct CreateReport {
  std::string name;
  /// Sums over the collections that the backup has.
  uint64_t collections = 0;
  uint64_t segments = 0;
  int64_t rows = 0;
  uint64_t objects = 0;
  uint64_t bytes = 0;
  /// Objects the service copied by itself.
  uint64_t server_side_objects = 0;
  /// Streamed objects proved by a second read of the source.
  uint64_t second_reads = 0;
  /// Objects read back for the manifest, because the backup storage states no hash of them.
  uint64_t read_back_objects = 0;
  /// The run went on with what an earlier one had left.
  bool resumed = false;
  /// Objects that the earlier run had copied.
  uint64_t kept_objects = 0;
  /// By name, those that failed included.
  std::vector<CollectionReport> per_collection;
  /// What the backup may lack although it succeeded, one sentence each.
  std::vector<std::string> warnings;
  /// Seconds per phase: prepare, describe, flush, list, copy, check, meta, manifest.
  /// Collections work side by side, so phases may add up to more than `seconds`.
  std::map<std::string, double> phases;
  double seconds = 0;

  /// Whether collections that were asked for are missing.
  bool partial() const { return collections < per_collection.size(); }
};

/// Flush the selected collections, copy their binlogs into `<backup root>/<name>/`, check what
/// arrived, then write the metas, the manifest and, last, the header. Creates the backup bucket
/// when it is missing. A dry run changes nothing: it takes the same look at what lies under the
/// name, and the counts say what would be copied by now.
///
/// A collection that fails is left out, and the backup and the report say so. The run itself fails
/// when all of them do, at the first with `fail_fast`, and by errors that none can survive: a stop,
/// storage or Milvus gone, credentials refused, no space.
///
/// A run that failed, was stopped or killed leaves a marker and what it has copied. The next one of
/// the same name flushes and lists again, keeps the objects that are right, and finishes. A partial
/// backup is taken up for its missing collections only. kAlreadyExists when the name is taken by a
/// finished backup or by a run that is at work.
Result<CreateReport> CreateBackup(const CallContext& ctx, Site& site, const CreateOptions& options);

}  // namespace milvus_backup::backup
