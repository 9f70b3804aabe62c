#include "restore_ledger.h"

#include "name_swap.h"

#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace milvus_backup::backup {
namespace {

constexpr std::string_view kDirMark = "restore-temp-";
constexpr char kMarker[] = "run.json";
constexpr char kRecords[] = "run/";
/// A record names every import of its collection; more than this is not a record.
constexpr size_t kMaxRecordBytes = 256 * kMiB;

std::string DirOfRun(const std::string& run_id) { return std::string(kDirMark) + run_id + "/"; }

/// Directories of a run, and so not what the reference tool or a user has put beside them.
bool IsDirOfRun(std::string_view dir) {
  constexpr size_t kIdDigits = 16;
  if (dir.size() != kDirMark.size() + kIdDigits + 1) return false;
  const std::string_view id = dir.substr(kDirMark.size(), kIdDigits);
  return id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Targets are numbered by their order, for a name may be too long for a file.
std::string RecordKey(const std::string& dir, const meta::RunRecord& owner,
                      const std::string& target) {
  const auto number = std::distance(owner.targets.begin(), owner.targets.find(target));
  return fmt::format("{}{}{:06d}.json", dir, kRecords, number);
}

int64_t ToMs(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

/// A record may not name just any collection, for what it names may be dropped.
Status CheckNames(const meta::RestoreProgress& progress, const std::string& key) {
  const std::string collection = progress.target.substr(progress.target.find('.') + 1);
  const bool fills_own =
      progress.filled_as == collection || IsNameBeside(progress.filled_as, collection, kFilledMark);
  const bool retires_own =
      progress.retired_as.empty() || IsNameBeside(progress.retired_as, collection, kRetiredMark);
  if (fills_own && retires_own) return Status::Ok();
  return DataLossError(fmt::format("{} names the collection {}, which no restore to {} makes", key,
                                   fills_own ? progress.retired_as : progress.filled_as,
                                   progress.target));
}

std::string ForgetAdvice(const std::string& dir, const storage::Backend& backend) {
  return fmt::format("remove {} from {} to forget that restore", dir, backend.Describe());
}

Result<std::vector<storage::ObjectInfo>> ListRecords(const CallContext& ctx,
                                                     storage::Backend& backend,
                                                     const std::string& dir) {
  std::vector<storage::ObjectInfo> records;
  MB_RETURN_IF_ERROR(
      storage::ForEachObject(ctx, backend, dir + kRecords, [&](const storage::ObjectInfo& object) {
        records.push_back(object);
        return Status::Ok();
      }));
  return records;
}

}  // namespace

RestoreLedger::RestoreLedger(storage::Backend& backend, meta::RunRecord run)
    : backend_(backend), run_(std::move(run)) {}

Result<std::unique_ptr<RestoreLedger>> RestoreLedger::Open(const CallContext& ctx,
                                                           storage::Backend& backend,
                                                           const meta::RunRecord& run) {
  std::unique_ptr<RestoreLedger> ledger(new RestoreLedger(backend, run));
  MB_RETURN_IF_ERROR(ledger->FindRuns(ctx).Annotate("looking for unfinished restores"));
  ledger->PlaceTargets();
  return ledger;
}

std::unique_ptr<RestoreLedger> RestoreLedger::Without(storage::Backend& backend,
                                                      const meta::RunRecord& run) {
  std::unique_ptr<RestoreLedger> ledger(new RestoreLedger(backend, run));
  ledger->Disable();
  ledger->PlaceTargets();
  return ledger;
}

void RestoreLedger::PlaceTargets() {
  if (home_.empty()) {
    home_ = DirOfRun(run_.run_id);
    owners_[home_] = run_;
  }
  const meta::RunRecord& owner = owners_.at(home_);
  for (const std::string& target : run_.targets) {
    Entry& entry = entries_[target];
    if (!entry.key.empty()) continue;
    entry.dir = home_;
    entry.key = RecordKey(home_, owner, target);
  }
}

Status RestoreLedger::FindRuns(const CallContext& ctx) {
  storage::ListRequest request{.prefix = std::string(kDirMark), .delimiter = "/"};
  do {
    MB_ASSIGN_OR_RETURN(const storage::ListPage page, backend_.List(ctx, request));
    for (const std::string& dir : page.prefixes) {
      if (IsDirOfRun(dir)) MB_RETURN_IF_ERROR(LookInto(ctx, dir));
    }
    request.token = page.next_token;
  } while (!request.token.empty());
  return Status::Ok();
}

Status RestoreLedger::LookInto(const CallContext& ctx, const std::string& dir) {
  auto marker = meta::ReadRunRecord(ctx, backend_, dir + kMarker);
  if (marker.status().code() == Code::kDataLoss) {
    return PassOver(ctx, dir, std::move(marker).status());
  }
  MB_ASSIGN_OR_RETURN(const std::optional<meta::RunRecord> owner, std::move(marker));
  if (!owner) return NoteRemains(ctx, dir);
  const bool shares = std::ranges::any_of(
      run_.targets, [&](const std::string& target) { return owner->targets.contains(target); });
  if (!shares) return Status::Ok();
  owners_[dir] = *owner;
  if (home_.empty() && std::ranges::includes(owner->targets, run_.targets)) home_ = dir;
  return ReadRecords(ctx, dir, *owner);
}

Status RestoreLedger::NoteRemains(const CallContext& ctx, const std::string& dir) {
  MB_ASSIGN_OR_RETURN(const std::vector<storage::ObjectInfo> records,
                      ListRecords(ctx, backend_, dir));
  if (records.empty()) return Status::Ok();
  MB_ASSIGN_OR_RETURN(const std::set<std::string> at_work, TargetsOfOthers(ctx));
  for (const storage::ObjectInfo& record : records) {
    const auto progress = ReadRecord(ctx, record);
    const bool is_at_work = progress.ok() ? at_work.contains(progress->target) : !at_work.empty();
    if (!is_at_work) remains_.push_back(record.key);
  }
  return Status::Ok();
}

Result<std::set<std::string>> RestoreLedger::TargetsOfOthers(const CallContext& ctx) const {
  std::vector<std::string> locks;
  MB_RETURN_IF_ERROR(storage::ForEachObject(ctx, backend_, kRestoreLockDir,
                                            [&](const storage::ObjectInfo& object) {
                                              locks.push_back(object.key);
                                              return Status::Ok();
                                            }));
  std::set<std::string> targets;
  for (const std::string& key : locks) {
    const auto lock = meta::ReadRunRecord(ctx, backend_, key);
    if (lock.status().code() == Code::kDataLoss) continue;  // of nobody that is at work
    MB_RETURN_IF_ERROR(lock.status());
    if (!*lock || (*lock)->run_id == run_.run_id) continue;
    targets.insert((*lock)->targets.begin(), (*lock)->targets.end());
  }
  return targets;
}

Status RestoreLedger::ReadRecords(const CallContext& ctx, const std::string& dir,
                                  const meta::RunRecord& owner) {
  MB_ASSIGN_OR_RETURN(const std::vector<storage::ObjectInfo> records,
                      ListRecords(ctx, backend_, dir));
  for (const std::string& target : run_.targets) {
    if (!owner.targets.contains(target)) continue;
    const std::string key = RecordKey(dir, owner, target);
    const auto record = std::ranges::find(records, key, &storage::ObjectInfo::key);
    if (record == records.end()) continue;
    auto left = ReadRecord(ctx, *record);
    if (left.ok() && left->target != target) {
      left = DataLossError(
          fmt::format("{} is the record of {} instead of {}", key, left->target, target));
    }
    if (left.status().code() == Code::kDataLoss) {
      return std::move(left).status().WithAdvice(ForgetAdvice(dir, backend_));
    }
    MB_RETURN_IF_ERROR(left.status());
    entries_[target] = {dir, key, *std::move(left)};
  }
  return Status::Ok();
}

Result<meta::RestoreProgress> RestoreLedger::ReadRecord(const CallContext& ctx,
                                                        const storage::ObjectInfo& record) const {
  MB_ASSIGN_OR_RETURN(const std::string text,
                      storage::ReadAll(ctx, backend_, record.key, kMaxRecordBytes));
  MB_ASSIGN_OR_RETURN(meta::RestoreProgress progress,
                      meta::DecodeRestoreProgress(text, record.key));
  MB_RETURN_IF_ERROR(CheckNames(progress, record.key));
  for (meta::RecordedImport& import : progress.imports) {
    // Older versions did not write it down: it was not later than this.
    if (import.announced_ms == 0) import.announced_ms = ToMs(record.modified);
  }
  return progress;
}

Status RestoreLedger::PassOver(const CallContext& ctx, const std::string& dir,
                               Status damage) const {
  MB_ASSIGN_OR_RETURN(const std::vector<storage::ObjectInfo> records,
                      ListRecords(ctx, backend_, dir));
  for (const storage::ObjectInfo& record : records) {
    const auto progress = ReadRecord(ctx, record);
    if (progress.ok() && run_.targets.contains(progress->target)) {
      return std::move(damage).WithAdvice(ForgetAdvice(dir, backend_));
    }
  }
  log::Warn(
      "an unfinished restore is passed over, for what it was going to restore cannot be told: "
      "{}; {}",
      damage.ToString(), ForgetAdvice(dir, backend_));
  return Status::Ok();
}

const meta::RestoreProgress* RestoreLedger::Find(const std::string& target) const {
  const std::optional<meta::RestoreProgress>& left = entries_.at(target).left;
  return left ? &*left : nullptr;
}

std::string RestoreLedger::WhoLeft(const std::string& target) const {
  return owners_.at(DirOf(target)).ToString();
}

std::string RestoreLedger::WhereLeft(const std::string& target) const {
  return fmt::format("{} from {}", DirOf(target), backend_.Describe());
}

bool RestoreLedger::IsFinished() const {
  return std::ranges::all_of(entries_, [](const auto& entry) {
    const std::optional<meta::RestoreProgress>& left = entry.second.left;
    return left && left->state == meta::RestoreState::kDone;
  });
}

int64_t RestoreLedger::NowMs() const {
  if (!begun_) return 0;
  const auto since = std::chrono::steady_clock::now() - begun_here_;
  return ToMs(*begun_ + std::chrono::duration_cast<std::chrono::milliseconds>(since));
}

Status RestoreLedger::RemoveRemains(const CallContext& ctx) {
  for (const std::string& key : remains_) MB_RETURN_IF_ERROR(backend_.Delete(ctx, key));
  return Status::Ok();
}

Status RestoreLedger::Begin(const CallContext& ctx) {
  if (!enabled_) return Status::Ok();
  MB_RETURN_IF_ERROR(WriteMarker(ctx, home_));
  MB_ASSIGN_OR_RETURN(const storage::ObjectInfo written, backend_.Stat(ctx, home_ + kMarker));
  begun_ = written.modified;
  begun_here_ = std::chrono::steady_clock::now();
  return Status::Ok();
}

Status RestoreLedger::WriteMarker(const CallContext& ctx, const std::string& dir) {
  meta::RunRecord marker = run_;
  // A run that is taken up keeps its directory, and so its id and all its targets.
  marker.run_id = owners_.at(dir).run_id;
  marker.targets = owners_.at(dir).targets;
  return meta::WriteRunRecord(ctx, backend_, dir + kMarker, marker);
}

Status RestoreLedger::Write(const CallContext& ctx, const meta::RestoreProgress& progress) {
  if (!enabled_) return Status::Ok();
  const Entry& entry = entries_.at(progress.target);
  MB_RETURN_IF_ERROR(
      backend_.Put(ctx, entry.key, AsBytes(meta::EncodeRestoreProgress(progress)), {})
          .status()
          .Annotate("writing " + entry.key));
  if (owners_.at(entry.dir).run_id == run_.run_id) return Status::Ok();
  // Another run may have taken up other targets of the same one, and have finished.
  const Status marker = backend_.Stat(ctx, entry.dir + kMarker).status();
  return marker.code() == Code::kNotFound ? WriteMarker(ctx, entry.dir) : marker;
}

Status RestoreLedger::Forget(const CallContext& ctx, const std::string& target) {
  if (!enabled_) return Status::Ok();
  return backend_.Delete(ctx, entries_.at(target).key);
}

Status RestoreLedger::End(const CallContext& ctx) {
  if (!enabled_) return Status::Ok();
  for (const auto& [dir, owner] : owners_) {
    MB_RETURN_IF_ERROR(RemoveRun(ctx, dir).Annotate("removing the records of the run in " + dir));
  }
  return Status::Ok();
}

Status RestoreLedger::RemoveRun(const CallContext& ctx, const std::string& dir) {
  MB_ASSIGN_OR_RETURN(const std::vector<storage::ObjectInfo> records,
                      ListRecords(ctx, backend_, dir));
  std::set<std::string> own;
  for (const auto& [target, entry] : entries_) own.insert(entry.key);
  const bool all_own = std::ranges::all_of(
      records, [&](const storage::ObjectInfo& record) { return own.contains(record.key); });
  if (all_own) MB_RETURN_IF_ERROR(backend_.Delete(ctx, dir + kMarker));
  for (const storage::ObjectInfo& record : records) {
    if (own.contains(record.key)) MB_RETURN_IF_ERROR(backend_.Delete(ctx, record.key));
  }
  // Whoever of two runs removes its records last sees that none is left; one may have come since.
  MB_ASSIGN_OR_RETURN(const std::vector<storage::ObjectInfo> others,
                      ListRecords(ctx, backend_, dir));
  if (others.empty()) return all_own ? Status::Ok() : backend_.Delete(ctx, dir + kMarker);
  return all_own ? WriteMarker(ctx, dir) : Status::Ok();
}

Result<bool> RestoreLedger::RemoveEmptyMarkers(const CallContext& ctx) {
  if (!enabled_) return false;
  bool some_left = false;
  for (const auto& [dir, owner] : owners_) {
    MB_ASSIGN_OR_RETURN(const std::vector<storage::ObjectInfo> records,
                        ListRecords(ctx, backend_, dir));
    if (records.empty()) MB_RETURN_IF_ERROR(backend_.Delete(ctx, dir + kMarker));
    some_left = some_left || !records.empty();
  }
  return some_left;
}

}  // namespace milvus_backup::backup
