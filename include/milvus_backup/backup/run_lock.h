/// Keeping two runs apart that would work on the same backup: an advisory lock in the backup
/// storage.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/storage/backend.h"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace milvus_backup::backup {

struct RunLockOptions {
  /// How often the lock object is written again.
  std::chrono::milliseconds renewal{10000};
  /// A lock that was not renewed for this long, by the clock of the storage, is dead.
  std::chrono::milliseconds lifetime{60000};
  /// How long two runs that started together try again until one of them gives way.
  std::chrono::milliseconds patience{3000};
  /// What is locked, for errors; empty stands for the backup of the record.
  std::string subject{};
};

/// Every run writes an object of its own into a directory and only then looks for others that
/// conflict with it. Whoever finds another live one steps back, so of two runs at least one sees
/// the other, whatever their clocks say. Locks of dead runs are removed: those whose process has
/// ended on this machine, and those not renewed for their lifetime. A damaged one counts as another
/// run's until then, but for restores, which meet those of other backups: there it is named only.
///
/// A thread renews the object until the lock is destroyed, which removes it. Thread-safe.
class RunLock {
 public:
  /// `backend` must outlive the lock; `directory` ends with a slash. Two runs conflict when they
  /// work on the same backup, unless one reads it and the other reads or tags it, or, both being
  /// restores, on a common target collection.
  /// kAlreadyExists naming the other run when there is one.
  static Result<std::unique_ptr<RunLock>> Acquire(const CallContext& ctx, storage::Backend& backend,
                                                  const std::string& directory,
                                                  const meta::RunRecord& record,
                                                  const RunLockOptions& options = {});
  /// Look for others without any change: kAlreadyExists as Acquire. For work that must be
  /// possible where nothing can be written: other runs do not see it. A lock of another machine is
  /// dead only a quarter of an hour later, for the clock is this machine's.
  static Status CheckNoOther(const CallContext& ctx, storage::Backend& backend,
                             const std::string& directory, const meta::RunRecord& record,
                             const RunLockOptions& options = {});
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;
  ~RunLock();

  /// To be asked before the step that makes the work final: kAborted when another run took this
  /// lock for dead, which happens to a process that was suspended for long.
  Status Check(const CallContext& ctx);
  /// Of the lock's object.
  const std::string& key() const { return key_; }

 private:
  RunLock(storage::Backend& backend, std::string directory, meta::RunRecord record,
          const RunLockOptions& options);

  Status Write(const CallContext& ctx);
  /// The record of another live run; none when this is the only one. Removes dead locks.
  Result<std::optional<meta::RunRecord>> FindOther(const CallContext& ctx);
  Status TryOnce(const CallContext& ctx, std::optional<meta::RunRecord>& other);
  void Renew(const std::stop_token& stop);
  void Remove();

  storage::Backend& backend_;
  const std::string directory_;
  const std::string key_;
  meta::RunRecord record_;
  const RunLockOptions options_;
  bool written_ = false;
  std::jthread renewer_;
};

/// Names below `root` that live runs have locked, with one such run each; nothing is changed. `now`
/// is this machine's clock, so a lock of another machine is dead only a quarter of an hour after
/// its lifetime. A damaged one counts until then.
Result<std::map<std::string, meta::RunRecord>> FindLocked(
    const CallContext& ctx, storage::Backend& backend, const std::string& root,
    std::chrono::system_clock::time_point now);

/// `<root>/.locks/<backup>/`, where runs that change a backup meet.
std::string BackupLockDir(const std::string& root, const std::string& backup);

/// Where restores into one Milvus meet, at the root of its storage.
inline constexpr char kRestoreLockDir[] = "restore-temp-locks/";

}  // namespace milvus_backup::backup
