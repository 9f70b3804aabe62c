/// Bring collections of a backup back into a Milvus.
#pragma once

#include "milvus_backup/backup/rename.h"
#include "milvus_backup/backup/selection.h"
#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// What to do about a target that exists.
enum class ExistingTarget {
  kRefuse,   ///< end before anything is written
  kReplace,  ///< --drop_exist_collection: put the restored collection in its place
  kReuse,    ///< --skip_create_collection: add to it; then every target must exist
};

/// Keys that a created collection does without.
struct SkipParams {
  std::set<std::string> collection_properties;
  std::set<std::string> field_index_params;
  std::set<std::string> field_type_params;
  std::set<std::string> index_params;
};

enum class RestorePhase { kPlanned, kStarted, kDone, kFailed };

/// Told how far single collections are, by the names they will have. Called by several threads.
using RestoreObserver = std::function<void(const CollectionName& target, RestorePhase phase)>;

struct RestoreOptions {
  std::string name;
  /// Collections by their names in the backup (-c, -d, -a).
  Selection sources;
  /// Collections by the names they will have (--filter).
  Selection targets;
  /// Appended to every collection name; not together with `renames`.
  std::string suffix;
  RenameRules renames;
  bool rebuild_index = false;
  /// With rebuild_index: vector indexes become AUTOINDEX with their metric type.
  bool use_auto_index = false;
  /// Give the collections their aliases where these are free.
  bool aliases = true;
  /// Users, roles, grants and privilege groups that the server does not have.
  bool rbac = false;
  /// Collections, partitions and indexes, but no rows.
  bool meta_only = false;
  ExistingTarget existing = ExistingTarget::kRefuse;
  /// Drop the indexes of reused targets before building.
  bool drop_exist_index = false;
  /// Load collections that were loaded when they were backed up.
  bool load = false;
  /// Shards of a created collection at most; 0 for as many as in the backup.
  int32_t max_shard_num = 0;
  SkipParams skip_params;
  /// Restore what a backup that some collections are missing from does have.
  bool allow_partial = false;
  /// Compare the backup with its manifest, where it has one.
  bool check = true;
  /// Check and report what would be done.
  bool dry_run = false;
  /// May be empty.
  RestoreObserver observer;
  /// Time between two questions for the import that Milvus works on.
  std::chrono::milliseconds import_poll_interval{50};
  /// How long imports into a reused target that a killed run may have sent are waited for to show
  /// up. Milvus answers an import within milliseconds, so after this it never got it.
  std::chrono::milliseconds import_settle_time{5000};
  /// A run whose imports show no sign of life for so long fails.
  std::chrono::milliseconds import_stall_limit = std::chrono::minutes(30);
  /// After a failure or a stop: how long running imports are waited for before their unfinished
  /// collection is dropped all the same.
  std::chrono::milliseconds drain_limit{60000};

  /// kInvalidArgument naming the flags that exclude each other.
  Status Validate() const;
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
  /// What was done, or in a dry run would be done, about a target that exists.
  ExistingTarget existing = ExistingTarget::kRefuse;
  RowCheck rows;
  /// Of insert and delta logs.
  uint64_t bytes = 0;
  uint64_t imports = 0;
  /// Whether Milvus read the backup where it lies, without staging.
  bool in_place = false;
  bool loaded = false;
  /// An earlier, unfinished run had begun with it, and this one went on.
  bool resumed = false;
};

struct RestoreReport {
  std::string name;
  /// Nothing was changed: the rest says what would be done, with the rows that would be expected.
  bool dry_run = false;
  bool meta_only = false;
  std::vector<std::string> created_databases;
  std::vector<RestoredCollection> collections;
  /// With `rbac`: how many were added, or in a dry run would be.
  size_t users = 0;
  size_t roles = 0;
  size_t grants = 0;
  size_t privilege_groups = 0;
  /// What could not be brought back although all rows were, one sentence each.
  std::vector<std::string> warnings;
  uint64_t imports = 0;
  uint64_t staged_objects = 0;
  uint64_t staged_bytes = 0;
  /// Seconds per phase: read, check, create, stage, import, index, count, replace, load,
  /// clean.
  std::map<std::string, double> phases;
  double seconds = 0;
};

/// Check everything that can be known before writing (options, backup complete, objects there,
/// targets free or fit for reuse), then create each target, hand its binlogs to Milvus' import, in
/// place when Milvus can read the backup's storage, else through a staging directory in Milvus'
/// own, and compare row counts; then indexes, aliases that are free, and the load state where asked
/// for.
///
/// A target to be replaced stays until the restored collection is whole: that one is filled under
/// the name `<target>_mbtmp_<8 hex digits>` and takes the name over at the end. Servers that cannot
/// rename have it dropped first, with a warning in the log.
///
/// On an error or a stop the collections that are not whole and that this run created are dropped
/// and the staging is removed, once no import runs any more; rows imported into reused targets
/// stay. What is done is written down at the root of Milvus' storage, so that the same call goes on
/// after a run that failed or was killed: collections that are whole are left alone, imports that
/// Milvus has taken are waited for and not repeated. kNotFound: no such backup; kAlreadyExists: a
/// target exists, or is unfinished and was to become something else; kFailedPrecondition: a target
/// to reuse is missing or does not fit, or what was imported into it cannot be told; kDataLoss: the
/// backup is damaged or rows are missing.
Result<RestoreReport> RestoreBackup(const CallContext& ctx, Site& site,
                                    const RestoreOptions& options);

}  // namespace milvus_backup::backup
