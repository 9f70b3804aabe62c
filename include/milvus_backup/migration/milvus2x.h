/// From one Milvus to another by their own calls: rows are queried and inserted. No storage is
/// looked at.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/milvus2x_options.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/storage/backend.h"
#include "milvus_backup/transfer/progress.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// Largest page of a query (quotaAndLimits.limits.maxQueryResultWindow).
inline constexpr int64_t kMaxPageRows = 16384;

/// What `ClientOptions::max_receive_bytes` of the source should be: rows may suddenly be much
/// larger than those before, and an answer that is refused is asked for again in parts.
inline constexpr int kMostAnswerBytes = 32 << 20;

/// The same of `Milvus2xRules::connect_wider`: Milvus takes an insert of 64 MiB, and an answer with
/// its row has some names more.
inline constexpr int kMostRowBytes = 65 << 20;

struct Milvus2xRules {
  /// Every collection of the source's database. Without effect where databases are named.
  bool all = false;
  /// Load source collections that are not loaded, and release them at the end.
  bool load_source = false;
  /// Give the target the indexes of the source.
  bool create_indexes = false;
  /// Connect to the source once more, as a client that takes larger answers: for rows that are
  /// refused although they are asked for alone. Without it such a row is an error.
  std::function<Result<std::unique_ptr<milvus::Client>>(const CallContext& ctx)> connect_wider;
  /// Rows of one range come to about this many bytes. A range is in memory about five times.
  uint64_t range_bytes = uint64_t{2} << 20;
  /// Most bytes of one insert; Milvus 2.3 receives 64 MiB.
  uint64_t insert_bytes = uint64_t{16} << 20;
  /// Keys that are looked up at a time to cut ranges.
  int64_t keys_per_page = kMaxPageRows;
  /// Rows compared one by one at the end, where the target can be loaded.
  size_t sample_rows = 200;
  /// How long a server that restarts is waited for.
  std::chrono::milliseconds restart_patience = std::chrono::minutes(5);
  std::chrono::milliseconds poll_interval{100};
  /// How long Milvus may take to count rows that it says it has.
  std::chrono::milliseconds count_patience{10000};
  /// How long a source may take to read from storage what it has flushed: some 20 s in 2.3.5.
  std::chrono::milliseconds sight_patience = std::chrono::minutes(2);
  /// Between two counts of rows that tell whether somebody writes.
  std::chrono::milliseconds quiet_time{2000};
  /// How often what is confirmed is written down.
  std::chrono::milliseconds record_interval{500};
};

struct Migrated {
  /// Collections at both ends, without databases.
  std::string source;
  std::string target;
  std::string source_database;
  std::string target_database;
  /// Rows that the source counted at the start: of rows with one key, all.
  uint64_t counted = 0;
  /// Rows with different keys that were read and written, by earlier runs too.
  uint64_t rows = 0;
  /// Of those written twice because an earlier run or an answer was cut off.
  uint64_t repeated = 0;
  /// Rows in the target before and after, as Milvus counts stored rows.
  int64_t before = 0;
  int64_t after = 0;
  /// Rows compared one by one; 0 where the target has no index to be loaded with.
  size_t compared = 0;
  /// The target was not there before.
  bool created = false;
  /// An earlier run had finished it.
  bool was_done = false;
  /// The source was written to meanwhile: what was written may be missing.
  bool source_changed = false;
};

struct Milvus2xReport {
  std::vector<Migrated> collections;
  std::vector<std::string> warnings;
  double seconds = 0;
  bool source_changed() const;
};

/// Where runs with one state directory exclude each other, and as what: the directory tells them
/// from others, however its path is spelled.
inline constexpr char kMilvus2xLocks[] = "locks/";
inline constexpr char kMilvus2xLockName[] = "migration-state";

/// A collection as messages call it: `name`, or `database.name` outside the default database, which
/// may be empty.
std::string CollectionTitle(const std::string& database, const std::string& name);

/// How far a run is, for log lines: called with growing percents, 100 at the end of a collection,
/// and its title.
using Milvus2xPercent = std::function<void(const std::string& collection, int percent)>;

/// Bring collections over: create databases, collection and partitions that are missing, read the
/// rows of each partition by ranges of primary keys, several at a time, insert them, compare counts
/// and, where the target can be loaded, sampled rows. Of rows with one key the source returns the
/// newest.
///
/// What is confirmed is written into `state`, so that the same command after a run that was killed
/// goes on: rows that may be there already are upserted. Where the target makes the keys such rows
/// cannot be recognised; then a collection or partition that the earlier run had created is dropped
/// and begun anew, a partition only while it holds no more rows than that run can have sent.
///
/// Errors: kFailedPrecondition when a server is older than 2.3, a source is not loaded, a target
/// does not fit, or an interrupted run cannot be continued; kNotFound for a source database or
/// collection that is not there; kAlreadyExists while another run with this state directory is
/// under way; kDataLoss when counts or rows differ; the servers' own.
Result<Milvus2xReport> MigrateMilvus2x(const CallContext& ctx, milvus::Client& source,
                                       milvus::Client& target, const Milvus2xOptions& options,
                                       const Milvus2xRules& rules, storage::Backend& state,
                                       transfer::Progress& progress,
                                       const Milvus2xPercent& on_percent);

}  // namespace milvus_backup::migration
