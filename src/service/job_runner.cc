#include "milvus_backup/service/job_runner.h"

#include "job_advice.h"
#include "job_identity.h"
#include "job_store.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/base/process.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <stop_token>
#include <thread>
#include <utility>
#include <variant>

namespace milvus_backup::service {
namespace {

/// Of one job.
constexpr size_t kMaxWarnings = 100;
/// Records up to so many bytes are held once they were listed; most are a tenth of it.
constexpr size_t kKeptBytes = 4 * kKiB;
constexpr char kServerEnded[] = "interrupted: the server ended before the task did";

/// A job that this process has been given.
struct Job {
  JobRecord record;
  /// Orders them. That of its record, unless an earlier process has been given it.
  uint64_t number = 0;
  /// See JobRequest.
  std::string place;
  bool ends_for_good = false;
  JobWork work;
  std::stop_source stop;
  bool is_cancelled = false;
  transfer::Progress progress;
  /// None before it begins.
  std::optional<std::chrono::steady_clock::time_point> began;
};

/// A record as EncodeJob has it, shared with those who read it.
using KeptRecord = std::shared_ptr<const std::string>;

/// A job that has ended. A server does so for months, and small pieces that stay keep large ones
/// between them from going back to the system.
struct EndedJob {
  JobSummary summary;
  /// As of Job.
  uint64_t number = 0;
  /// What could not be written to the disk; shared with those who read it.
  std::shared_ptr<const JobRecord> unsaved{};
  /// Of a small record that was listed.
  KeptRecord kept{};
};

struct RecalledJob {
  JobRecord record;
  /// The record was read from the disk, whole.
  bool is_read = false;
};

JobState StateOf(const Status& status, const Job& job) {
  if (status.ok()) return JobState::kSucceeded;
  if (!job.stop.stop_requested() || status.code() != Code::kCancelled) return JobState::kFailed;
  return job.is_cancelled ? JobState::kCancelled : JobState::kInterrupted;
}

}  // namespace

struct JobRunner::Impl {
  explicit Impl(const JobRunnerOptions& runner_options) : options(runner_options) {}

  class Context;
  // Shared by the map and the worker that runs it.
  using JobPtr = std::shared_ptr<Job>;

  int64_t Now() const {
    return std::chrono::duration_cast<std::chrono::seconds>(
               options.clock->WallNow().time_since_epoch())
        .count();
  }

  // What follows is called with `mutex` held.
  void TakeOver(JobRecord record);
  /// The job is then one of `ended_jobs`; `job` is the caller's.
  void End(Job& job, JobState state, std::string error);
  void Remember(const JobRecord& record, uint64_t number, bool is_saved);
  /// Take over what the job has counted.
  static void Count(Job& job);
  /// A job that has this place and has not ended; null when there is none.
  const Job* HolderOf(const std::string& place) const;
  void Forget();
  JobRecord Snapshot(Job& job) const;
  /// Whether one that did the same has succeeded later.
  bool IsDoneSince(const EndedJob& job) const;

  /// Called without `mutex`: the whole record of a job that has ended. None when it was forgotten
  /// meanwhile.
  std::optional<RecalledJob> Recall(const EndedJob& job) const;
  /// Called without `mutex`: hold these records, by the numbers of their jobs.
  void Keep(const std::map<uint64_t, KeptRecord>& records);

  void Work();
  void Run(const JobPtr& job);
  Status RunGuarded(Job& job);

  const JobRunnerOptions options;
  std::unique_ptr<JobStore> store;
  mutable std::mutex mutex;
  /// A job was queued, or the runner stops.
  std::condition_variable work_changed;
  /// A job has ended.
  mutable std::condition_variable ended;
  /// By id: those that have not ended, and those that have.
  std::map<std::string, JobPtr> jobs;
  std::map<std::string, EndedJob> ended_jobs;
  std::map<std::string, JobTotals> totals;
  std::deque<JobPtr> queue;
  uint64_t next_number = 1;
  bool is_stopping = false;
  std::vector<std::jthread> workers;
};

class JobRunner::Impl::Context final : public JobContext {
 public:
  Context(Impl& runner, Job& job) : runner_(runner), job_(job), call_{job.stop.get_token(), {}} {}

  const CallContext& call() const override { return call_; }
  transfer::Progress& progress() override { return job_.progress; }
  void SetItem(const std::string& name, JobState state) override {
    const std::scoped_lock lock(runner_.mutex);
    std::vector<JobItem>& items = job_.record.items;
    auto item = std::ranges::find(items, name, &JobItem::name);
    if (item == items.end()) {
      items.push_back({.id = RandomUuid(), .name = name});
      item = items.end() - 1;
    }
    item->state = state;
    if (state != JobState::kQueued && item->started == 0) item->started = runner_.Now();
    if (IsFinal(state)) item->ended = runner_.Now();
  }
  void Warn(const std::string& warning) override {
    const std::scoped_lock lock(runner_.mutex);
    std::vector<std::string>& warnings = job_.record.warnings;
    if (warnings.size() < kMaxWarnings) warnings.push_back(warning);
  }

 private:
  Impl& runner_;
  Job& job_;
  const CallContext call_;
};

void JobRunner::Impl::TakeOver(JobRecord record) {
  if (IsFinal(record.state)) return Remember(record, next_number++, true);
  Job job;
  job.record = std::move(record);
  job.number = next_number++;
  End(job, JobState::kInterrupted, kServerEnded);
}

void JobRunner::Impl::Remember(const JobRecord& record, uint64_t number, bool is_saved) {
  EndedJob& job = ended_jobs[record.id];
  job = {.summary = SummaryOf(record), .number = number};
  if (!is_saved) job.unsaved = std::make_shared<const JobRecord>(record);
}

void JobRunner::Impl::End(Job& job, JobState state, std::string error) {
  JobRecord& record = job.record;
  Count(job);
  record.state = state;
  record.ended = Now();
  if (state == JobState::kSucceeded) {
    record.progress = 100;
    record.parts_done = record.parts;
    record.advice.clear();
  }
  const bool is_given_up = state == JobState::kFailed || state == JobState::kCancelled;
  if (job.ends_for_good && is_given_up) record.advice.clear();
  // A failed restore is gone on with like an interrupted one, but its own error says what to do.
  record.error = state == JobState::kFailed || state == JobState::kSucceeded
                     ? std::move(error)
                     : WithAdviceOf(record, error);
  for (JobItem& item : record.items) {
    if (IsFinal(item.state)) continue;
    item.state = state;
    item.ended = record.ended;
  }
  JobTotals& sum = totals[record.kind];
  ++sum.ended[state];
  sum.objects += job.progress.objects_done;
  sum.bytes += job.progress.bytes_done;
  if (job.began) sum.time += options.clock->Now() - *job.began;
  job.work = nullptr;
  const Status saved = store->Save(record);
  if (!saved.ok()) log::Error("task={} is {}, but {}", record.id, NameOf(state), saved.ToString());
  Remember(record, job.number, saved.ok());
  jobs.erase(record.id);
}

void JobRunner::Impl::Count(Job& job) {
  JobRecord& record = job.record;
  const transfer::Progress& progress = job.progress;
  record.progress = std::max(record.progress, PercentOf(progress));
  const uint64_t parts = progress.segments_planned + progress.imports_planned;
  if (parts == 0) return;
  record.parts = static_cast<int64_t>(parts);
  record.parts_done =
      static_cast<int64_t>(std::min(parts, progress.segments_done + progress.imports_done));
}

const Job* JobRunner::Impl::HolderOf(const std::string& place) const {
  if (place.empty()) return nullptr;
  for (const auto& [id, job] : jobs) {
    if (job->place == place) return job.get();
  }
  return nullptr;
}

/// The oldest of those that have ended, beyond so many.
void JobRunner::Impl::Forget() {
  while (ended_jobs.size() > options.max_finished) {
    const auto oldest =
        std::ranges::min_element(ended_jobs, {}, [](const auto& one) { return one.second.number; });
    if (const Status removed = store->Remove(oldest->first); !removed.ok()) {
      log::Warn("the record of task {} is left: {}", oldest->first, removed.ToString());
    }
    ended_jobs.erase(oldest);
  }
}

JobRecord JobRunner::Impl::Snapshot(Job& job) const {
  if (job.record.state == JobState::kRunning) Count(job);
  return job.record;
}

bool JobRunner::Impl::IsDoneSince(const EndedJob& job) const {
  if (job.summary.state == JobState::kSucceeded || job.summary.request.empty()) return false;
  return std::ranges::any_of(ended_jobs, [&](const auto& one) {
    const EndedJob& other = one.second;
    return other.number > job.number && other.summary.state == JobState::kSucceeded &&
           EssenceOf(other.summary) == EssenceOf(job.summary);
  });
}

std::optional<RecalledJob> JobRunner::Impl::Recall(const EndedJob& job) const {
  if (job.unsaved != nullptr) return RecalledJob{.record = *job.unsaved};
  const JobSummary& summary = job.summary;
  if (job.kept != nullptr) {
    if (auto kept = DecodeJob(*job.kept, summary.id); kept.ok()) {
      return RecalledJob{.record = *std::move(kept)};
    }
  }
  auto record = store->Read(summary.id);
  if (record.ok()) {
    if (record->state == JobState::kSucceeded) record->advice.clear();  // of the first versions
    return RecalledJob{.record = *std::move(record), .is_read = true};
  }
  if (record.status().code() == Code::kNotFound) return std::nullopt;
  log::Warn("{}", record.status().ToString());
  return RecalledJob{
      .record = {.id = summary.id,
                 .kind = summary.kind,
                 .subject = summary.subject,
                 .state = summary.state,
                 .error = "what became of it cannot be read: " + record.status().ToString(),
                 .created = summary.created,
                 .started = summary.started,
                 .ended = summary.ended}};
}

void JobRunner::Impl::Keep(const std::map<uint64_t, KeptRecord>& records) {
  const std::scoped_lock lock(mutex);
  for (auto& [id, job] : ended_jobs) {
    if (const auto kept = records.find(job.number); kept != records.end()) job.kept = kept->second;
  }
}

void JobRunner::Impl::Work() {
  for (;;) {
    JobPtr job;
    {
      std::unique_lock lock(mutex);
      work_changed.wait(lock, [this] { return is_stopping || !queue.empty(); });
      if (queue.empty()) return;
      job = queue.front();
      queue.pop_front();
      job->record.state = JobState::kRunning;
      job->record.started = Now();
      job->began = options.clock->Now();
      if (const Status saved = store->Save(job->record); !saved.ok()) {
        log::Warn("{}", saved.ToString());  // found as queued, it is interrupted all the same
      }
    }
    Run(job);
    job.reset();
    ReleaseFreeMemory();
  }
}

void JobRunner::Impl::Run(const JobPtr& job) {
  const std::string id = job->record.id;
  log::Info("task={} kind={} subject={} begins", id, job->record.kind, job->record.subject);
  const Status status = RunGuarded(*job);
  const std::scoped_lock lock(mutex);
  const JobState state = StateOf(status, *job);
  std::string error;
  if (state == JobState::kFailed) error = status.ToString();
  if (state == JobState::kFailed && FailsAgain(status)) job->record.advice.clear();
  if (state == JobState::kCancelled) error = "cancelled";
  if (state == JobState::kInterrupted) error = "interrupted: the server was stopped";
  End(*job, state, std::move(error));
  Forget();
  ended.notify_all();
  if (state == JobState::kSucceeded) {
    log::Info("task={} succeeded", id);
  } else {
    log::Error("task={} {}: {}", id, NameOf(state), job->record.error);
  }
}

Status JobRunner::Impl::RunGuarded(Job& job) {
  Context context(*this, job);
  try {
    return job.work(context);
  } catch (const std::exception& error) {
    return InternalError(error.what());
  }
}

Result<std::unique_ptr<JobRunner>> JobRunner::Create(const JobRunnerOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  MB_ASSIGN_OR_RETURN(impl->store, JobStore::Open(options.directory));
  MB_ASSIGN_OR_RETURN(std::vector<JobRecord> left, impl->store->Load());
  const auto order = [](const JobRecord& job) { return std::pair(job.number, job.created); };
  std::ranges::stable_sort(left, {}, order);
  const uint64_t last_number = left.empty() ? 0 : left.back().number;
  for (JobRecord& record : left) impl->TakeOver(std::move(record));
  impl->next_number = std::max(impl->next_number, last_number + 1);
  impl->Forget();
  for (size_t i = 0; i < options.max_running; ++i) {
    impl->workers.emplace_back([raw = impl.get()] { raw->Work(); });
  }
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): the constructor is private
  return std::unique_ptr<JobRunner>(new JobRunner(std::move(impl)));
}

JobRunner::JobRunner(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

JobRunner::~JobRunner() { Stop(); }

Result<JobRecord> JobRunner::Submit(const JobRequest& request, JobWork work) {
  MB_RETURN_IF_ERROR(ValidateJobId(request.id));
  const std::scoped_lock lock(impl_->mutex);
  if (impl_->is_stopping) return Status(Code::kUnavailable, "the server is being stopped");
  if (const auto known = impl_->jobs.find(request.id); known != impl_->jobs.end()) {
    MB_RETURN_IF_ERROR(CheckIdIsFree(SummaryOf(known->second->record), request));
  }
  if (const auto known = impl_->ended_jobs.find(request.id); known != impl_->ended_jobs.end()) {
    MB_RETURN_IF_ERROR(CheckIdIsFree(known->second.summary, request));
  }
  if (const Job* holder = impl_->HolderOf(request.place)) {
    return AlreadyExistsError(fmt::format("task {}, which is {}, works on {}", holder->record.id,
                                          NameOf(holder->record.state), request.place))
        .WithAdvice("wait until it has ended, or cancel it");
  }
  if (impl_->queue.size() >= impl_->options.max_queued) {
    return Status(Code::kResourceExhausted,
                  fmt::format("{} tasks wait for their turn already", impl_->queue.size()))
        .WithAdvice("try again later, or raise server.maxJobs");
  }
  auto job = std::make_shared<Job>();
  job->record = {.id = request.id,
                 .kind = request.kind,
                 .subject = request.subject,
                 .from = request.from,
                 .to = request.to,
                 .as = request.as,
                 .request = request.request,
                 .advice = request.advice,
                 .number = impl_->next_number,
                 .created = impl_->Now()};
  job->number = impl_->next_number++;
  job->place = request.place;
  job->ends_for_good = request.ends_for_good;
  job->work = std::move(work);
  MB_RETURN_IF_ERROR(impl_->store->Save(job->record));
  impl_->ended_jobs.erase(request.id);
  impl_->jobs[request.id] = job;
  impl_->queue.push_back(job);
  impl_->work_changed.notify_one();
  return job->record;
}

std::optional<JobRecord> JobRunner::Find(const std::string& id) const {
  EndedJob ended;
  bool is_done_since = false;
  {
    const std::scoped_lock lock(impl_->mutex);
    const auto job = impl_->jobs.find(id);
    if (job != impl_->jobs.end()) return impl_->Snapshot(*job->second);
    const auto found = impl_->ended_jobs.find(id);
    if (found == impl_->ended_jobs.end()) return std::nullopt;
    ended = found->second;
    is_done_since = impl_->IsDoneSince(ended);
  }
  std::optional<RecalledJob> recalled = impl_->Recall(ended);
  if (!recalled) return std::nullopt;
  if (is_done_since) DropAdvice(recalled->record);
  return std::move(recalled->record);
}

std::optional<JobRecord> JobRunner::FindLatest(const std::string& kind,
                                               const std::string& subject) const {
  EndedJob ended;
  {
    const std::scoped_lock lock(impl_->mutex);
    // One that was refused because another is at work says nothing of that one.
    Impl::JobPtr best;
    for (const auto& [id, job] : impl_->jobs) {
      const JobRecord& record = job->record;
      if (record.kind != kind || record.subject != subject) continue;
      const auto rank = [](const Job& one) {
        return std::pair(one.record.state == JobState::kRunning, one.number);
      };
      if (best == nullptr || rank(*job) > rank(*best)) best = job;
    }
    if (best != nullptr) return impl_->Snapshot(*best);
    const EndedJob* latest = nullptr;
    for (const auto& [id, job] : impl_->ended_jobs) {
      if (job.summary.kind != kind || job.summary.subject != subject) continue;
      if (latest == nullptr || job.number > latest->number) latest = &job;
    }
    if (latest == nullptr) return std::nullopt;
    ended = *latest;
  }
  std::optional<RecalledJob> recalled = impl_->Recall(ended);
  if (!recalled) return std::nullopt;
  return std::move(recalled->record);
}

std::vector<JobRecord> JobRunner::List() const {
  // By number, so the newest is the last also when the clock was set back.
  std::map<uint64_t, std::variant<JobRecord, EndedJob>> known;
  {
    const std::scoped_lock lock(impl_->mutex);
    for (const auto& [id, job] : impl_->jobs) known.emplace(job->number, impl_->Snapshot(*job));
    for (const auto& [id, job] : impl_->ended_jobs) known.emplace(job.number, job);
  }
  std::vector<JobRecord> records;
  std::map<uint64_t, KeptRecord> small;
  std::set<JobEssence> done;
  for (auto one = known.rbegin(); one != known.rend(); ++one) {
    if (auto* record = std::get_if<JobRecord>(&one->second)) {
      records.push_back(std::move(*record));
      continue;
    }
    const EndedJob& ended = std::get<EndedJob>(one->second);
    const JobEssence essence = EssenceOf(ended.summary);
    const bool is_told = !ended.summary.request.empty();
    if (ended.summary.state == JobState::kSucceeded && is_told) done.insert(essence);
    std::optional<RecalledJob> recalled = impl_->Recall(ended);
    if (!recalled) continue;
    if (recalled->is_read) {
      const std::string text = EncodeJob(recalled->record);
      if (text.size() <= kKeptBytes) {
        small.emplace(ended.number, std::make_shared<const std::string>(text));
      }
    }
    if (ended.summary.state != JobState::kSucceeded && done.contains(essence)) {
      DropAdvice(recalled->record);
    }
    records.push_back(std::move(recalled->record));
  }
  impl_->Keep(small);
  return records;
}

std::vector<JobSummary> JobRunner::Summaries() const {
  const std::scoped_lock lock(impl_->mutex);
  std::map<uint64_t, JobSummary> by_number;
  for (const auto& [id, job] : impl_->jobs) by_number.emplace(job->number, SummaryOf(job->record));
  for (const auto& [id, job] : impl_->ended_jobs) by_number.emplace(job.number, job.summary);
  std::vector<JobSummary> summaries;
  for (auto one = by_number.rbegin(); one != by_number.rend(); ++one) {
    summaries.push_back(std::move(one->second));
  }
  return summaries;
}

std::map<std::string, JobTotals> JobRunner::Totals() const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->totals;
}

Result<JobRecord> JobRunner::Cancel(const std::string& id) {
  std::unique_lock lock(impl_->mutex);
  const auto found = impl_->jobs.find(id);
  if (found == impl_->jobs.end()) {
    const auto ended = impl_->ended_jobs.find(id);
    if (ended == impl_->ended_jobs.end()) {
      return NotFoundError(fmt::format("task {} not found", id));
    }
    return FailedPreconditionError(
        fmt::format("task {} has ended: it is {}", id, NameOf(ended->second.summary.state)));
  }
  const Impl::JobPtr job = found->second;
  job->is_cancelled = true;
  if (job->record.state == JobState::kQueued) {
    std::erase(impl_->queue, job);
    impl_->End(*job, JobState::kCancelled, "cancelled before it began");
    impl_->ended.notify_all();
  }
  JobRecord record = impl_->Snapshot(*job);
  std::stop_source stop = job->stop;
  impl_->Forget();
  // What waits for the stop is called at once, and may want the mutex.
  lock.unlock();
  stop.request_stop();
  return record;
}

Result<JobRecord> JobRunner::Wait(const std::string& id) const {
  {
    std::unique_lock lock(impl_->mutex);
    if (const auto found = impl_->jobs.find(id); found != impl_->jobs.end()) {
      const Impl::JobPtr job = found->second;
      impl_->ended.wait(lock, [&] { return IsFinal(job->record.state); });
      return job->record;
    }
  }
  std::optional<JobRecord> ended = Find(id);
  if (!ended) return NotFoundError(fmt::format("task {} not found", id));
  return *std::move(ended);
}

void JobRunner::Stop() {
  std::vector<std::stop_source> running;
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->is_stopping = true;
    for (const Impl::JobPtr& job : impl_->queue) {
      impl_->End(*job, JobState::kInterrupted, "interrupted: the server was stopped");
    }
    impl_->queue.clear();
    for (const auto& [id, job] : impl_->jobs) running.push_back(job->stop);
    impl_->work_changed.notify_all();
    impl_->ended.notify_all();
  }
  for (std::stop_source& stop : running) stop.request_stop();
  for (std::jthread& worker : impl_->workers) {
    if (worker.joinable()) worker.join();
  }
}

}  // namespace milvus_backup::service
