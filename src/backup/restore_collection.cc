#include "restore_collection.h"

#include "restore_schema.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;

/// Time that changing names may take.
constexpr auto kReplaceLimit = 60s;
/// Calls of CreateIndex at once, for one collection.
constexpr size_t kParallelIndexes = 4;
/// Time that dropping a half-made collection, or removing staged objects, may take.
constexpr auto kCleanUpLimit = 60s;
constexpr auto kLoadPollInterval = 100ms;
/// Milvus builds indexes before it loads; what takes longer is left to it.
constexpr auto kLoadLimit = 10min;

}  // namespace

CollectionRestore::CollectionRestore(const RestoreRun& run, const CollectionPlan& plan,
                                     const Destination& destination)
    : run_(run),
      plan_(plan),
      destination_(destination),
      client_(*run.site.client),
      db_(plan.target.db),
      name_(destination.working_name) {
  report_ = {.source = plan.source.ToString(),
             .target = plan.target.ToString(),
             .existing = destination.existing,
             .rows = run.options.meta_only ? RowCheck() : plan.rows,
             .imports = run.options.meta_only ? 0 : plan.units.size(),
             .in_place = run.site.backup_visible_to_milvus};
  for (const ImportUnit& unit : plan.units) {
    if (!run.options.meta_only) report_.bytes += unit.bytes;
  }
}

Status CollectionRestore::Run(const CallContext& ctx) {
  const Seats::Seat seat(run_.seats);
  MB_RETURN_IF_ERROR(ctx.Check());
  ImportWatch watch(client_, {db_, name_}, run_.imports, run_.site.progress);
  Status status = Create(ctx);
  if (status.ok()) status = Fill(ctx, watch);
  if (status.ok()) status = ctx.Check();
  CleanUp(watch, status.ok());
  if (status.ok()) status = Replace();
  return status.ok() ? Load(ctx) : status;
}

Status CollectionRestore::Create(const CallContext& ctx) {
  const PhaseClock::Scope scope(run_.clock, "create");
  run_.Enter("create");
  if (destination_.existing == ExistingTarget::kReuse) return Status::Ok();
  if (destination_.existing == ExistingTarget::kReplace && destination_.retired_name.empty()) {
    log::Warn("dropping {} before it is restored", report_.target);
    MB_RETURN_IF_ERROR(
        client_.DropCollection(ctx, db_, name_).Annotate("dropping " + report_.target));
  }
  MB_RETURN_IF_ERROR(client_.CreateCollection(ctx, destination_.request)
                         .Annotate(fmt::format("creating {}.{}", db_, name_)));
  created_ = true;
  return Status::Ok();
}

Status CollectionRestore::Fill(const CallContext& ctx, ImportWatch& watch) {
  MB_RETURN_IF_ERROR(CreatePartitions(ctx));
  if (!run_.options.meta_only) {
    if (run_.stages()) MB_RETURN_IF_ERROR(Stage(ctx));
    MB_RETURN_IF_ERROR(Import(ctx, watch));
  }
  if (destination_.existing == ExistingTarget::kReuse && run_.options.drop_exist_index) {
    MB_RETURN_IF_ERROR(DropIndexes(ctx));
  }
  MB_RETURN_IF_ERROR(BuildIndexes(ctx));
  return run_.options.meta_only ? Status::Ok() : CountRows(ctx, watch);
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

Status CollectionRestore::Stage(const CallContext& ctx) {
  const PhaseClock::Scope scope(run_.clock, "stage");
  run_.Enter("stage");
  transfer::CopyBatch batch(run_.engine, *run_.site.backup_storage.backend,
                            *run_.site.milvus_storage.backend, ctx.stop);
  for (const ExpectedFile& file : plan_.files) {
    if (!batch.Add({run_.backup_dir + file.path, run_.staging_dir + file.path, file.size, ""}).ok())
      break;
  }
  const transfer::CopySummary summary = batch.Wait();
  MB_RETURN_IF_ERROR(summary.ToStatus());
  staged_objects_ = summary.objects;
  staged_bytes_ = summary.bytes;
  return Status::Ok();
}

std::pair<std::vector<milvus::ImportRequest>, std::vector<milvus::ImportRequest>>
CollectionRestore::ImportRequests() const {
  const Site& site = run_.site;
  const std::string base = site.backup_visible_to_milvus
                               ? site.backup_storage.milvus_prefix + run_.backup_dir
                               : site.milvus_storage.milvus_prefix + run_.staging_dir;
  std::vector<milvus::ImportRequest> data;
  std::vector<milvus::ImportRequest> deletes;
  for (const ImportUnit& unit : plan_.units) {
    milvus::ImportRequest request{
        .db_name = db_, .collection_name = name_, .partition_name = unit.partition_name};
    const std::string delta = unit.delta_dir.empty() ? "" : base + unit.delta_dir;
    request.files = unit.is_l0 ? std::vector<std::string>{delta}
                               : std::vector<std::string>{base + unit.insert_dir, delta};
    request.options = {{"skip_disk_quota_check", "true"},
                       {unit.is_l0 ? "l0_import" : "backup", "true"}};
    if (unit.storage_version > 0) {
      request.options.push_back({"storage_version", std::to_string(unit.storage_version)});
    }
    (unit.is_l0 ? deletes : data).push_back(std::move(request));
  }
  return {std::move(data), std::move(deletes)};
}

Status CollectionRestore::Import(const CallContext& ctx, ImportWatch& watch) {
  const PhaseClock::Scope scope(run_.clock, "import");
  run_.Enter("import");
  const auto [data, deletes] = ImportRequests();
  if (run_.site.progress != nullptr) run_.site.progress->imports_planned += report_.imports;
  const Seats::Standing standing(run_.seats);
  Status status = watch.Run(ctx, data);
  // Deletes of L0 segments apply to rows that are there, so they come last.
  if (status.ok()) status = watch.Run(ctx, deletes);
  if (status.ok() || status.origin() != Origin::kMilvus) return status;
  return std::move(status).WithAdvice(
      fmt::format("if Milvus found no files, {} is not the bucket or directory that it uses",
                  run_.site.milvus_storage.bucket_key));
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

Status CollectionRestore::CountRows(const CallContext& ctx, const ImportWatch& watch) {
  const PhaseClock::Scope scope(run_.clock, "count");
  run_.Enter("count");
  RowCheck& rows = report_.rows;
  rows.restored = 0;
  if (destination_.existing == ExistingTarget::kReuse) {
    // Others may write to the collection meanwhile: only what the imports say is ours.
    rows.restored = watch.rows_imported();
  } else {
    MB_ASSIGN_OR_RETURN(const std::vector<milvus::Segment> segments,
                        client_.ListPersistentSegments(ctx, db_, name_));
    for (const milvus::Segment& segment : segments) rows.restored += segment.num_rows;
  }
  if (rows.restored >= rows.at_least && rows.restored <= rows.at_most) return Status::Ok();
  const std::string expected = rows.exact() ? std::to_string(rows.at_most)
                                            : fmt::format("{} to {}", rows.at_least, rows.at_most);
  return DataLossError(
             fmt::format("{}.{} {} {} rows after the import instead of {}", db_, name_,
                         destination_.existing == ExistingTarget::kReuse ? "was given" : "holds",
                         rows.restored, expected))
      .WithOrigin(Origin::kMilvus);
}

// On a context of its own: the restored collection is whole, and a stop between two names would
// leave none under the right one.
Status CollectionRestore::Replace() {
  if (destination_.retired_name.empty()) return Status::Ok();
  const CallContext ctx{{}, std::chrono::steady_clock::now() + kReplaceLimit};
  const PhaseClock::Scope scope(run_.clock, "replace");
  run_.Enter("replace");
  const std::string& target = plan_.target.collection;
  const std::string& retired = destination_.retired_name;
  const std::string kept = fmt::format("the restored collection is {}.{}", db_, name_);
  Status status = client_.RenameCollection(ctx, db_, target, retired);
  if (!status.ok()) return std::move(status).WithAdvice(kept + "; the old one is untouched");
  status = client_.RenameCollection(ctx, db_, name_, target);
  if (!status.ok()) {
    const Status undone = client_.RenameCollection(ctx, db_, retired, target);
    return std::move(status).WithAdvice(
        fmt::format("{}, the old one {}.{}", kept, db_, undone.ok() ? target : retired));
  }
  name_ = target;
  status = MoveAliases(ctx);
  if (status.ok()) status = client_.DropCollection(ctx, db_, retired);
  if (status.ok()) return status;
  run_.warnings.Add(
      fmt::format("{} was restored, but the collection it replaces is still there "
                  "as {}.{}: {}",
                  report_.target, db_, retired, status.ToString()));
  return Status::Ok();
}

// Newer servers refuse to drop a collection that has aliases.
Status CollectionRestore::MoveAliases(const CallContext& ctx) {
  for (const std::string& alias : destination_.found->aliases) {
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

// On a context of its own, for the command's may have been cancelled. Imports that run come to
// their end first: the server reads staged objects until then.
void CollectionRestore::CleanUp(ImportWatch& watch, bool succeeded) {
  const PhaseClock::Scope scope(run_.clock, "clean");
  const bool has_staging = run_.stages() && !run_.site.keep_temp_files;
  if (!succeeded) {
    run_.Enter("clean up");
    const Status drained =
        watch.Drain({{}, std::chrono::steady_clock::now() + run_.options.drain_limit});
    UndoCreate({{}, std::chrono::steady_clock::now() + kCleanUpLimit}, watch);
    if (!drained.ok()) {
      log::Error("imports into {}.{} may still run: {}{}", db_, name_, drained.ToString(),
                 has_staging ? "; when they have ended, remove " + run_.staging_dir + " from " +
                                   run_.site.milvus_storage.backend->Describe()
                             : "");
      return;
    }
  }
  if (has_staging) RemoveStaging({{}, std::chrono::steady_clock::now() + kCleanUpLimit});
}

void CollectionRestore::UndoCreate(const CallContext& ctx, const ImportWatch& watch) {
  if (!created_) {
    if (watch.rows_imported() == 0) return;
    log::Error("{} rows of the failed restore stay in {}", watch.rows_imported(), report_.target);
    return;
  }
  const Status dropped = client_.DropCollection(ctx, db_, name_);
  if (dropped.ok() || dropped.code() == Code::kNotFound) return;
  log::Error("the incomplete collection {}.{} could not be dropped: {}", db_, name_,
             dropped.ToString());
}

void CollectionRestore::RemoveStaging(const CallContext& ctx) {
  storage::Backend& backend = *run_.site.milvus_storage.backend;
  for (const char* kind : {"insert_log", "delta_log"}) {
    const std::string prefix =
        fmt::format("{}binlogs/{}/{}/", run_.staging_dir, kind, plan_.backup->collection_id);
    const Status status = storage::DeleteTree(ctx, backend, prefix).status();
    if (status.ok()) continue;
    log::Error("staged objects are left under {} in {}: {}", prefix, backend.Describe(),
               status.ToString());
  }
}

}  // namespace milvus_backup::backup
