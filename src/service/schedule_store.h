/// What is remembered of schedules: `<name>.json` each, in a directory of their own.
#pragma once

#include "file_lock.h"

#include "milvus_backup/base/status.h"
#include "milvus_backup/service/schedules.h"
#include "milvus_backup/storage/backend.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace milvus_backup::service {

struct ScheduleState {
  /// Of every time up to this one it is decided what becomes of it.
  std::chrono::sys_seconds handled{};
  /// The time of a run that was begun and has not ended, whatever has become of its process.
  std::optional<std::chrono::sys_seconds> unfinished{};
  std::optional<LastRun> last{};
  /// When a run last succeeded; stays while others fail.
  std::optional<std::chrono::sys_seconds> last_success{};
  friend bool operator==(const ScheduleState&, const ScheduleState&) = default;

  /// Take down how the run that was unfinished has ended.
  void End(LastRun run);
};

std::string EncodeScheduleState(const ScheduleState& state);
/// kDataLoss naming `what` when the text is no such object.
Result<ScheduleState> DecodeScheduleState(std::string_view text, std::string_view what);

/// The right to run a schedule, and its state. One process, and one claim in it, has it at a time.
class ScheduleClaim {
 public:
  ScheduleClaim(storage::Backend& files, std::string name, FileLock lock, ScheduleState state);
  ScheduleClaim(const ScheduleClaim&) = delete;
  ScheduleClaim& operator=(const ScheduleClaim&) = delete;
  ~ScheduleClaim() = default;

  const ScheduleState& state() const { return state_; }
  /// Write atomically, and to the disk before it returns; state() is the old one when it fails.
  Status Save(const ScheduleState& state);

 private:
  storage::Backend& files_;
  const std::string name_;
  const FileLock lock_;
  ScheduleState state_;
};

/// Thread-safe.
class ScheduleStore {
 public:
  /// The states below the state directory of a server; with `make` its directory is made.
  static Result<std::unique_ptr<ScheduleStore>> Open(const std::string& state_dir, bool make);

  /// kAlreadyExists while another claim on the schedule is held. A state that is damaged is named
  /// in the log and begun anew. Other errors as Read.
  Result<std::unique_ptr<ScheduleClaim>> Claim(const std::string& name);
  /// Without a claim; nothing when there is none, kDataLoss naming the file when it is damaged,
  /// kFailedPrecondition when a directory is in its place.
  Result<std::optional<ScheduleState>> Read(const std::string& name);

 private:
  ScheduleStore(std::string directory, std::unique_ptr<storage::Backend> files);

  const std::string directory_;
  const std::unique_ptr<storage::Backend> files_;
};

}  // namespace milvus_backup::service
