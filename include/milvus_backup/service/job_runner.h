/// Runs jobs in the background, a bounded number at once, and remembers what became of them beyond
/// the end of the process.
#pragma once

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/service/job.h"
#include "milvus_backup/transfer/progress.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::service {

struct JobRunnerOptions {
  /// Of the records; one runner at a time has it.
  std::string directory;
  /// Jobs that run at once.
  size_t max_running = 2;
  /// Jobs that wait for their turn; more are refused.
  size_t max_queued = 8;
  /// Jobs that have ended and are remembered; older ones are forgotten.
  size_t max_finished = 1000;
  /// Must outlive the runner.
  Clock* clock = &Clock::Real();
};

struct JobRequest {
  /// As ValidateJobId takes it.
  std::string id;
  std::string kind;
  std::string subject;
  /// As in JobRecord.
  std::string from = {};
  std::string to = {};
  std::string as = {};
  std::string request = {};
  /// How to go on with the job when it does not come to its end. Left out of one whose error says
  /// that the same request would fail again.
  std::string advice;
  /// What the job works on alone: one of two jobs with the same place is refused. Empty for none.
  std::string place;
  /// The id is the caller's own: forget the job that has had it, whatever became of that.
  bool replaces_ended = false;
  /// A job that failed or was cancelled is not gone on with: `advice` is for one that is
  /// interrupted.
  bool ends_for_good = false;
};

/// What a job is given while it works. Thread-safe.
class JobContext {
 public:
  virtual ~JobContext() = default;
  /// Its stop token is the job's: a job that was stopped leaves what can be gone on with and
  /// returns kCancelled.
  virtual const CallContext& call() const = 0;
  /// Where the job says how far it is.
  virtual transfer::Progress& progress() = 0;
  /// Set the state of the item called `name`, adding it when it is new.
  virtual void SetItem(const std::string& name, JobState state) = 0;
  /// Remember a warning with the job; of very many the first.
  virtual void Warn(const std::string& warning) = 0;
};

/// Of the jobs of one kind that have ended since the runner was created, and of those that it found
/// interrupted.
struct JobTotals {
  std::map<JobState, uint64_t> ended;
  uint64_t objects = 0;
  uint64_t bytes = 0;
  /// Of those that began, added up.
  std::chrono::duration<double> time{0};
};

using JobWork = std::function<Status(JobContext& job)>;

/// What is held in memory of a job that has ended.
struct JobSummary {
  std::string id;
  std::string kind;
  std::string subject;
  std::string request = {};
  JobState state = JobState::kQueued;
  int64_t created = 0;
  int64_t started = 0;
  int64_t ended = 0;
};

/// Every job reaches a final state: the one its work returns, kFailed when that throws, and
/// kInterrupted when the process ends first, which the next runner of the same directory finds out.
/// Of jobs that have ended a summary is held in memory, and small records once they were listed;
/// the rest is read when it is asked for. Thread-safe.
class JobRunner {
 public:
  /// Take the directory and read what earlier runners left. Errors as they come from the disk;
  /// kAlreadyExists when a running server has it.
  static Result<std::unique_ptr<JobRunner>> Create(const JobRunnerOptions& options);
  JobRunner(const JobRunner&) = delete;
  JobRunner& operator=(const JobRunner&) = delete;
  /// As Stop.
  ~JobRunner();

  /// Write the job down and queue it. A job of the same id, kind, subject and request that has
  /// ended without success is taken up again: its record gives way. (A request that one of both
  /// does not have is not compared.) kAlreadyExists for the id of another job, and while one of
  /// that id or place is not ended, kResourceExhausted when too many wait, kUnavailable after Stop.
  Result<JobRecord> Submit(const JobRequest& request, JobWork work);

  std::optional<JobRecord> Find(const std::string& id) const;
  /// The job of this kind and subject that was submitted last.
  std::optional<JobRecord> FindLatest(const std::string& kind, const std::string& subject) const;
  /// The newest first. Reads the records of jobs that have ended, small ones once. As Find: one
  /// that did not succeed has no advice any more when a later one of its kind, subject and request
  /// did.
  std::vector<JobRecord> List() const;
  /// The same without reading anything.
  std::vector<JobSummary> Summaries() const;

  /// By kind.
  std::map<std::string, JobTotals> Totals() const;

  /// Ask the job to stop; one that waits ends at once. Returns without waiting for it. kNotFound
  /// for an unknown id, kFailedPrecondition when the job has ended.
  Result<JobRecord> Cancel(const std::string& id);
  /// Wait until the job has ended. kNotFound for an unknown id.
  Result<JobRecord> Wait(const std::string& id) const;

  /// Take no more jobs, stop those that run and wait for them. Those that do not come to their end,
  /// and those that wait, are kInterrupted.
  void Stop();

 private:
  struct Impl;
  explicit JobRunner(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

/// 0 to 99, from what the counters say is done of what is planned by now.
int32_t PercentOf(const transfer::Progress& progress);

}  // namespace milvus_backup::service
