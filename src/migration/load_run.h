/// What the loads of all collections of a run share.
#pragma once

#include "insert_fill.h"

#include "milvus_backup/backup/import_watch.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/load.h"
#include "milvus_backup/migration/store.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/transfer/progress.h"

#include <functional>
#include <string>

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
};

}  // namespace milvus_backup::migration
