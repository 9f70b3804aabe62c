#include "scheduler.h"

#include "schedule_metrics.h"
#include "schedule_run.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

namespace milvus_backup::service {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;

/// The clock may be set, and the machine may sleep.
constexpr seconds kLookAtLeastEvery{30};
/// At the state of a schedule whose time is not near.
constexpr seconds kLookAtState = std::chrono::minutes(30);
/// When the schedule, or the place for a task, is another's.
constexpr seconds kLookAgain{10};
/// A run that begins so much later than it should is on time.
constexpr seconds kOnTime{60};
/// The clock was set back when something was decided later than this.
constexpr seconds kClockWasSet = std::chrono::hours(1);

uint64_t Mix(uint64_t x) {
  // splitmix64, https://prng.di.unimi.it/splitmix64.c
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}

}  // namespace

/// What the scheduler and its jobs, which may outlive it, have in common.
struct Scheduler::Shared {
  struct End {
    std::string schedule;
    std::string backup;
    /// False when the job was given up before it began.
    bool has_run = false;
  };

  std::unique_ptr<ScheduleStore> store;
  ScheduleWork work;
  Clock* clock = nullptr;
  /// See SchedulerOptions.
  std::function<void(const std::string& schedule, const ScheduleState& state)> on_state;
  /// Jobs that are stopped from now on are not cancelled but gone on with.
  std::atomic<bool> is_stopping{false};
  std::mutex mutex;
  std::vector<End> ends;
  /// Wakes the loop.
  std::stop_source wake;

  sys_seconds Now() const { return std::chrono::floor<seconds>(clock->WallNow()); }
  void Wake() {
    std::stop_source source;
    {
      const std::scoped_lock lock(mutex);
      source = wake;
    }
    source.request_stop();
  }
};

struct Scheduler::Entry {
  Schedule schedule;
  /// A job of it is queued or runs.
  bool is_running = false;
  /// Nothing is to be done before.
  sys_seconds look_at{};
  /// Its state was told once.
  bool is_told = false;
};

/// Held by the job of a run. When it goes, the scheduler hears of it.
class Scheduler::Lease {
 public:
  Lease(std::shared_ptr<Shared> shared, std::unique_ptr<ScheduleClaim> claim, std::string schedule,
        sys_seconds scheduled)
      : shared_(std::move(shared)),
        claim_(std::move(claim)),
        schedule_(std::move(schedule)),
        backup_(backup::ScheduledName(schedule_, scheduled)),
        scheduled_(scheduled) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    claim_.reset();
    {
      const std::scoped_lock lock(shared_->mutex);
      shared_->ends.push_back({schedule_, backup_, has_run_});
    }
    shared_->Wake();
  }

  /// The run has come to its end.
  void End(const Status& status) {
    has_run_ = true;
    if (status.code() == Code::kCancelled && shared_->is_stopping) return;
    ScheduleState state = claim_->state();
    state.End({.backup = backup_,
               .scheduled = scheduled_,
               .ended = shared_->Now(),
               .succeeded = status.ok(),
               .error = status.ok() ? "" : status.ToString()});
    if (const Status saved = claim_->Save(state); !saved.ok()) {
      // It is then begun again, which finds everything done.
      log::Error("{}", saved.ToString());
      return;
    }
    if (shared_->on_state) shared_->on_state(schedule_, state);
  }

 private:
  const std::shared_ptr<Shared> shared_;
  std::unique_ptr<ScheduleClaim> claim_;
  const std::string schedule_;
  const std::string backup_;
  const sys_seconds scheduled_;
  bool has_run_ = false;
};

Result<std::unique_ptr<Scheduler>> Scheduler::Create(const SchedulerOptions& options,
                                                     std::vector<Schedule> schedules,
                                                     JobRunner& jobs, ScheduleWork work) {
  auto shared = std::make_shared<Shared>();
  MB_ASSIGN_OR_RETURN(shared->store, ScheduleStore::Open(options.state_dir, true));
  shared->work = std::move(work);
  shared->clock = options.clock;
  shared->on_state = options.on_state;
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): the constructor is private
  return std::unique_ptr<Scheduler>(
      new Scheduler(options, std::move(schedules), jobs, std::move(shared)));
}

Scheduler::Scheduler(const SchedulerOptions& options, std::vector<Schedule> schedules,
                     JobRunner& jobs, std::shared_ptr<Shared> shared)
    : options_(options), jobs_(jobs), shared_(std::move(shared)) {
  for (Schedule& schedule : schedules) {
    entries_.push_back(std::make_unique<Entry>(Entry{.schedule = std::move(schedule)}));
  }
}

Scheduler::~Scheduler() { Stop(); }

void Scheduler::Start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { Loop(stop); });
}

void Scheduler::Stop() {
  shared_->is_stopping = true;
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void Scheduler::Loop(const std::stop_token& stop) {
  const std::stop_callback on_stop(stop, [this] { shared_->Wake(); });
  while (!stop.stop_requested()) {
    std::stop_token wake;
    {
      const std::scoped_lock lock(shared_->mutex);
      shared_->wake = std::stop_source();
      wake = shared_->wake.get_token();
    }
    // An end that is told from here on wakes it.
    const sys_seconds next = Tick();
    if (stop.stop_requested()) return;
    const auto left = next - shared_->clock->WallNow();
    if (left.count() > 0) shared_->clock->SleepFor(left, wake);
  }
}

sys_seconds Scheduler::Tick() {
  HearOfEnds();
  const sys_seconds now = shared_->Now();
  sys_seconds next = now + kLookAtLeastEvery;
  for (const std::unique_ptr<Entry>& entry : entries_) {
    // A clock that was set back must not keep a schedule silent.
    if (!entry->is_running && (now >= entry->look_at || entry->look_at > now + kClockWasSet)) {
      Look(*entry, now);
    }
    if (!entry->is_running) next = std::min(next, entry->look_at);
  }
  return next;
}

void Scheduler::HearOfEnds() {
  std::vector<Shared::End> ends;
  {
    const std::scoped_lock lock(shared_->mutex);
    ends.swap(shared_->ends);
  }
  for (const Shared::End& end : ends) {
    for (const std::unique_ptr<Entry>& entry : entries_) {
      if (entry->schedule.settings.name != end.schedule) continue;
      entry->is_running = false;
      if (end.has_run) {
        entry->look_at = {};  // a time may have come meanwhile
      } else {
        ForgetCancelled(*entry, end.backup);
      }
    }
  }
}

/// A job that was cancelled before it began has no chance to say so itself.
void Scheduler::ForgetCancelled(Entry& entry, const std::string& backup) {
  const std::optional<JobRecord> job = jobs_.Find(backup);
  if (!job || job->state != JobState::kCancelled) return;
  const auto forget = [&]() -> Status {
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<ScheduleClaim> claim,
                        shared_->store->Claim(entry.schedule.settings.name));
    ScheduleState state = claim->state();
    state.End({.backup = backup,
               .scheduled = state.unfinished.value_or(sys_seconds{}),
               .ended = shared_->Now(),
               .error = job->error});
    return claim->Save(state);
  };
  if (const Status status = forget(); !status.ok()) log::Error("{}", status.ToString());
}

void Scheduler::Look(Entry& entry, sys_seconds now) {
  const std::string& name = entry.schedule.settings.name;
  entry.look_at = now + kLookAgain;
  auto claim = shared_->store->Claim(name);
  if (!claim.ok()) {
    if (claim.status().code() != Code::kAlreadyExists) {
      log::Error("schedule={} {}", name, claim.status().ToString());
    }
    return;
  }
  if (shared_->on_state && !entry.is_told) {
    shared_->on_state(name, (*claim)->state());
    entry.is_told = true;
  }
  if (const Status status = Consider(entry, *std::move(claim), now); !status.ok()) {
    log::Error("schedule={} {}", name, status.ToString());
  }
}

Status Scheduler::Consider(Entry& entry, std::unique_ptr<ScheduleClaim> claim, sys_seconds now) {
  const Schedule& schedule = entry.schedule;
  if (claim->state().unfinished) {
    const sys_seconds scheduled = *claim->state().unfinished;
    return Begin(entry, std::move(claim), scheduled);
  }
  ScheduleState state = claim->state();
  if (state.handled == sys_seconds{} || state.handled > now + kClockWasSet) {
    state.handled = now;
    MB_RETURN_IF_ERROR(claim->Save(state));
  }
  // Times before are too long ago, whatever became of them.
  const seconds age = schedule.settings.missed == config::MissedRuns::kSkip
                          ? kOnTime
                          : std::max(kOnTime, schedule.settings.missed_max_age);
  const sys_seconds oldest = now - age - schedule.settings.jitter;
  sys_seconds from = state.handled;
  if (from < oldest) {
    const std::optional<sys_seconds> first = schedule.next(from);
    if (first && *first <= oldest) {
      log::Warn("schedule={} missed its time {} and maybe others", schedule.settings.name,
                FormatIso8601(*first));
      state.handled = oldest;
      MB_RETURN_IF_ERROR(claim->Save(state));
    }
    from = oldest;
  }
  std::optional<sys_seconds> due;
  std::optional<sys_seconds> next_start;
  for (std::optional<sys_seconds> time = schedule.next(from); time; time = schedule.next(*time)) {
    const sys_seconds start = StartOf(schedule, *time);
    if (start <= now) {
      due = time;
    } else if (!next_start || start < *next_start) {
      next_start = start;
    }
    if (*time > now) break;
  }
  if (!due) {
    entry.look_at = std::min(next_start.value_or(sys_seconds::max()), now + kLookAtState);
    return Status::Ok();
  }
  state.handled = *due;
  state.unfinished = *due;
  MB_RETURN_IF_ERROR(claim->Save(state));
  return Begin(entry, std::move(claim), *due);
}

Status Scheduler::Begin(Entry& entry, std::unique_ptr<ScheduleClaim> claim, sys_seconds scheduled) {
  const std::string& name = entry.schedule.settings.name;
  const std::string backup = backup::ScheduledName(name, scheduled);
  auto lease = std::make_shared<Lease>(shared_, std::move(claim), name, scheduled);  // of the job
  entry.is_running = true;
  const JobRequest request{.id = backup,
                           .kind = "schedule",
                           .subject = backup,
                           .advice = "the schedule goes on with it once it is served again",
                           .replaces_ended = true,
                           .ends_for_good = true};
  JobWork work = [lease = std::move(lease), shared = shared_, schedule = entry.schedule,
                  scheduled](JobContext& job) {
    Status status;
    try {
      status = shared->work(job, schedule, scheduled);
    } catch (const std::exception& error) {
      status = InternalError(error.what());
    }
    lease->End(status);
    return status;
  };
  // When it is refused the lease goes with it, and the run stays unfinished and is begun again.
  return jobs_.Submit(request, std::move(work)).status();
}

Result<std::unique_ptr<Scheduler>> StartScheduler(const config::Config& config,
                                                  std::vector<Schedule> schedules,
                                                  JobRunner& jobs) {
  uint64_t seed = 0;
  for (const char digit : RandomHex(16)) seed = Mix(seed ^ static_cast<unsigned char>(digit));
  ScheduleWork work = [config](JobContext& job, const Schedule& schedule, sys_seconds scheduled) {
    return RunSchedule(job, config, schedule, scheduled, Clock::Real()).status;
  };
  MB_ASSIGN_OR_RETURN(
      std::unique_ptr<Scheduler> scheduler,
      Scheduler::Create({.state_dir = config.server.state_dir,
                         .seed = seed,
                         .on_state =
                             [config](const std::string& schedule, const ScheduleState& state) {
                               LeaveScheduleMetrics(config, schedule, state);
                             }},
                        std::move(schedules), jobs, std::move(work)));
  scheduler->Start();
  return scheduler;
}

sys_seconds Scheduler::StartOf(const Schedule& schedule, sys_seconds scheduled) const {
  uint64_t hash = Mix(options_.seed);
  for (const char c : schedule.settings.name) hash = Mix(hash ^ static_cast<unsigned char>(c));
  hash = Mix(hash ^ static_cast<uint64_t>(scheduled.time_since_epoch().count()));
  const auto choices = static_cast<uint64_t>(schedule.settings.jitter.count()) + 1;
  return scheduled + seconds(static_cast<int64_t>(hash % choices));
}

}  // namespace milvus_backup::service
