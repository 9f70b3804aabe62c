/// Getting the rows of one collection into Milvus: staging and imports.
#pragma once

#include "restore_plan.h"
#include "restore_run.h"

#include "milvus_backup/backup/import_match.h"
#include "milvus_backup/backup/import_watch.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/restore_progress.h"
#include "milvus_backup/milvus/client.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::backup {

/// Fills the collection that `progress` names, going on from the imports that an earlier run has
/// written down there. Used by one thread.
class CollectionFill final : private ImportJournal {
 public:
  /// All arguments must outlive this; `progress` is changed and written as the work goes on.
  CollectionFill(const RestoreRun& run, const CollectionPlan& plan,
                 meta::RestoreProgress& progress);

  /// Stage and import what is missing. When this run went on with an earlier one, and it cannot be
  /// told that no row is there twice, the error is `unproved`.
  Status Run(const CallContext& ctx);
  bool unproved() const { return unproved_; }

  /// Wait until no import into the collection runs.
  Status Drain(const CallContext& ctx) { return watch_.Drain(ctx, progress_.collection_id); }
  int64_t rows_imported() const { return watch_.rows_imported(); }
  bool HasImportOf(int64_t rows) const { return watch_.HasImportOf(rows); }
  /// Files of an import that the server has taken twice; empty when there is none, and from servers
  /// that do not tell. For collections into which others import, too.
  Result<std::string> FindAddedTwice(const CallContext& ctx) const;
  /// Whether the server has imports of ours into the collection that have failed, and has still to
  /// remove what they had stored.
  Result<bool> HasFailedImports(const CallContext& ctx) const;

  uint64_t staged_objects() const { return staged_objects_; }
  uint64_t staged_bytes() const { return staged_bytes_; }

 private:
  /// What is left to send: rows, and deletes that must come after them.
  struct ToSend {
    std::vector<milvus::ImportRequest> data;
    std::vector<milvus::ImportRequest> deletes;
  };

  ToSend PlannedImports() const;
  OwnTasks own_tasks() const;
  /// Take those out of `send` that Milvus has from an earlier run.
  Status FindEarlierImports(const CallContext& ctx, ToSend& send);
  /// Match once more while requests of the earlier run may still be on their way.
  Result<MatchedImports> Match(const CallContext& ctx,
                               const std::vector<milvus::ImportRequest>& planned);
  Status JudgeMissing(const MatchedImports& matched);
  Status Unproved(std::string_view reason);
  Status Stage(const CallContext& ctx, const ToSend& send);
  Status Import(const CallContext& ctx, const ToSend& send);
  Status CheckNoneTwice(const CallContext& ctx);
  std::vector<milvus::ImportRequest> AllPlanned() const;

  Status Announce(const CallContext& ctx, std::span<const milvus::ImportRequest> requests) override;
  Status NoteTasks(const CallContext& ctx, std::span<const int64_t> ids) override;

  bool reuses() const { return progress_.mode == meta::RestoreMode::kReuse; }

  const RestoreRun& run_;
  const CollectionPlan& plan_;
  meta::RestoreProgress& progress_;
  milvus::Client& client_;
  const std::string& db_;
  const std::string& staging_dir_;
  /// An earlier run may have sent imports.
  const bool goes_on_;
  ImportWatch watch_;
  bool unproved_ = false;
  uint64_t staged_objects_ = 0;
  uint64_t staged_bytes_ = 0;
};

/// Remove what was staged for a collection of the backup; what cannot be removed is logged.
void RemoveStaging(const CallContext& ctx, const RestoreRun& run, const std::string& staging_dir,
                   int64_t source_id);

}  // namespace milvus_backup::backup
