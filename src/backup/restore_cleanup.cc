#include "restore_collection.h"

#include "milvus_backup/backup/import_watch.h"
#include "milvus_backup/base/log.h"

#include <fmt/format.h>

#include <chrono>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;

/// Time that dropping a half-made collection, or removing staged objects, may take.
constexpr auto kCleanUpLimit = 60s;

CallContext Within(std::chrono::milliseconds limit) {
  return {{}, std::chrono::steady_clock::now() + limit};
}

}  // namespace

// On a context of its own, for the command's may have been cancelled. Imports that run come to
// their end first: the server reads staged objects until then.
bool CollectionRestore::CleanUp(CollectionFill& fill, bool succeeded) {
  const PhaseClock::Scope scope(run_.clock, "clean");
  const bool has_staging = run_.stages() && !run_.site.keep_temp_files;
  if (!succeeded) {
    run_.Enter("clean up");
    if (run_.CheckLock(Within(kCleanUpLimit)).code() == Code::kAborted) {
      log::Error("another restore may work on {}.{} by now: nothing is cleaned up", db_, name_);
      return false;
    }
    const Status drained = fill.Drain(Within(run_.options.drain_limit));
    UndoCreate(Within(kCleanUpLimit), fill);
    if (!drained.ok()) {
      log::Error("imports into {}.{} may still run: {}{}", db_, name_, drained.ToString(),
                 has_staging ? "; what is staged for them stays in " + staging_dir_ + " of " +
                                   run_.site.milvus_storage.backend->Describe()
                             : "");
      return false;
    }
  }
  if (has_staging) {
    RemoveStaging(Within(kCleanUpLimit), run_, staging_dir_, progress_.source_id);
  }
  if (!succeeded) ForgetIfUndone(Within(kCleanUpLimit));
  return !created_;
}

void CollectionRestore::UndoCreate(const CallContext& ctx, const CollectionFill& fill) {
  if (!created_) {
    if (fill.rows_imported() == 0) return;
    log::Error("{} rows of the failed restore stay in {}", fill.rows_imported(), report_.target);
    return;
  }
  const Status dropped = DropOwn(ctx, progress_);
  if (dropped.ok()) {
    created_ = false;
    return;
  }
  log::Error("the incomplete collection {}.{} could not be dropped: {}", db_, name_,
             dropped.ToString());
}

/// Nothing else than a collection with the recorded id, so that one that somebody has made stays.
Status CollectionRestore::DropOwn(const CallContext& ctx, const meta::RestoreProgress& owned) {
  const auto found = client_.DescribeCollection(ctx, db_, owned.filled_as);
  if (found.status().code() == Code::kNotFound) return Status::Ok();
  MB_RETURN_IF_ERROR(found.status());
  const bool is_own =
      owned.collection_id == 0 ? IsMadeByUs(*found, owned) : found->id == owned.collection_id;
  if (is_own) return client_.DropCollection(ctx, db_, owned.filled_as);
  if (owned.collection_id == 0) {
    log::Warn("{}.{} is left as it is: it was there before the restore was going to make it", db_,
              owned.filled_as);
  }
  return Status::Ok();
}

/// Of a collection whose id was not seen: only a name that nobody else would give tells, or that
/// this very run has just created it, and that it was not there before. Milvus takes a second
/// CreateCollection of the same schema for a success.
bool CollectionRestore::IsMadeByUs(const milvus::Collection& found,
                                   const meta::RestoreProgress& owned) const {
  const bool is_beside = owned.filled_as != plan_.target.collection;
  const bool is_dated = found.created_timestamp != 0;
  if (!is_beside && !created_) return false;
  return found.created_timestamp > owned.created_after || (created_ && !is_dated);
}

/// What is left of this is a record that the next run needs, or nothing.
void CollectionRestore::ForgetIfUndone(const CallContext& ctx) {
  const bool has_rows_elsewhere = reuses() && !progress_.imports.empty();
  if (created_ || may_exist_ || has_rows_elsewhere) return;
  const Status status = run_.ledger->Forget(ctx, progress_.target);
  if (!status.ok()) {
    log::Error("the record of {} is left in {}: {}", progress_.target, staging_dir_,
               status.ToString());
  }
}

Status CollectionRestore::Discard(const CallContext& ctx, const meta::RestoreProgress& left) {
  const PhaseClock::Scope scope(run_.clock, "clean");
  run_.Enter("clean up");
  storage::Backend& backend = *run_.site.milvus_storage.backend;
  ImportWatch watch(client_, {db_, left.filled_as}, run_.imports, nullptr);
  MB_RETURN_IF_ERROR(
      watch.Drain({ctx.stop, Within(run_.options.drain_limit).deadline}, left.collection_id)
          .Annotate("waiting for the imports of an unfinished restore"));
  if (left.mode != meta::RestoreMode::kReuse && left.filled_as != plan_.target.collection) {
    MB_RETURN_IF_ERROR(DropOwn(ctx, left).Annotate("dropping what an unfinished restore has left"));
  }
  for (const std::string& key : left.uploads) {
    MB_RETURN_IF_ERROR(storage::AbortUploads(ctx, backend, staging_dir_ + key));
  }
  // Also when this run does not stage anything: the other may have.
  RemoveStaging(ctx, run_, staging_dir_, left.source_id);
  return Status::Ok();
}

}  // namespace milvus_backup::backup
