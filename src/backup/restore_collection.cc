#include "restore_collection.h"

#include "name_swap.h"
#include "restore_resume.h"
#include "restore_schema.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/base/task_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;
using meta::RestoreMode;
using meta::RestoreState;

/// Time that changing names may take.
constexpr auto kReplaceLimit = 60s;
/// Milvus 2.2 and 2.3 clean up after failed imports every 5 min.
constexpr auto kCleanUpLimit = 7min;
constexpr auto kLongestCountPause = 2s;
/// It says that it has cleaned up before it removes the rows.
constexpr auto kRemovalLimit = 20s;
/// Calls of CreateIndex at once, for one collection.
constexpr size_t kParallelIndexes = 4;
constexpr auto kLoadPollInterval = 100ms;
/// Milvus builds indexes before it loads; what takes longer is left to it.
constexpr auto kLoadLimit = 10min;

RestoreMode ModeOf(ExistingTarget existing) {
  switch (existing) {
    case ExistingTarget::kReplace:
      return RestoreMode::kReplace;
    case ExistingTarget::kReuse:
      return RestoreMode::kReuse;
    case ExistingTarget::kRefuse:
      break;
  }
  return RestoreMode::kCreate;
}

meta::RestoreProgress FirstProgress(const CollectionPlan& plan, const Destination& destination) {
  if (destination.goes_on()) return *destination.left;
  meta::RestoreProgress progress{.target = plan.target.ToString(),
                                 .request = destination.request_text,
                                 .mode = ModeOf(destination.existing),
                                 .source_id = plan.backup->collection_id,
                                 .filled_as = destination.working_name,
                                 .retired_as = destination.retired_name};
  if (destination.existing == ExistingTarget::kReplace && destination.found) {
    progress.replaced_id = destination.found->id;
  }
  if (destination.left) progress.uploads = destination.left->uploads;
  return progress;
}

/// Whether a call that failed so may have been carried out.
bool IsOpen(const Status& status) {
  return status.code() == Code::kUnavailable || status.code() == Code::kDeadlineExceeded ||
         status.code() == Code::kAborted || status.code() == Code::kCancelled;
}

}  // namespace

CollectionRestore::CollectionRestore(const RestoreRun& run, const CollectionPlan& plan,
                                     const Destination& destination)
    : run_(run),
      plan_(plan),
      destination_(destination),
      client_(*run.site.client),
      db_(plan.target.db),
      staging_dir_(run.ledger->DirOf(plan.target.ToString())),
      progress_(FirstProgress(plan, destination)),
      name_(destination.working_name) {
  report_ = {.source = plan.source.ToString(),
             .target = plan.target.ToString(),
             .existing = destination.existing,
             .rows = run.options.meta_only ? RowCheck() : plan.rows,
             .imports = run.options.meta_only ? 0 : plan.units.size(),
             .in_place = run.site.backup_visible_to_milvus,
             .resumed = destination.goes_on()};
  for (const ImportUnit& unit : plan.units) {
    if (!run.options.meta_only) report_.bytes += unit.bytes;
  }
}

Status CollectionRestore::Run(const CallContext& ctx) {
  const Seats::Seat seat(run_.seats);
  MB_RETURN_IF_ERROR(ctx.Check());
  if (destination_.discarded) MB_RETURN_IF_ERROR(Discard(ctx, *destination_.discarded));
  if (progress_.state == RestoreState::kDone) {
    MB_RETURN_IF_ERROR(CountAgain(ctx));
    return Load(ctx);
  }
  MB_ASSIGN_OR_RETURN(const bool restored, Restore(ctx));
  if (!restored) {
    report_.resumed = false;
    progress_ = FirstProgress(plan_, destination_);
    progress_.state = RestoreState::kCreating;
    progress_.collection_id = 0;
    progress_.created_after = 0;
    progress_.imports.clear();
    created_ = false;
    went_on_ = false;
    MB_RETURN_IF_ERROR(Restore(ctx).status());
  }
  return Load(ctx);
}

Result<bool> CollectionRestore::Restore(const CallContext& ctx) {
  if (progress_.state == RestoreState::kSwapping) {
    report_.rows.restored = progress_.rows;
    MB_RETURN_IF_ERROR(Replace());
    return true;
  }
  Status status = Create(ctx);
  CollectionFill fill(run_, plan_, progress_);
  if (status.ok()) status = Fill(ctx, fill);
  if (status.ok()) status = ctx.Check();
  staged_objects_ += fill.staged_objects();
  staged_bytes_ += fill.staged_bytes();
  const bool is_clean = CleanUp(fill, status.ok());
  if (status.ok()) {
    MB_RETURN_IF_ERROR(Replace());
    return true;
  }
  if (fill.unproved() && is_clean && !reuses()) {
    log::Warn("{} is started again: {}", report_.target, status.ToString());
    return false;
  }
  return status;
}

Status CollectionRestore::Create(const CallContext& ctx) {
  const PhaseClock::Scope scope(run_.clock, "create");
  run_.Enter("create");
  for (const std::string& key : progress_.uploads) {
    MB_RETURN_IF_ERROR(
        storage::AbortUploads(ctx, *run_.site.milvus_storage.backend, staging_dir_ + key)
            .Annotate("ending uploads of an unfinished restore"));
  }
  if (progress_.collection_id != 0) return GoOn(ctx);
  return reuses() ? BeginToReuse(ctx) : BeginToCreate(ctx);
}

Status CollectionRestore::GoOn(const CallContext& ctx) {
  created_ = !reuses();
  went_on_ = true;
  progress_.state = RestoreState::kFilling;
  return Save(ctx);
}

Status CollectionRestore::BeginToReuse(const CallContext& ctx) {
  progress_.collection_id = destination_.found->id;
  MB_ASSIGN_OR_RETURN(progress_.after_task, NewestTask(ctx, client_, db_, name_));
  MB_ASSIGN_OR_RETURN(progress_.rows_before, backup::CountRows(ctx, client_, db_, name_));
  progress_.state = RestoreState::kFilling;
  return Save(ctx);
}

Status CollectionRestore::BeginToCreate(const CallContext& ctx) {
  const auto now = client_.CurrentTimestamp(ctx);
  const bool is_not_told =
      now.status().code() == Code::kUnimplemented || now.status().code() == Code::kPermissionDenied;
  if (!now.ok() && !is_not_told) return now.status().Annotate("asking Milvus for its time");
  progress_.created_after = now.ok() ? *now : 0;
  MB_RETURN_IF_ERROR(Save(ctx));
  if (destination_.existing == ExistingTarget::kReplace && destination_.retired_name.empty() &&
      destination_.found) {
    log::Warn("dropping {} before it is restored", report_.target);
    MB_RETURN_IF_ERROR(
        client_.DropCollection(ctx, db_, name_).Annotate("dropping " + report_.target));
  }
  const Status status = client_.CreateCollection(ctx, destination_.request);
  may_exist_ = IsOpen(status);
  MB_RETURN_IF_ERROR(status.Annotate(fmt::format("creating {}.{}", db_, name_)));
  created_ = true;
  MB_ASSIGN_OR_RETURN(const milvus::Collection made, client_.DescribeCollection(ctx, db_, name_));
  if (made.created_timestamp != 0 && made.created_timestamp <= progress_.created_after) {
    created_ = false;
    return AlreadyExistsError(
        fmt::format("collection already exist: somebody else made {}.{} meanwhile", db_, name_));
  }
  progress_.collection_id = made.id;
  MB_RETURN_IF_ERROR(
      CheckMadeAsAsked(destination_.request.schema, made.schema, client_.server_version()));
  progress_.state = RestoreState::kFilling;
  return Save(ctx);
}

Status CollectionRestore::Fill(const CallContext& ctx, CollectionFill& fill) {
  MB_RETURN_IF_ERROR(CreatePartitions(ctx));
  if (!run_.options.meta_only) MB_RETURN_IF_ERROR(fill.Run(ctx));
  if (reuses() && run_.options.drop_exist_index) MB_RETURN_IF_ERROR(DropIndexes(ctx));
  MB_RETURN_IF_ERROR(BuildIndexes(ctx));
  return run_.options.meta_only ? Status::Ok() : CountRows(ctx, fill);
}

Status CollectionRestore::CreatePartitions(const CallContext& ctx) {
  const PhaseClock::Scope scope(run_.clock, "create");
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Partition> present,
                      client_.ListPartitions(ctx, db_, name_));
  for (const meta::PartitionBackup& partition : plan_.backup->partition_backups) {
    if (std::ranges::find(present, partition.partition_name, &milvus::Partition::name) !=
        present.end()) {
      continue;
    }
    MB_RETURN_IF_ERROR(client_.CreatePartition(ctx, db_, name_, partition.partition_name)
                           .Annotate("creating partition " + partition.partition_name));
  }
  return Status::Ok();
}

Status CollectionRestore::DropIndexes(const CallContext& ctx) {
  const PhaseClock::Scope scope(run_.clock, "index");
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Index> indexes,
                      client_.ListIndexes(ctx, db_, name_));
  for (const milvus::Index& index : indexes) {
    MB_RETURN_IF_ERROR(client_.DropIndex(ctx, db_, name_, index.field_name, index.name)
                           .Annotate("dropping index " + index.name));
  }
  return Status::Ok();
}

Status CollectionRestore::BuildIndexes(const CallContext& ctx) {
  if (destination_.indexes.empty()) return Status::Ok();
  const PhaseClock::Scope scope(run_.clock, "index");
  run_.Enter("index");
  TaskGroup group(kParallelIndexes, ctx.stop);
  for (const milvus::Index& index : destination_.indexes) {
    const bool taken = group.Submit([this, &ctx, &index](const std::stop_token& stop) {
      return client_.CreateIndex({stop, ctx.deadline}, db_, name_, index)
          .Annotate("creating index " + index.name + " on " + index.field_name);
    });
    if (!taken) break;
  }
  return group.Wait();
}

Status CollectionRestore::CountRows(const CallContext& ctx, const CollectionFill& fill) {
  const PhaseClock::Scope scope(run_.clock, "count");
  run_.Enter("count");
  RowCheck& rows = report_.rows;
  const std::optional<int64_t> before = reuses() ? progress_.rows_before : 0;
  const int64_t imported = fill.rows_imported();
  const auto is_right = [&](int64_t present) {
    if (!before) return true;
    const int64_t added = present - *before;
    return reuses() ? added == imported : added >= rows.at_least && added <= rows.at_most;
  };
  MB_ASSIGN_OR_RETURN(const int64_t present, CountSettled(ctx, fill, is_right));
  rows.restored = present;
  if (reuses()) rows.restored = RowsAdded(present, imported);
  progress_.rows = rows.restored;
  if (reuses() && went_on_) MB_RETURN_IF_ERROR(CheckNoneAddedTwice(ctx, fill));
  const int64_t extra = before ? present - *before - imported : 0;
  if (went_on_ && extra > 0 && fill.HasImportOf(extra)) return LooksDoubled(extra);
  if (rows.restored >= rows.at_least && rows.restored <= rows.at_most) return Status::Ok();
  if (rows.restored > rows.at_most && went_on_ && created_) {
    created_ = false;  // it is not only ours any more, so it stays
    return FailedPreconditionError(
               fmt::format("{}.{} holds {} rows, {} of them more than the backup: somebody has "
                           "written to it since the restore that was not finished",
                           db_, name_, rows.restored, rows.restored - rows.at_most))
        .WithAdvice(
            "it was left as it is, with all rows of the backup in it; to start anew, drop it");
  }
  const std::string expected = rows.exact() ? std::to_string(rows.at_most)
                                            : fmt::format("{} to {}", rows.at_least, rows.at_most);
  return DataLossError(fmt::format("{}.{} {} {} rows after the import instead of {}", db_, name_,
                                   reuses() ? "was given" : "holds", rows.restored, expected))
      .WithOrigin(Origin::kMilvus);
}

/// Milvus 2.3.5 may carry out an import that it was being asked for when the client was killed, and
/// list it nowhere. The rows may also be somebody else's, so nothing is removed.
Status CollectionRestore::LooksDoubled(int64_t extra) {
  Status status =
      DataLossError(
          fmt::format(
              "{}.{} has {} rows too many, as many as one of the imports brought: Milvus has "
              "carried out an import of the restore that was not finished as well, or somebody "
              "has written to it",
              db_, name_, extra))
          .WithOrigin(Origin::kMilvus);
  if (!reuses()) {
    created_ = false;
    return std::move(status).WithAdvice("drop it, and run the same command again");
  }
  progress_.state = RestoreState::kDone;
  MB_RETURN_IF_ERROR(Save({}));
  return std::move(status).WithAdvice(
      "remove the doubled rows; all rows of the backup are there and the indexes are built, so "
      "the same command run again imports nothing");
}

/// A server that was restarted calls the imports it was at failed, and counts the rows they had
/// stored until it has cleaned up.
Result<int64_t> CollectionRestore::CountSettled(const CallContext& ctx, const CollectionFill& fill,
                                                const std::function<bool(int64_t)>& is_right) {
  MB_ASSIGN_OR_RETURN(int64_t rows, backup::CountRows(ctx, client_, db_, name_));
  const auto limit = std::chrono::steady_clock::now() + kCleanUpLimit;
  std::optional<std::chrono::steady_clock::time_point> seen_failed;
  std::chrono::milliseconds pause = run_.options.import_poll_interval;
  while (!is_right(rows)) {
    // Asked before the rows are counted: afterwards it may just have ended.
    MB_ASSIGN_OR_RETURN(const bool cleans_up, fill.HasFailedImports(ctx));
    MB_ASSIGN_OR_RETURN(rows, backup::CountRows(ctx, client_, db_, name_));
    const auto now = std::chrono::steady_clock::now();
    if (cleans_up) seen_failed = now;
    if (!seen_failed || is_right(rows) || now > limit || now > *seen_failed + kRemovalLimit) break;
    log::Info("target={} rows={} msg=\"waiting for Milvus to clean up after failed imports\"",
              report_.target, rows);
    if (!Clock::Real().SleepFor(pause, ctx.stop)) return CancelledError();
    pause = std::min<std::chrono::milliseconds>(pause * 2, kLongestCountPause);
  }
  return rows;
}

/// Others may write to a reused collection meanwhile, so what it got is compared with what the
/// imports say is ours.
int64_t CollectionRestore::RowsAdded(int64_t present, int64_t imported) {
  if (!progress_.rows_before) return imported;
  const int64_t added = present - *progress_.rows_before;
  if (added == imported) return added;
  run_.warnings.Add(
      fmt::format("{} has {} rows more than before, {} were imported: somebody else has written to "
                  "it meanwhile",
                  report_.target, added, imported));
  return imported;
}

/// A collection that an earlier run has restored: it is its users' by now.
Status CollectionRestore::CountAgain(const CallContext& ctx) {
  report_.rows.restored = progress_.rows;
  if (run_.options.meta_only) return Status::Ok();
  MB_ASSIGN_OR_RETURN(const int64_t present, backup::CountRows(ctx, client_, db_, name_));
  const int64_t before = reuses() ? progress_.rows_before.value_or(present - progress_.rows) : 0;
  report_.rows.restored = present - before;
  if (report_.rows.restored != progress_.rows) {
    run_.warnings.Add(
        fmt::format("{} has {} rows; it had {} when it was restored, and is left as it "
                    "is",
                    report_.target, present, progress_.rows + before));
  }
  return Status::Ok();
}

/// All else is done, and the next run is not to import anything.
Status CollectionRestore::CheckNoneAddedTwice(const CallContext& ctx, const CollectionFill& fill) {
  MB_ASSIGN_OR_RETURN(const std::string twice, fill.FindAddedTwice(ctx));
  if (twice.empty()) return Status::Ok();
  progress_.state = RestoreState::kDone;
  MB_RETURN_IF_ERROR(Save(ctx));
  return DataLossError(
             fmt::format(
                 "Milvus has taken {} into {}.{} twice, as an import of the restore that was "
                 "not finished came late: its rows are there twice",
                 twice, db_, name_))
      .WithOrigin(Origin::kMilvus)
      .WithAdvice(
          "remove the doubled rows; all rows of the backup are there and the indexes are "
          "built, so the same command run again imports nothing");
}

// On a context of its own: the restored collection is whole, and a stop between two names would
// leave none under the right one.
Status CollectionRestore::Replace() {
  const CallContext ctx{{}, std::chrono::steady_clock::now() + kReplaceLimit};
  if (!progress_.retired_as.empty()) {
    const PhaseClock::Scope scope(run_.clock, "replace");
    run_.Enter("replace");
    MB_RETURN_IF_ERROR(run_.CheckLock(ctx));
    progress_.state = RestoreState::kSwapping;
    MB_RETURN_IF_ERROR(Save(ctx));
    MB_RETURN_IF_ERROR(SwapNames(ctx, client_,
                                 {.db = db_,
                                  .target = plan_.target.collection,
                                  .filled_as = progress_.filled_as,
                                  .retired_as = progress_.retired_as,
                                  .restored_id = progress_.collection_id,
                                  .replaced_id = progress_.replaced_id}));
    name_ = plan_.target.collection;
    if (const Status status = RetireReplaced(ctx); !status.ok()) {
      run_.warnings.Add(
          fmt::format("{} was restored, but the collection it replaces is still there "
                      "as {}.{}: {}",
                      report_.target, db_, progress_.retired_as, status.ToString()));
    }
  }
  progress_.state = RestoreState::kDone;
  return Save(ctx);
}

Status CollectionRestore::RetireReplaced(const CallContext& ctx) {
  const auto replaced = client_.DescribeCollection(ctx, db_, progress_.retired_as);
  if (replaced.status().code() == Code::kNotFound) return Status::Ok();
  MB_RETURN_IF_ERROR(replaced.status());
  if (replaced->id != progress_.replaced_id) return Status::Ok();
  MB_RETURN_IF_ERROR(MoveAliases(ctx, replaced->aliases));
  return client_.DropCollection(ctx, db_, progress_.retired_as);
}

// Newer servers refuse to drop a collection that has aliases.
Status CollectionRestore::MoveAliases(const CallContext& ctx,
                                      const std::vector<std::string>& aliases) {
  for (const std::string& alias : aliases) {
    if (std::ranges::count(plan_.backup->aliases, alias) > 0) {
      MB_RETURN_IF_ERROR(client_.AlterAlias(ctx, db_, name_, alias));
      continue;
    }
    MB_RETURN_IF_ERROR(client_.DropAlias(ctx, db_, alias));
    run_.warnings.Add(
        fmt::format("alias {} of the replaced collection {} is not in the backup and "
                    "was dropped with it",
                    alias, report_.target));
  }
  return Status::Ok();
}

Status CollectionRestore::Load(const CallContext& ctx) {
  if (!run_.options.load || plan_.backup->load_state != "Loaded") return Status::Ok();
  const PhaseClock::Scope scope(run_.clock, "load");
  run_.Enter("load");
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Index> indexes,
                      client_.ListIndexes(ctx, db_, name_));
  const std::string field = VectorFieldWithoutIndex(destination_.request.schema, indexes);
  if (!field.empty()) {
    run_.warnings.Add(
        fmt::format("{} is not loaded: its field {} has no index; use "
                    "--rebuild_index",
                    report_.target, field));
    return Status::Ok();
  }
  MB_RETURN_IF_ERROR(client_.LoadCollection(ctx, db_, name_).Annotate("loading " + report_.target));
  return AwaitLoaded(ctx);
}

Status CollectionRestore::AwaitLoaded(const CallContext& ctx) {
  const auto limit = std::chrono::steady_clock::now() + kLoadLimit;
  for (;;) {
    MB_ASSIGN_OR_RETURN(const milvus::LoadState state, client_.GetLoadState(ctx, db_, name_));
    report_.loaded = state == milvus::LoadState::kLoaded;
    if (report_.loaded) return Status::Ok();
    if (std::chrono::steady_clock::now() > limit) break;
    if (!Clock::Real().SleepFor(kLoadPollInterval, ctx.stop)) return CancelledError();
  }
  run_.warnings.Add(report_.target + " is still being loaded");
  return Status::Ok();
}

Status CollectionRestore::RestoreAliases(const CallContext& ctx) {
  if (plan_.backup->aliases.empty()) return Status::Ok();
  MB_ASSIGN_OR_RETURN(const milvus::Collection restored,
                      client_.DescribeCollection(ctx, db_, name_));
  for (const std::string& alias : plan_.backup->aliases) {
    if (std::ranges::count(restored.aliases, alias) > 0) continue;
    const Status status = client_.CreateAlias(ctx, db_, name_, alias);
    if (status.ok()) continue;
    MB_RETURN_IF_ERROR(ctx.Check());
    run_.warnings.Add(
        fmt::format("alias {} was not given to {}: {}", alias, report_.target, status.ToString()));
  }
  return Status::Ok();
}

}  // namespace milvus_backup::backup
