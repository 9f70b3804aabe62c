#include "milvus_backup/backup/run_lock.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;

constexpr auto kRemovalLimit = 10s;

std::chrono::milliseconds RandomPause() {
  thread_local std::minstd_rand random{std::random_device{}()};
  return std::chrono::milliseconds(std::uniform_int_distribution<int>(20, 300)(random));
}

bool Conflict(const meta::RunRecord& one, const meta::RunRecord& other) {
  if (one.operation == "read" && other.operation == "read") return false;
  if (one.operation != "restore" || other.operation != "restore") {
    return one.backup == other.backup;
  }
  return std::ranges::any_of(
      one.targets, [&](const std::string& target) { return other.targets.contains(target); });
}

Status Locked(const meta::RunRecord& other) {
  const std::string what = other.operation == "restore"
                               ? "the same collections are being restored"
                               : "backup " + other.backup + " is being worked on";
  return AlreadyExistsError(what + ": " + other.ToString())
      .WithAdvice(
          "wait for its end; a run that was killed on another machine is taken for dead "
          "after a minute");
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
    if (other->held || std::chrono::steady_clock::now() > give_up) return Locked(*other);
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
  std::vector<storage::ObjectInfo> locks;
  MB_RETURN_IF_ERROR(
      storage::ForEachObject(ctx, backend_, directory_, [&](const storage::ObjectInfo& object) {
        locks.push_back(object);
        return Status::Ok();
      }));
  std::chrono::system_clock::time_point now{};
  for (const storage::ObjectInfo& lock : locks) {
    if (lock.key == key_) now = lock.modified;
  }
  for (const storage::ObjectInfo& lock : locks) {
    if (lock.key == key_) continue;
    const auto record = meta::ReadRunRecord(ctx, backend_, lock.key);
    if (record.ok() && !*record) continue;  // just released
    if (now - lock.modified > options_.lifetime || (record.ok() && HasEnded((*record)->process))) {
      log::Info("removing the lock of a run that has ended: {}", lock.key);
      MB_RETURN_IF_ERROR(backend_.Delete(ctx, lock.key));
      continue;
    }
    if (record.status().code() == Code::kDataLoss && record_.operation == "restore") {
      // Restores of other collections meet here too; a run that lives writes its lock again soon.
      log::Warn("a lock is passed over, for whose it is cannot be told: {}",
                record.status().ToString());
      continue;
    }
    MB_RETURN_IF_ERROR(record.status());
    if (Conflict(record_, **record)) return *record;
  }
  return std::optional<meta::RunRecord>();
}

void RunLock::Renew(const std::stop_token& stop) {
  while (Clock::Real().SleepFor(options_.renewal, stop)) {
    // One that another run has removed must not come back: Check tells.
    const CallContext ctx{stop, std::chrono::steady_clock::now() + options_.lifetime / 2};
    Status status = backend_.Stat(ctx, key_).status();
    if (status.ok()) status = Write(ctx);
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
                            key_, record_.backup))
      .WithOrigin(Origin::kStorage)
      .WithAdvice("run the same command again");
}

std::string BackupLockDir(const std::string& root, const std::string& backup) {
  return meta::JoinPath(root, ".locks/" + backup) + "/";
}

}  // namespace milvus_backup::backup
