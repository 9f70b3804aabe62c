/// Loading one collection.
#pragma once

#include "load_plan.h"
#include "load_record.h"
#include "load_run.h"
#include "merged_pieces.h"

#include "milvus_backup/backup/import_match.h"
#include "milvus_backup/backup/import_watch.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/load.h"
#include "milvus_backup/milvus/client.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// Used by one thread; all arguments must outlive it.
class CollectionLoad final : private backup::ImportJournal {
 public:
  CollectionLoad(const LoadRun& run, const PlannedCollection& plan);

  /// See Load.
  Result<LoadedCollection> Run(const CallContext& ctx);

 private:
  Status Import(const CallContext& ctx);
  /// After an import that failed: whether Milvus could not read the dump and has taken nothing.
  Result<bool> MilvusCannotRead(const CallContext& ctx, backup::ImportWatch& watch,
                                const Status& failure);
  Status InsertInstead(const CallContext& ctx);
  Status Insert(const CallContext& ctx);
  /// Plan the imports anew, as the run did that began with them.
  void PlanAsBegun();
  milvus::ImportRequest RequestOf(const PlannedImport& import) const;
  std::vector<milvus::ImportRequest> PlannedImports() const;
  Result<backup::MatchedImports> Match(const CallContext& ctx,
                                       const std::vector<milvus::ImportRequest>& planned);
  Status CheckKnown(const backup::MatchedImports& matched) const;
  /// Of a load that cannot be gone on with.
  std::string BeginAnewAdvice() const;
  /// Write the files of those that are merged.
  Status WriteMerged(const CallContext& ctx, std::span<const milvus::ImportRequest> requests) const;
  /// What NoteCompleted has left, and what was merged in vain.
  void RemoveMerged(const CallContext& ctx) const;
  /// That no import of this run has counted.
  void NoteAllImported() const;
  Status CheckRows(const CallContext& ctx, uint64_t imported);
  /// Whether the collection was made for what is planned, all of it.
  bool has_all_rows() const { return record_.created && plan_.existing.partition.empty(); }
  Status CreateIndexes(const CallContext& ctx);
  Status Write(const CallContext& ctx) {
    return WriteLoadRecord(ctx, run_.target, plan_.number, record_);
  }
  LoadedCollection Report(bool was_done) const;

  Status Announce(const CallContext& ctx, std::span<const milvus::ImportRequest> requests) override;
  Status NoteTasks(const CallContext& ctx, std::span<const int64_t> ids) override;
  /// Merged files go once Milvus has read them.
  void NoteCompleted(const CallContext& ctx, int64_t id) override;

  const LoadRun& run_;
  const PlannedCollection& plan_;
  milvus::Client& client_;
  std::vector<PlannedImport> imports_;
  /// Those of `imports_` that are merged, by their first file as Milvus is told of it.
  std::map<std::string, const PlannedImport*> merged_;
  LoadRecord record_;
};

}  // namespace milvus_backup::migration
