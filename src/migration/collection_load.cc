#include "collection_load.h"

#include "collection_open.h"
#include "npy_rows.h"
#include "target_schema.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/milvus/version.h"
#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <utility>

namespace milvus_backup::migration {
namespace {

/// From here on Milvus does not tell the files of an import task.
constexpr milvus::Version kTellsNoFiles{2, 4, 0};

bool TellsFiles(const milvus::Client& client) {
  const milvus::ParsedVersion server = milvus::ParseVersion(client.server_version());
  return server.known && server.version < kTellsNoFiles;
}

/// What Milvus says of a file that is not in its own storage: S3, and a local disk.
bool SaysFileIsMissing(const std::string& reason) {
  return reason.find("does not exist") != std::string::npos ||
         reason.find("no such file") != std::string::npos;
}

}  // namespace

CollectionLoad::CollectionLoad(const LoadRun& run, const PlannedCollection& plan)
    : run_(run), plan_(plan), client_(run.client), imports_(run.ImportsOf(plan)) {}

Result<LoadedCollection> CollectionLoad::Run(const CallContext& ctx) {
  MB_ASSIGN_OR_RETURN(std::optional<LoadRecord> opened, OpenCollection(ctx, run_, plan_));
  if (!opened) {
    LoadedCollection report = Report(false);
    report.skipped = true;
    return report;
  }
  record_ = *std::move(opened);
  PlanAsBegun();
  if (record_.state == LoadState::kDone) {
    // They may not have been asked for when it was filled.
    if (run_.rules.create_indexes) MB_RETURN_IF_ERROR(CreateIndexes(ctx));
    NoteAllImported();
    RemoveMerged(ctx);
    return Report(true);
  }
  MB_RETURN_IF_ERROR(run_.open ? Insert(ctx) : Import(ctx));
  if (run_.rules.create_indexes) MB_RETURN_IF_ERROR(CreateIndexes(ctx));
  record_.state = LoadState::kDone;
  MB_RETURN_IF_ERROR(Write(ctx));
  RemoveMerged(ctx);
  return Report(false);
}

void CollectionLoad::PlanAsBegun() {
  const size_t expected = imports_.size();
  imports_ = PlanImports(plan_, run_.merger == nullptr ? 0 : record_.merge_bytes);
  merged_.clear();
  for (const PlannedImport& import : imports_) {
    if (import.is_merged()) merged_[RequestOf(import).files.front()] = &import;
  }
  if (run_.rules.progress == nullptr || imports_.size() == expected) return;
  run_.rules.progress->imports_planned += imports_.size();
  run_.rules.progress->imports_planned -= expected;
}

milvus::ImportRequest CollectionLoad::RequestOf(const PlannedImport& import) const {
  const std::string at = run_.target.milvus_prefix + run_.target.prefix + import.dir;
  return {.db_name = run_.db,
          .collection_name = plan_.name,
          .partition_name = import.partition,
          .files = {at + kIdsName, at + plan_.style.vectors_name()}};
}

std::vector<milvus::ImportRequest> CollectionLoad::PlannedImports() const {
  std::vector<milvus::ImportRequest> requests;
  requests.reserve(imports_.size());
  for (const PlannedImport& import : imports_) requests.push_back(RequestOf(import));
  return requests;
}

Result<backup::MatchedImports> CollectionLoad::Match(
    const CallContext& ctx, const std::vector<milvus::ImportRequest>& planned) {
  const backup::OwnTasks own{.db = run_.db,
                             .collection = plan_.name,
                             .collection_id = record_.collection_id,
                             .after_task = record_.after_task,
                             .run = "load",
                             .advice = BeginAnewAdvice()};
  const auto give_up = std::chrono::steady_clock::now() + run_.rules.settle_time;
  while (true) {
    auto matched = backup::MatchImports(ctx, client_, own, record_.imports, planned);
    // A request of the killed run may still be on its way.
    const bool may_be_late = matched.ok() && !matched->unknown.empty();
    if (!may_be_late || std::chrono::steady_clock::now() > give_up) return matched;
    if (!Clock::Real().SleepFor(run_.rules.poll_interval, ctx.stop)) return CancelledError();
  }
}

Status CollectionLoad::CheckKnown(const backup::MatchedImports& matched) const {
  std::string why;
  if (!matched.forgotten.empty()) {
    why = "Milvus does not know the import of " + matched.forgotten.front().files.front() +
          " any more";
  } else if (!matched.unknown.empty() && !TellsFiles(client_)) {
    why = "Milvus does not tell whether it has taken the import of " +
          matched.unknown.front().files.front();
  }
  if (why.empty()) return Status::Ok();
  return FailedPreconditionError(
             fmt::format("what an unfinished load has imported into {} cannot be told: {}",
                         record_.target, why))
      .WithAdvice(BeginAnewAdvice());
}

std::string CollectionLoad::BeginAnewAdvice() const {
  return fmt::format(
      "rows could be there twice if this went on: {} the collection, then remove {} from {}",
      has_all_rows() ? "drop" : "put right", LoadRecordKey(run_.target, plan_.number),
      run_.target.backend->Describe());
}

Status CollectionLoad::Import(const CallContext& ctx) {
  MB_ASSIGN_OR_RETURN(backup::MatchedImports matched, Match(ctx, PlannedImports()));
  MB_RETURN_IF_ERROR(CheckKnown(matched));
  std::ranges::move(matched.unknown, std::back_inserter(matched.to_send));
  backup::ImportWatch watch(client_, {run_.db, plan_.name}, run_.queue, run_.rules.progress);
  std::ranges::sort(matched.taken, {}, &milvus::ImportTask::id);
  for (const milvus::ImportTask& task : matched.taken) watch.Adopt(task);
  record_.imports = std::move(matched.records);
  Status status = watch.Run(ctx, matched.to_send, *this);
  if (!status.ok()) {
    MB_ASSIGN_OR_RETURN(const bool unreadable, MilvusCannotRead(ctx, watch, status));
    return unreadable ? InsertInstead(ctx) : status;
  }
  return CheckRows(ctx, static_cast<uint64_t>(watch.rows_imported()));
}

Result<bool> CollectionLoad::MilvusCannotRead(const CallContext& ctx, backup::ImportWatch& watch,
                                              const Status& failure) {
  const bool is_missing = failure.code() == Code::kAborted && failure.origin() == Origin::kMilvus &&
                          SaysFileIsMissing(failure.message());
  if (!is_missing) return false;
  // The others of the same files must have failed as well, or rows would be there twice.
  MB_RETURN_IF_ERROR(watch.Drain(ctx));
  const auto completed = backup::CountCompletedImports(ctx, client_,
                                                       {.db = run_.db,
                                                        .collection = plan_.name,
                                                        .collection_id = record_.collection_id,
                                                        .after_task = record_.after_task});
  if (completed.status().code() == Code::kUnimplemented) return false;
  MB_RETURN_IF_ERROR(completed.status());
  return *completed == 0;
}

Status CollectionLoad::InsertInstead(const CallContext& ctx) {
  log::Event(log::Level::kWarn,
             fmt::format("Milvus cannot read {}: the rows of {} are inserted instead, which is "
                         "slower",
                         run_.target.backend->Describe(), record_.target),
             {});
  record_.imports.clear();
  return Insert(ctx);
}

Status CollectionLoad::Insert(const CallContext& ctx) {
  record_.inserting = true;
  MB_RETURN_IF_ERROR(run_.check_lock(ctx));
  MB_RETURN_IF_ERROR(Write(ctx));
  const PieceOpener open_npy = [this](const CallContext& call, const PlannedPiece& piece) {
    return OpenNpyRows(call, run_.target, plan_, piece);
  };
  MB_ASSIGN_OR_RETURN(const uint64_t inserted,
                      InsertRows(ctx, client_, run_.db, plan_, run_.open ? run_.open : open_npy,
                                 {.batch_bytes = run_.rules.insert_bytes,
                                  .poll_interval = run_.rules.poll_interval,
                                  .progress = run_.open ? run_.progress : nullptr}));
  NoteAllImported();
  return CheckRows(ctx, inserted);
}

void CollectionLoad::NoteAllImported() const {
  if (run_.rules.progress != nullptr) run_.rules.progress->imports_done += imports_.size();
}

Status CollectionLoad::WriteMerged(const CallContext& ctx,
                                   std::span<const milvus::ImportRequest> requests) const {
  for (const milvus::ImportRequest& request : requests) {
    const auto merged = merged_.find(request.files.front());
    if (merged == merged_.end()) continue;
    MB_RETURN_IF_ERROR(run_.merger->Write(ctx, run_.target, plan_, *merged->second)
                           .Annotate("merging small segments"));
    run_.queue.NoteChange();
  }
  return Status::Ok();
}

// A run that does not find them writes them again when it sends their import again.
void CollectionLoad::NoteCompleted(const CallContext& ctx, int64_t id) {
  const auto record = std::ranges::find(record_.imports, id, &meta::RecordedImport::task_id);
  if (record == record_.imports.end() || record->files.empty()) return;
  const auto merged = merged_.find(record->files.front());
  if (merged == merged_.end()) return;
  const std::string at = run_.target.prefix + merged->second->dir;
  for (const std::string& name : {std::string(kIdsName), plan_.style.vectors_name()}) {
    run_.target.backend->Delete(ctx, at + name).IgnoreError("RemoveMerged tries once more");
  }
}

void CollectionLoad::RemoveMerged(const CallContext& ctx) const {
  if (merged_.empty()) return;
  const std::string prefix = run_.target.prefix + MergedDir(plan_);
  const Status removed = storage::DeleteTree(ctx, *run_.target.backend, prefix).status();
  if (removed.ok()) return;
  log::Event(log::Level::kWarn,
             fmt::format("{} is not needed any more and could not be removed: {}", prefix,
                         removed.ToString()),
             {});
}

Status CollectionLoad::CheckRows(const CallContext& ctx, uint64_t imported) {
  const uint64_t expected = plan_.rows();
  if (imported != expected) {
    return DataLossError(fmt::format("Milvus says it has taken {} rows into {} instead of {}",
                                     imported, record_.target, expected))
        .WithOrigin(Origin::kMilvus);
  }
  // Others may write to a collection that was there before, and to other partitions.
  const int64_t wanted = record_.rows_before + static_cast<int64_t>(expected);
  const auto give_up = std::chrono::steady_clock::now() + run_.rules.count_patience;
  while (true) {
    MB_ASSIGN_OR_RETURN(record_.rows_after, client_.CountStoredRows(ctx, run_.db, plan_.name));
    if (record_.rows_after == wanted || !has_all_rows()) return Status::Ok();
    if (record_.rows_after > wanted) {
      MB_ASSIGN_OR_RETURN(const std::string other, OtherPartition(ctx, run_, plan_));
      if (!other.empty()) return Status::Ok();
    }
    if (record_.rows_after > wanted || std::chrono::steady_clock::now() > give_up) {
      return DataLossError(fmt::format("{} holds {} rows after the import instead of {}",
                                       record_.target, record_.rows_after, wanted))
          .WithOrigin(Origin::kMilvus);
    }
    if (!Clock::Real().SleepFor(run_.rules.poll_interval, ctx.stop)) return CancelledError();
  }
}

Status CollectionLoad::CreateIndexes(const CallContext& ctx) {
  const TargetIndex target = IndexOf(plan_.table, plan_.style.vector_field);
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Index> existing,
                      client_.ListIndexes(ctx, run_.db, plan_.name));
  const bool has_one =
      std::ranges::count(existing, target.index.field_name, &milvus::Index::field_name) > 0;
  if (has_one) return Status::Ok();
  if (!target.warning.empty()) log::Event(log::Level::kWarn, target.warning, {});
  return client_.CreateIndex(ctx, run_.db, plan_.name, target.index)
      .Annotate("creating the index of " + record_.target);
}

LoadedCollection CollectionLoad::Report(bool was_done) const {
  return {.source = plan_.source,
          .name = plan_.name,
          .partitions = plan_.partitions,
          .imports = imports_.size(),
          .expected = plan_.rows(),
          .before = record_.rows_before,
          .after = record_.rows_after,
          .was_done = was_done};
}

Status CollectionLoad::Announce(const CallContext& ctx,
                                std::span<const milvus::ImportRequest> requests) {
  MB_RETURN_IF_ERROR(WriteMerged(ctx, requests));
  MB_RETURN_IF_ERROR(run_.check_lock(ctx));
  for (const milvus::ImportRequest& request : requests) {
    record_.imports.push_back({.partition = request.partition_name, .files = request.files});
    log::Event(
        log::Level::kInfo, "[Loader] begin to start bulkInsert",
        {{"col", request.collection_name}, {"files", fmt::format("{}", request.files.front())}});
  }
  return Write(ctx);
}

Status CollectionLoad::NoteTasks(const CallContext& ctx, std::span<const int64_t> ids) {
  auto record = record_.imports.end() - static_cast<std::ptrdiff_t>(ids.size());
  for (const int64_t id : ids) {
    log::Event(log::Level::kInfo, "[Loader] Check Milvus bulkInsertState",
               {{"taskId", std::to_string(id)}});
    (record++)->task_id = id;
  }
  return Write(ctx);
}

}  // namespace milvus_backup::migration
