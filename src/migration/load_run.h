/// What the loads of all collections of a run share.
#pragma once

#include "insert_fill.h"
#include "merged_pieces.h"

#include "milvus_backup/backup/import_watch.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/load.h"
#include "milvus_backup/migration/store.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/transfer/progress.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// Thread-safe.
struct LoadRun {
  milvus::Client& client;
  /// Never empty.
  std::string db;
  /// Records lie here, and the NumPy files where there are some.
  const Store& target;
  const LoadRules& rules;
  backup::ImportQueue& queue;
  /// kAborted when another run has taken this one for dead.
  std::function<Status(const CallContext& ctx)> check_lock;
  /// Opens pieces that are no NumPy files: they are inserted. Empty where all are.
  PieceOpener open;
  /// May be null.
  transfer::Progress* progress = nullptr;
  /// Null where nothing is merged.
  PieceMerger* merger = nullptr;

  /// Of a collection that is begun now.
  uint64_t merge_bytes() const { return merger == nullptr ? 0 : rules.merge_bytes; }
  /// What becomes of the pieces of `plan` when it is begun now; where they are inserted that is
  /// only counted.
  std::vector<PlannedImport> ImportsOf(const PlannedCollection& plan) const {
    return PlanImports(plan, merge_bytes());
  }
};

}  // namespace milvus_backup::migration
