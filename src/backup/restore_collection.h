/// The steps that bring one collection back.
#pragma once

#include "restore_fill.h"
#include "restore_plan.h"
#include "restore_preflight.h"
#include "restore_run.h"

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/client.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// One collection of a run. Used by one thread; what it refers to must outlive it.
class CollectionRestore {
 public:
  CollectionRestore(const RestoreRun& run, const CollectionPlan& plan,
                    const Destination& destination);

  /// Everything up to the collection being whole under its own name. On an error what this run, or
  /// the unfinished one it went on with, created is dropped again.
  Status Run(const CallContext& ctx);

  /// Give back the aliases that are free. Call once every collection of the run is in place.
  Status RestoreAliases(const CallContext& ctx);

  const RestoredCollection& report() const { return report_; }
  uint64_t staged_objects() const { return staged_objects_; }
  uint64_t staged_bytes() const { return staged_bytes_; }

 private:
  /// Once through all steps; false when it cannot be proved that an earlier run's imports are
  /// right, and everything is as if there had been none.
  Result<bool> Restore(const CallContext& ctx);
  Status Discard(const CallContext& ctx, const meta::RestoreProgress& left);
  Status Create(const CallContext& ctx);
  Status GoOn(const CallContext& ctx);
  Status BeginToReuse(const CallContext& ctx);
  Status BeginToCreate(const CallContext& ctx);
  Status Fill(const CallContext& ctx, CollectionFill& fill);
  Status CreatePartitions(const CallContext& ctx);
  Status DropIndexes(const CallContext& ctx);
  Status BuildIndexes(const CallContext& ctx);
  Status CountRows(const CallContext& ctx, const CollectionFill& fill);
  Status LooksDoubled(int64_t extra);
  Result<int64_t> CountSettled(const CallContext& ctx, const CollectionFill& fill,
                               const std::function<bool(int64_t)>& is_right);
  Status CheckNoneAddedTwice(const CallContext& ctx, const CollectionFill& fill);
  int64_t RowsAdded(int64_t present, int64_t imported);
  Status CountAgain(const CallContext& ctx);
  Status Replace();
  Status RetireReplaced(const CallContext& ctx);
  Status MoveAliases(const CallContext& ctx, const std::vector<std::string>& aliases);
  Status Load(const CallContext& ctx);
  Status AwaitLoaded(const CallContext& ctx);

  /// Write down how far this has come.
  Status Save(const CallContext& ctx) { return run_.ledger->Write(ctx, progress_); }
  /// Remove what is not needed any more, after a failure everything; false when that did not work.
  bool CleanUp(CollectionFill& fill, bool succeeded);
  void UndoCreate(const CallContext& ctx, const CollectionFill& fill);
  void ForgetIfUndone(const CallContext& ctx);
  Status DropOwn(const CallContext& ctx, const meta::RestoreProgress& owned);
  bool IsMadeByUs(const milvus::Collection& found, const meta::RestoreProgress& owned) const;
  bool reuses() const { return progress_.mode == meta::RestoreMode::kReuse; }

  const RestoreRun& run_;
  const CollectionPlan& plan_;
  const Destination& destination_;
  milvus::Client& client_;
  const std::string& db_;
  const std::string& staging_dir_;
  meta::RestoreProgress progress_;
  /// Name under which the collection is to be found now.
  std::string name_;
  bool created_ = false;
  /// The collection was made by an earlier run, so others may have written to it since.
  bool went_on_ = false;
  /// The collection may have been created although this is not known.
  bool may_exist_ = false;
  RestoredCollection report_;
  uint64_t staged_objects_ = 0;
  uint64_t staged_bytes_ = 0;
};

}  // namespace milvus_backup::backup
