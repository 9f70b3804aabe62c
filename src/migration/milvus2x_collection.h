/// One collection of a migration from Milvus 2.x.
#pragma once

#include "milvus2x_check.h"
#include "milvus2x_record.h"
#include "milvus2x_rows.h"
#include "milvus2x_run.h"
#include "milvus2x_schema.h"
#include "milvus2x_sight.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/milvus2x.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// Not thread-safe; starts its own threads.
class CollectionMigration {
 public:
  CollectionMigration(const Milvus2xRun& run, CollectionPlace source, CollectionPlace target);

  /// Look at source, target and record, and find out what there is to do. Changes nothing.
  Status Prepare(const CallContext& ctx);
  /// Count the rows of a source that is loaded, before it is flushed.
  Status CountBeforeFlush(const CallContext& ctx);
  /// Load a source that is not loaded, and count its rows. kFailedPrecondition when its queries
  /// have lost rows from sight.
  Status OpenSource(const CallContext& ctx);
  /// Bring the rows over. An error leaves a record behind that the same command goes on from.
  Status Copy(const CallContext& ctx);
  /// Compare, and index; the target has been flushed.
  Result<Migrated> Finish(const CallContext& ctx);
  /// Release a source that OpenSource had to load.
  Status ReleaseSource(const CallContext& ctx);

  const std::vector<std::string>& warnings() const { return warnings_; }
  /// The source, for messages.
  const std::string& title() const { return title_; }
  const CollectionPlace& source() const { return source_; }
  const CollectionPlace& target() const { return target_; }
  bool was_done() const { return migrated_.was_done; }
  /// Rows that the source had when it was looked at.
  uint64_t counted() const { return migrated_.counted; }

 private:
  enum class Begin { kFresh, kContinue, kDone };

  Status LookAtSource(const CallContext& ctx);
  SourceSight Sight() const;
  Status LookAtTarget(const CallContext& ctx);
  Result<Begin> DecideBegin(const CallContext& ctx,
                            const std::optional<milvus::Collection>& existing);
  Result<Begin> ContinueFilling(const CallContext& ctx,
                                const std::optional<milvus::Collection>& existing);
  /// Rows of these partitions may be there or not and cannot be recognised.
  Result<Begin> BeginPartitionsAnew(const CallContext& ctx, const std::vector<std::string>& names);
  Result<Begin> ContinueCreating(const CallContext& ctx,
                                 const std::optional<milvus::Collection>& existing);
  Status MakeTarget(const CallContext& ctx);
  /// Drop those that are to be begun anew.
  Status DropPartitions(const CallContext& ctx);
  /// kFailedPrecondition when one of these partitions of the target holds more rows than the
  /// earlier run can have sent.
  Status CheckOnlyOurRows(const CallContext& ctx, const std::vector<milvus::Partition>& partitions);
  /// Rows that the earlier run can have sent into a partition.
  Result<uint64_t> MostRowsSent(const CallContext& ctx, const std::string& name) const;
  Status MakePartitions(const CallContext& ctx);
  Status CompareCounts(const CallContext& ctx);
  /// Create what the target does not have yet of the source's indexes.
  Status CreateIndexes(const CallContext& ctx);
  Status CompareAsLoaded(const CallContext& ctx, const CollectionReader& source);
  Status CompareLoaded(const CallContext& ctx, const CollectionReader& source);
  Status Save(const CallContext& ctx) const;
  /// kFailedPrecondition: what an earlier run has begun cannot be continued.
  Status CannotContinue(const std::string& why) const;

  const Milvus2xRun run_;
  const CollectionPlace source_;
  const CollectionPlace target_;
  const std::string title_;
  const std::string record_key_;
  milvus::Collection described_;
  TargetPlan plan_;
  Begin begin_ = Begin::kFresh;
  bool must_drop_ = false;
  /// The target that is there is the one that an earlier run has created.
  bool is_target_ours_ = false;
  std::vector<std::string> partitions_to_drop_;
  bool must_load_source_ = false;
  bool has_loaded_source_ = false;
  std::optional<uint64_t> before_flush_;
  std::optional<CollectionRecord> record_;
  Migrated migrated_;
  std::vector<std::string> warnings_;
};

}  // namespace milvus_backup::migration
