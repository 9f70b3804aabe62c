#include "restore_fill.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;

/// Milvus 2.2 and 2.3 forget tasks after 24 h (rootCoord.importTaskRetention); what they do not
/// tell of after half of it may have been forgotten.
constexpr auto kSureToRemember = 12h;

/// The staged files of some imports.
class UnitFilter {
 public:
  UnitFilter(const std::vector<ImportUnit>& units,
             const std::vector<milvus::ImportRequest>& requests, const std::string& base) {
    std::set<std::string> wanted;
    for (const milvus::ImportRequest& request : requests) {
      wanted.insert(request.files.begin(), request.files.end());
    }
    for (const ImportUnit& unit : units) {
      for (const std::string& dir : {unit.insert_dir, unit.delta_dir}) {
        if (!dir.empty() && wanted.contains(base + dir)) dirs_.insert(dir);
      }
    }
  }

  bool Has(const std::string& path) const {
    for (size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      if (dirs_.contains(path.substr(0, slash + 1))) return true;
    }
    return false;
  }

 private:
  std::set<std::string> dirs_;
};

/// The directories of what is staged for a collection of the backup.
std::vector<std::string> StagedDirs(const std::string& staging_dir, int64_t source_id) {
  std::vector<std::string> dirs;
  for (const char* kind : {"insert_log", "delta_log"}) {
    dirs.push_back(fmt::format("{}binlogs/{}/{}/", staging_dir, kind, source_id));
  }
  return dirs;
}

std::string BaseOf(const RestoreRun& run, const std::string& staging_dir) {
  const Site& site = run.site;
  return site.backup_visible_to_milvus ? site.backup_storage.milvus_prefix + run.backup_dir
                                       : site.milvus_storage.milvus_prefix + staging_dir;
}

void KeepOnly(const std::vector<milvus::ImportRequest>& left,
              std::vector<milvus::ImportRequest>& requests) {
  std::erase_if(requests, [&](const milvus::ImportRequest& request) {
    return std::ranges::none_of(left, [&](const milvus::ImportRequest& one) {
      return one.partition_name == request.partition_name && one.files == request.files;
    });
  });
}

}  // namespace

CollectionFill::CollectionFill(const RestoreRun& run, const CollectionPlan& plan,
                               meta::RestoreProgress& progress)
    : run_(run),
      plan_(plan),
      progress_(progress),
      client_(*run.site.client),
      db_(plan.target.db),
      staging_dir_(run.ledger->DirOf(progress.target)),
      goes_on_(!progress.imports.empty()),
      watch_(client_, {db_, progress.filled_as}, run.imports, run.site.progress) {}

Status CollectionFill::Run(const CallContext& ctx) {
  ToSend send = PlannedImports();
  if (goes_on_) MB_RETURN_IF_ERROR(FindEarlierImports(ctx, send));
  const bool sends = !send.data.empty() || !send.deletes.empty();
  if (run_.stages() && sends) MB_RETURN_IF_ERROR(Stage(ctx, send));
  MB_RETURN_IF_ERROR(Import(ctx, send));
  // What others import tells nothing.
  return goes_on_ && !reuses() ? CheckNoneTwice(ctx) : Status::Ok();
}

CollectionFill::ToSend CollectionFill::PlannedImports() const {
  const std::string base = BaseOf(run_, staging_dir_);
  ToSend send;
  for (const ImportUnit& unit : plan_.units) {
    milvus::ImportRequest request{.db_name = db_,
                                  .collection_name = progress_.filled_as,
                                  .partition_name = unit.partition_name};
    const std::string delta = unit.delta_dir.empty() ? "" : base + unit.delta_dir;
    request.files = unit.is_l0 ? std::vector<std::string>{delta}
                               : std::vector<std::string>{base + unit.insert_dir, delta};
    request.options = {{"skip_disk_quota_check", "true"},
                       {unit.is_l0 ? "l0_import" : "backup", "true"}};
    if (unit.storage_version > 0) {
      request.options.push_back({"storage_version", std::to_string(unit.storage_version)});
    }
    (unit.is_l0 ? send.deletes : send.data).push_back(std::move(request));
  }
  return send;
}

OwnTasks CollectionFill::own_tasks() const {
  return {.db = db_,
          .collection = progress_.filled_as,
          .collection_id = progress_.collection_id,
          .after_task = progress_.after_task};
}

Status CollectionFill::FindEarlierImports(const CallContext& ctx, ToSend& send) {
  const PhaseClock::Scope scope(run_.clock, "import");
  std::vector<milvus::ImportRequest> planned = send.data;
  planned.insert(planned.end(), send.deletes.begin(), send.deletes.end());
  auto matched = Match(ctx, planned);
  if (matched.status().code() == Code::kUnimplemented ||
      matched.status().code() == Code::kFailedPrecondition) {
    return Unproved(matched.status().message());
  }
  MB_RETURN_IF_ERROR(matched.status());
  MB_RETURN_IF_ERROR(JudgeMissing(*matched));
  std::ranges::move(matched->unknown, std::back_inserter(matched->to_send));
  const size_t deletes = send.deletes.size();
  KeepOnly(matched->to_send, send.data);
  KeepOnly(matched->to_send, send.deletes);
  if (!send.data.empty() && send.deletes.size() < deletes) {
    return Unproved("deletes were imported before all rows they are for");
  }
  std::ranges::sort(matched->taken, {}, &milvus::ImportTask::id);
  for (const milvus::ImportTask& task : matched->taken) watch_.Adopt(task);
  progress_.imports = std::move(matched->records);
  log::Info("target={} msg=\"of {} imports, Milvus has {} from an earlier run\"", progress_.target,
            planned.size(), progress_.imports.size());
  return Status::Ok();
}

Result<MatchedImports> CollectionFill::Match(const CallContext& ctx,
                                             const std::vector<milvus::ImportRequest>& planned) {
  const auto give_up = std::chrono::steady_clock::now() + run_.options.import_settle_time;
  while (true) {
    auto matched = MatchImports(ctx, client_, own_tasks(), progress_.imports, planned);
    // In a collection of our own a late one is noticed, and put right, at the end.
    const bool may_be_late = matched.ok() && reuses() && !matched->unknown.empty();
    if (!may_be_late || std::chrono::steady_clock::now() > give_up) return matched;
    if (!Clock::Real().SleepFor(run_.options.import_poll_interval, ctx.stop))
      return CancelledError();
  }
}

/// Whether those Milvus does not tell of may be sent.
Status CollectionFill::JudgeMissing(const MatchedImports& matched) {
  if (!matched.forgotten.empty()) {
    return Unproved(fmt::format("Milvus does not know the import of {} any more",
                                matched.forgotten.front().files.front()));
  }
  if (matched.unknown.empty()) return Status::Ok();
  const std::string first = matched.unknown.front().files.front();
  if (!ImportWalksDirectories(milvus::ParseVersion(client_.server_version()))) {
    return Unproved("Milvus does not tell whether it has taken the import of " + first);
  }
  const std::chrono::milliseconds age(run_.ledger->NowMs() - matched.unknown_since_ms);
  if (matched.unknown_since_ms != 0 && age < kSureToRemember) return Status::Ok();
  return Unproved("it is too long ago that the import of " + first + " was to be sent");
}

Status CollectionFill::Unproved(std::string_view reason) {
  unproved_ = true;
  Status status = FailedPreconditionError(
      fmt::format("what an unfinished restore has imported into {}.{} cannot be told: {}", db_,
                  progress_.filled_as, reason));
  if (!reuses()) return status;
  return std::move(status).WithAdvice(
      fmt::format("rows could be there twice if this went on, so nothing was changed: put the "
                  "collection right, "
                  "then remove {} to forget that restore",
                  run_.ledger->WhereLeft(progress_.target)));
}

Status CollectionFill::Stage(const CallContext& ctx, const ToSend& send) {
  const PhaseClock::Scope scope(run_.clock, "stage");
  run_.Enter("stage");
  std::vector<milvus::ImportRequest> requests = send.data;
  requests.insert(requests.end(), send.deletes.begin(), send.deletes.end());
  const UnitFilter filter(plan_.units, requests, BaseOf(run_, staging_dir_));
  storage::Backend& storage = *run_.site.milvus_storage.backend;
  // A new run's directory is empty.
  const bool resumes = run_.ledger->Find(progress_.target) != nullptr;
  transfer::CopyBatch batch(
      run_.engine, *run_.site.backup_storage.backend, storage, ctx.stop,
      resumes ? transfer::Existing::kKeepIfEqual : transfer::Existing::kOverwrite);
  std::vector<std::string> uploads;
  for (const ExpectedFile& file : plan_.files) {
    if (filter.Has(file.path) && batch.GoesInParts({.size = file.size})) {
      uploads.push_back(file.path);
    }
  }
  if (!uploads.empty()) {
    progress_.uploads = std::move(uploads);
    MB_RETURN_IF_ERROR(run_.ledger->Write(ctx, progress_));
  }
  for (const ExpectedFile& file : plan_.files) {
    if (!filter.Has(file.path)) continue;
    const meta::ContentHash hash = run_.proof->HashOf(file.path);
    const Status added = batch.Add({.source_key = run_.backup_dir + file.path,
                                    .destination_key = staging_dir_ + file.path,
                                    .size = file.size,
                                    .etag = "",
                                    .crc32c = hash.crc32c,
                                    .md5 = hash.md5});
    if (!added.ok()) break;
  }
  const transfer::CopySummary summary = batch.Wait();
  MB_RETURN_IF_ERROR(summary.ToStatus());
  staged_objects_ = summary.objects;
  staged_bytes_ = summary.bytes;
  if (!resumes) return Status::Ok();
  // What the killed run was writing on a disk would be imported too.
  for (const std::string& dir : StagedDirs(staging_dir_, progress_.source_id)) {
    MB_RETURN_IF_ERROR(storage.RemoveRemains(ctx, dir).Annotate("clearing " + dir));
  }
  return Status::Ok();
}

Status CollectionFill::Import(const CallContext& ctx, const ToSend& send) {
  const PhaseClock::Scope scope(run_.clock, "import");
  run_.Enter("import");
  if (run_.site.progress != nullptr) run_.site.progress->imports_planned += plan_.units.size();
  const Seats::Standing standing(run_.seats);
  Status status = watch_.Run(ctx, send.data, *this);
  // Deletes of L0 segments apply to rows that are there, so they come last.
  if (status.ok()) status = watch_.Run(ctx, send.deletes, *this);
  if (status.ok() || status.origin() != Origin::kMilvus) return status;
  return std::move(status).WithAdvice(
      fmt::format("if Milvus found no files, {} is not the bucket or directory that it uses",
                  run_.site.milvus_storage.bucket_key));
}

/// A request of the killed run may have come late, after the same one was sent again.
Status CollectionFill::CheckNoneTwice(const CallContext& ctx) {
  MB_RETURN_IF_ERROR(watch_.AwaitLate(ctx, progress_.collection_id));
  MB_ASSIGN_OR_RETURN(const size_t completed, CountCompletedImports(ctx, client_, own_tasks()));
  if (completed <= plan_.units.size()) return Status::Ok();
  return Unproved(fmt::format("Milvus has carried out {} imports instead of {}", completed,
                              plan_.units.size()));
}

Result<std::string> CollectionFill::FindAddedTwice(const CallContext& ctx) const {
  MB_ASSIGN_OR_RETURN(const std::optional<milvus::ImportRequest> twice,
                      FindImportedTwice(ctx, client_, own_tasks(), AllPlanned()));
  return twice ? twice->files.front() : std::string();
}

std::vector<milvus::ImportRequest> CollectionFill::AllPlanned() const {
  ToSend all = PlannedImports();
  std::ranges::move(all.deletes, std::back_inserter(all.data));
  return std::move(all.data);
}

Result<bool> CollectionFill::HasFailedImports(const CallContext& ctx) const {
  // Later ones have no word for what is cleaned up.
  if (!ImportWalksDirectories(milvus::ParseVersion(client_.server_version()))) return false;
  return HasUncleanedImports(ctx, client_, own_tasks(), AllPlanned());
}

Status CollectionFill::Announce(const CallContext& ctx,
                                std::span<const milvus::ImportRequest> requests) {
  MB_RETURN_IF_ERROR(run_.CheckLock(ctx));
  for (const milvus::ImportRequest& request : requests) {
    progress_.imports.push_back({.partition = request.partition_name,
                                 .files = request.files,
                                 .announced_ms = run_.ledger->NowMs()});
  }
  return run_.ledger->Write(ctx, progress_);
}

Status CollectionFill::NoteTasks(const CallContext& ctx, std::span<const int64_t> ids) {
  auto record = progress_.imports.end() - static_cast<std::ptrdiff_t>(ids.size());
  for (const int64_t id : ids) (record++)->task_id = id;
  return run_.ledger->Write(ctx, progress_);
}

void RemoveStaging(const CallContext& ctx, const RestoreRun& run, const std::string& staging_dir,
                   int64_t source_id) {
  storage::Backend& backend = *run.site.milvus_storage.backend;
  for (const std::string& prefix : StagedDirs(staging_dir, source_id)) {
    const Status status = storage::DeleteTree(ctx, backend, prefix).status();
    if (status.ok()) continue;
    log::Error("staged objects are left under {} in {}: {}", prefix, backend.Describe(),
               status.ToString());
  }
}

}  // namespace milvus_backup::backup
