/// Begins the runs of schedules when their time has come.
#pragma once

#include "schedule_store.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/service/job_runner.h"
#include "milvus_backup/service/schedules.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace milvus_backup::service {

struct SchedulerOptions {
  /// The state directory of the server; states of schedules are below it.
  std::string state_dir;
  /// Of the jitter.
  uint64_t seed = 0;
  /// Must outlive the scheduler.
  Clock* clock = &Clock::Real();
  /// Told the state of a schedule at the beginning and when a run of it has ended, by whoever has
  /// the claim on it; may be empty. Called by threads of the runner and by that of Tick.
  std::function<void(const std::string& schedule, const ScheduleState& state)> on_state = {};
};

/// What a run does. Called by threads of the runner.
using ScheduleWork = std::function<Status(JobContext& job, const Schedule& schedule,
                                          std::chrono::sys_seconds scheduled)>;

/// Every run is a job of kind `schedule`, whose id and subject are the name of its backup. Before
/// it begins the schedule's state says so, and until it has ended: a run whose process ended, or
/// that was stopped with it, is begun again first of all. One that failed or was cancelled has
/// ended. A schedule runs once at a time; times that come meanwhile, or came while nobody was
/// there, are missed, and the policy of the schedule says what becomes of them.
///
/// A schedule that is seen for the first time has missed nothing.
class Scheduler {
 public:
  /// `jobs` must outlive the scheduler. Errors as ScheduleStore::Open.
  static Result<std::unique_ptr<Scheduler>> Create(const SchedulerOptions& options,
                                                   std::vector<Schedule> schedules, JobRunner& jobs,
                                                   ScheduleWork work);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  /// As Stop.
  ~Scheduler();

  /// Begin what is due by the clock. Returns when to come again at the latest. Never called by two
  /// threads at once.
  std::chrono::sys_seconds Tick();
  /// Call Tick in a thread of its own from now on.
  void Start();
  /// Begin nothing any more. What is under way is stopped by whoever stops the jobs, after this.
  void Stop();

 private:
  struct Shared;
  struct Entry;
  class Lease;

  Scheduler(const SchedulerOptions& options, std::vector<Schedule> schedules, JobRunner& jobs,
            std::shared_ptr<Shared> shared);

  void Loop(const std::stop_token& stop);
  void HearOfEnds();
  void ForgetCancelled(Entry& entry, const std::string& backup);
  void Look(Entry& entry, std::chrono::sys_seconds now);
  Status Consider(Entry& entry, std::unique_ptr<ScheduleClaim> claim, std::chrono::sys_seconds now);
  Status Begin(Entry& entry, std::unique_ptr<ScheduleClaim> claim,
               std::chrono::sys_seconds scheduled);
  std::chrono::sys_seconds StartOf(const Schedule& schedule,
                                   std::chrono::sys_seconds scheduled) const;

  const SchedulerOptions options_;
  JobRunner& jobs_;
  /// Also of the jobs that are under way.
  const std::shared_ptr<Shared> shared_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::jthread thread_;
};

/// A scheduler whose runs are those of RunSchedule, with a seed of its own, begun.
Result<std::unique_ptr<Scheduler>> StartScheduler(const config::Config& config,
                                                  std::vector<Schedule> schedules, JobRunner& jobs);

}  // namespace milvus_backup::service
