#include "milvus_backup/backup/run_lock.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <random>
#include <string_view>
#include <utility>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;

constexpr auto kRemovalLimit = 10s;

/// Services refuse requests of clients whose clock differs from theirs by more (S3 API reference,
/// RequestTimeTooSkewed).
constexpr auto kMostSkew = 15min;

std::chrono::milliseconds RandomPause() {
  thread_local std::minstd_rand random{std::random_device{}()};
  return std::chrono::milliseconds(std::uniform_int_distribution<int>(20, 300)(random));
}

bool LeavesContentAlone(const meta::RunRecord& record) {
  return record.operation == "read" || record.operation == "tag";
}

bool Conflict(const meta::RunRecord& one, const meta::RunRecord& other) {
  if (LeavesContentAlone(one) && LeavesContentAlone(other)) {
    return one.operation == "tag" && other.operation == "tag" && one.backup == other.backup;
  }
  if (one.operation != "restore" || other.operation != "restore") {
    return one.backup == other.backup;
  }
  return std::ranges::any_of(
      one.targets, [&](const std::string& target) { return other.targets.contains(target); });
}

Status Locked(const meta::RunRecord& other, const std::string& subject) {
  const std::string what =
      other.operation == "restore"
          ? "the same collections are being restored"
          : (subject.empty() ? "backup " + other.backup : subject) + " is being worked on";
  return AlreadyExistsError(what + ": " + other.ToString())
      .WithAdvice(
          "wait for its end; a run that was killed on another machine is taken for dead "
          "after a minute");
}

Result<std::vector<storage::ObjectInfo>> ListLocks(const CallContext& ctx,
                                                   storage::Backend& backend,
                                                   const std::string& directory) {
  std::vector<storage::ObjectInfo> locks;
  MB_RETURN_IF_ERROR(
      storage::ForEachObject(ctx, backend, directory, [&](const storage::ObjectInfo& object) {
        locks.push_back(object);
        return Status::Ok();
      }));
  return locks;
}

/// What to do about locks of processes that have ended, or that were not renewed for long.
enum class DeadLocks { kRemove, kLeave };

/// The record of a live run among `locks` that conflicts with `record`. Dead are those of processes
/// that have ended, and those last renewed before `dead_before`.
Result<std::optional<meta::RunRecord>> FindLive(const CallContext& ctx, storage::Backend& backend,
                                                const std::vector<storage::ObjectInfo>& locks,
                                                const meta::RunRecord& record,
                                                std::chrono::system_clock::time_point dead_before,
                                                DeadLocks dead) {
  for (const storage::ObjectInfo& lock : locks) {
    const auto found = meta::ReadRunRecord(ctx, backend, lock.key);
    if (found.ok() && !*found) continue;  // just released
    if (lock.modified < dead_before || (found.ok() && HasEnded((*found)->process))) {
      if (dead == DeadLocks::kLeave) continue;
      log::Info("removing the lock of a run that has ended: {}", lock.key);
      MB_RETURN_IF_ERROR(backend.Delete(ctx, lock.key));
      continue;
    }
    if (found.status().code() == Code::kDataLoss && record.operation == "restore") {
      // Restores of other collections meet here too; a run that lives writes its lock again soon.
      log::Warn("a lock is passed over, for whose it is cannot be told: {}",
                found.status().ToString());
      continue;
    }
    MB_RETURN_IF_ERROR(found.status());
    if (Conflict(record, **found)) return *found;
  }
  return std::optional<meta::RunRecord>();
}

}  // namespace

RunLock::RunLock(storage::Backend& backend, std::string directory, meta::RunRecord record,
                 const RunLockOptions& options)
    : backend_(backend),
      directory_(std::move(directory)),
      key_(directory_ + record.run_id + ".json"),
      record_(std::move(record)),
      options_(options) {}

RunLock::~RunLock() {
  renewer_.request_stop();
  if (renewer_.joinable()) renewer_.join();
  Remove();
}

void RunLock::Remove() {
  if (!written_) return;
  const CallContext ctx{{}, std::chrono::steady_clock::now() + kRemovalLimit};
  const Status status = backend_.Delete(ctx, key_);
  if (!status.ok()) {
    log::Warn("lock={} is left and dies within a minute: {}", key_, status.ToString());
  }
}

Result<std::unique_ptr<RunLock>> RunLock::Acquire(const CallContext& ctx, storage::Backend& backend,
                                                  const std::string& directory,
                                                  const meta::RunRecord& record,
                                                  const RunLockOptions& options) {
  // Its destructor removes the object on every way out of here.
  std::unique_ptr<RunLock> lock(new RunLock(backend, directory, record, options));
  const auto give_up = std::chrono::steady_clock::now() + options.patience;
  while (true) {
    std::optional<meta::RunRecord> other;
    MB_RETURN_IF_ERROR(lock->TryOnce(ctx, other).Annotate("leaving a lock in " + directory));
    if (!other) break;
    if (other->held || std::chrono::steady_clock::now() > give_up) {
      return Locked(*other, options.subject);
    }
    // Both came together and both step back; chance decides who is first the next time.
    lock->Remove();
    if (!Clock::Real().SleepFor(RandomPause(), ctx.stop)) return CancelledError();
  }
  lock->record_.held = true;
  MB_RETURN_IF_ERROR(lock->Write(ctx));
  lock->renewer_ =
      std::jthread([lock = lock.get()](const std::stop_token& stop) { lock->Renew(stop); });
  return lock;
}

Status RunLock::TryOnce(const CallContext& ctx, std::optional<meta::RunRecord>& other) {
  MB_RETURN_IF_ERROR(Write(ctx));
  MB_ASSIGN_OR_RETURN(other, FindOther(ctx));
  return Status::Ok();
}

Status RunLock::Write(const CallContext& ctx) {
  const bool was_written = std::exchange(written_, true);
  Status status = meta::WriteRunRecord(ctx, backend_, key_, record_);
  // Any other failed request may have been carried out.
  if (status.code() == Code::kPermissionDenied) written_ = was_written;
  return status;
}

Result<std::optional<meta::RunRecord>> RunLock::FindOther(const CallContext& ctx) {
  MB_ASSIGN_OR_RETURN(std::vector<storage::ObjectInfo> locks, ListLocks(ctx, backend_, directory_));
  const auto own = std::ranges::find(locks, key_, &storage::ObjectInfo::key);
  std::chrono::system_clock::time_point now{};
  if (own != locks.end()) {
    now = own->modified;
    locks.erase(own);
  }
  return FindLive(ctx, backend_, locks, record_, now - options_.lifetime, DeadLocks::kRemove);
}

Status RunLock::CheckNoOther(const CallContext& ctx, storage::Backend& backend,
                             const std::string& directory, const meta::RunRecord& record,
                             const RunLockOptions& options) {
  MB_ASSIGN_OR_RETURN(const std::vector<storage::ObjectInfo> locks,
                      ListLocks(ctx, backend, directory));
  // Nothing was written that would tell the time of the storage.
  const auto now = std::chrono::system_clock::now();
  MB_ASSIGN_OR_RETURN(
      const std::optional<meta::RunRecord> other,
      FindLive(ctx, backend, locks, record, now - options.lifetime - kMostSkew, DeadLocks::kLeave));
  return other ? Locked(*other, options.subject) : Status::Ok();
}

void RunLock::Renew(const std::stop_token& stop) {
  while (Clock::Real().SleepFor(options_.renewal, stop)) {
    // One that another run has removed must not come back: Check tells.
    const CallContext ctx{stop, std::chrono::steady_clock::now() + options_.lifetime / 2};
    Status status = backend_.Stat(ctx, key_).status();
    // Never cut off by a stop: it could arrive after the removal.
    if (status.ok()) status = Write({{}, std::chrono::steady_clock::now() + kRemovalLimit});
    if (!status.ok() && !stop.stop_requested()) {
      log::Warn("the lock {} could not be renewed: {}", key_, status.ToString());
    }
  }
}

Status RunLock::Check(const CallContext& ctx) {
  Status status = backend_.Stat(ctx, key_).status();
  if (status.code() != Code::kNotFound) return status;
  return Status(Code::kAborted,
                fmt::format("this run lost its lock {}: it was not renewed in time and another "
                            "run may have gone on with {}",
                            key_, options_.subject.empty() ? record_.backup : options_.subject))
      .WithOrigin(Origin::kStorage)
      .WithAdvice("run the same command again");
}

Result<std::map<std::string, meta::RunRecord>> FindLocked(
    const CallContext& ctx, storage::Backend& backend, const std::string& root,
    std::chrono::system_clock::time_point now) {
  const std::string directory = meta::JoinPath(root, ".locks") + "/";
  MB_ASSIGN_OR_RETURN(const std::vector<storage::ObjectInfo> locks,
                      ListLocks(ctx, backend, directory));
  const auto dead_before = now - RunLockOptions().lifetime - kMostSkew;
  std::map<std::string, meta::RunRecord> locked;
  for (const storage::ObjectInfo& lock : locks) {
    const std::string_view path = std::string_view(lock.key).substr(directory.size());
    const size_t slash = path.find('/');
    if (slash == std::string_view::npos || lock.modified < dead_before) continue;
    auto record = meta::ReadRunRecord(ctx, backend, lock.key);
    if (!record.ok() && record.status().code() != Code::kDataLoss) return record.status();
    if (record.ok() && (!*record || HasEnded((*record)->process))) continue;
    const std::string name(path.substr(0, slash));
    locked.emplace(name, record.ok() ? **std::move(record)
                                     : meta::RunRecord{.operation = "unknown run", .backup = name});
  }
  return locked;
}

std::string BackupLockDir(const std::string& root, const std::string& backup) {
  return meta::JoinPath(root, ".locks/" + backup) + "/";
}

}  // namespace milvus_backup::backup
