/// Backups by the clock: `milvus-backup schedule`, and the schedules of a server. A run takes a
/// backup, copies it to other storages, proves all of them, and removes what is old.
/// docs/server.md, "Schedules", tells what happens when.
#pragma once

#include "milvus_backup/backup/create.h"
#include "milvus_backup/backup/prune.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/service/job.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::service {

/// A schedule of the configuration, understood.
struct Schedule {
  config::ScheduleSettings settings;
  /// The first time of it after `after`; thread-safe.
  std::function<std::optional<std::chrono::sys_seconds>(std::chrono::sys_seconds after)> next;
  /// But for the name.
  backup::CreateOptions create;
  /// What to remove after a run; none removes nothing.
  std::optional<backup::PruneRequest> prune;
};

/// Errors carry Origin::kConfig and name the key.
Result<Schedule> MakeSchedule(const config::ScheduleSettings& settings);
/// All of the configuration, by name.
Result<std::vector<Schedule>> MakeSchedules(const config::Config& config);
/// The one of this name, in any case. kInvalidArgument listing the names otherwise.
Result<Schedule> FindSchedule(const config::Config& config, std::string_view name);

/// What became of the run that ended last.
struct LastRun {
  std::string backup;
  std::chrono::sys_seconds scheduled{};
  std::chrono::sys_seconds ended{};
  bool succeeded = false;
  std::string error;
  friend bool operator==(const LastRun&, const LastRun&) = default;
};

struct ScheduleView {
  std::string name;
  std::string cron;
  std::string time_zone;
  /// The next times, without jitter.
  std::vector<std::chrono::sys_seconds> next;
  /// Name of the backup whose run has begun and not ended, whether or not something works on it.
  std::string unfinished;
  std::optional<LastRun> last;
  /// Why nothing is known of its runs: the state is damaged, or a directory. Empty when it is not.
  std::string problem;
};

/// Every schedule, and `count` times of each after `now`. Reads the state directory and nothing
/// else. A damaged state is the problem of its schedule alone.
Result<std::vector<ScheduleView>> ListSchedules(const config::Config& config,
                                                std::chrono::sys_seconds now, size_t count);

/// When a run of each schedule last succeeded, by name, whoever ran it; without those that none
/// has. Reads the state directory and nothing else; what cannot be read there is left out, with a
/// warning in the log whenever that changes.
std::map<std::string, std::chrono::sys_seconds> LastSuccesses(const config::Config& config);

/// A step of a run.
struct RunStep {
  enum class Outcome { kSucceeded, kFailed, kSkipped };
  /// `before`, `create`, `copy STORAGE`, `verify STORAGE`, `retention STORAGE`, `after`.
  std::string name;
  Outcome outcome = Outcome::kSucceeded;
  /// Why it failed, or was not taken.
  Status status;
  double seconds = 0;
};

struct RunReport {
  std::string schedule;
  std::string backup;
  std::chrono::sys_seconds scheduled{};
  std::chrono::sys_seconds started{};
  std::chrono::sys_seconds ended{};
  /// The backup is in the backup storage, complete.
  bool created = false;
  std::vector<RunStep> steps;
  /// OK when every step succeeded; kCancelled for a run that was stopped.
  Status status;
};

/// One JSON object without a newline, as hooks get it with `event` in front. docs/server.md
/// describes it.
std::string EncodeRun(const RunReport& report, std::string_view event = "");

/// Run schedule `name` now, in this thread. A run of it that was begun and has not ended is gone on
/// with instead. `on_step` is told when a step begins (kRunning) and has ended. Only what kept the
/// run from beginning is an error: kInvalidArgument for a name nobody knows, kAlreadyExists when
/// the schedule is running.
Result<RunReport> RunScheduleNow(
    const CallContext& ctx, const config::Config& config, std::string_view name,
    const std::function<void(const std::string& step, JobState state)>& on_step,
    Clock& clock = Clock::Real());

/// Run the schedules when their time has come, until `ctx` is stopped; a run that is under way is
/// then stopped, and gone on with by whoever serves these schedules next. `on_started` is called
/// once all is ready. Errors are those of the start: kFailedPrecondition with Origin::kConfig
/// without any schedule, kAlreadyExists when another server has the state directory.
Status ServeSchedules(const CallContext& ctx, const config::Config& config,
                      const std::function<void()>& on_started);

}  // namespace milvus_backup::service
