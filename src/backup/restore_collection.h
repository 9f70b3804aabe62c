/// The steps that bring one collection back.
#pragma once

#include "import_watch.h"
#include "restore_plan.h"
#include "restore_preflight.h"
#include "restore_run.h"

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/client.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::backup {

/// One collection of a run. Used by one thread; what it refers to must outlive it.
class CollectionRestore {
 public:
  CollectionRestore(const RestoreRun& run, const CollectionPlan& plan,
                    const Destination& destination);

  /// Everything up to the collection being whole under its own name. On an error what this run
  /// created is dropped again.
  Status Run(const CallContext& ctx);

  /// Give back the aliases that are free. Call once every collection of the run is in place.
  Status RestoreAliases(const CallContext& ctx);

  const RestoredCollection& report() const { return report_; }
  uint64_t staged_objects() const { return staged_objects_; }
  uint64_t staged_bytes() const { return staged_bytes_; }

 private:
  Status Create(const CallContext& ctx);
  Status Fill(const CallContext& ctx, ImportWatch& watch);
  Status CreatePartitions(const CallContext& ctx);
  Status Stage(const CallContext& ctx);
  Status Import(const CallContext& ctx, ImportWatch& watch);
  Status DropIndexes(const CallContext& ctx);
  Status BuildIndexes(const CallContext& ctx);
  Status CountRows(const CallContext& ctx, const ImportWatch& watch);
  Status Replace();
  Status MoveAliases(const CallContext& ctx);
  Status Load(const CallContext& ctx);
  Status AwaitLoaded(const CallContext& ctx);
  void CleanUp(ImportWatch& watch, bool succeeded);
  void UndoCreate(const CallContext& ctx, const ImportWatch& watch);
  void RemoveStaging(const CallContext& ctx);

  /// The import requests of the plan: rows, and deletes that must come after them.
  std::pair<std::vector<milvus::ImportRequest>, std::vector<milvus::ImportRequest>> ImportRequests()
      const;

  const RestoreRun& run_;
  const CollectionPlan& plan_;
  const Destination& destination_;
  milvus::Client& client_;
  const std::string& db_;
  /// Name under which the collection is to be found now.
  std::string name_;
  bool created_ = false;
  RestoredCollection report_;
  uint64_t staged_objects_ = 0;
  uint64_t staged_bytes_ = 0;
};

}  // namespace milvus_backup::backup
