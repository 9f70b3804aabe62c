#include "milvus_backup/service/schedules.h"

#include "cron.h"
#include "schedule_metrics.h"
#include "schedule_run.h"
#include "schedule_store.h"
#include "scheduler.h"
#include "time_zone.h"

#include "milvus_backup/backup/selection.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/service/job_runner.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

namespace milvus_backup::service {
namespace {

using std::chrono::sys_seconds;

/// `status` as an error of the configuration that names the key.
Status OfKey(const config::ScheduleSettings& settings, std::string_view key, const Status& status) {
  return Status(status).WithOrigin(Origin::kConfig).Annotate(settings.KeyOf(key));
}

Result<std::optional<backup::PruneRequest>> MakePrune(const config::ScheduleSettings& settings) {
  const config::RetentionSettings& keep = settings.retention;
  backup::PruneRequest request{.rules = {.keep_last = keep.keep_last,
                                         .keep_hourly = keep.keep_hourly,
                                         .keep_daily = keep.keep_daily,
                                         .keep_weekly = keep.keep_weekly,
                                         .keep_monthly = keep.keep_monthly,
                                         .keep_yearly = keep.keep_yearly,
                                         .keep_tags = keep.keep_tags},
                               .schedule = settings.name};
  if (!keep.keep_within.empty()) {
    const auto within = backup::ParseKeepWithin(keep.keep_within);
    if (!within.ok()) return OfKey(settings, "retention.keepWithin", within.status());
    request.rules.keep_within = *within;
  }
  if (!keep.grace.empty()) {
    const auto grace = backup::ParseGrace(keep.grace);
    if (!grace.ok()) return OfKey(settings, "retention.grace", grace.status());
    request.grace = *grace;
  }
  if (const Status status = request.rules.Validate(); !status.ok()) {
    return OfKey(settings, "retention", status);
  }
  if (!request.rules.empty()) return std::optional(std::move(request));
  if (keep.grace.empty()) return std::optional<backup::PruneRequest>();
  return OfKey(settings, "retention.grace",
               InvalidArgumentError("there is no rule that anything would be kept by")
                   .WithAdvice("add one such as keepLast: 7, or remove grace"));
}

std::string LowerName(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

/// A run without a task: its parts are told to a function.
class ForegroundJob final : public JobContext {
 public:
  using OnStep = std::function<void(const std::string& step, JobState state)>;

  ForegroundJob(const CallContext& ctx, OnStep on_step) : ctx_(ctx), on_step_(std::move(on_step)) {}

  const CallContext& call() const override { return ctx_; }
  transfer::Progress& progress() override { return progress_; }
  void SetItem(const std::string& name, JobState state) override {
    if (on_step_) on_step_(name, state);
  }
  void Warn(const std::string& warning) override { log::Warn("{}", warning); }

 private:
  const CallContext ctx_;
  const OnStep on_step_;
  transfer::Progress progress_;
};

/// What to run now, written down in the schedule's state.
Result<sys_seconds> BeginNow(ScheduleClaim& claim, sys_seconds now) {
  ScheduleState state = claim.state();
  if (state.unfinished) return *state.unfinished;
  // A scheduler that comes later has missed nothing before.
  if (state.handled == sys_seconds{}) state.handled = now;
  // Two runs of one second would be one backup.
  if (state.last && state.last->scheduled >= now)
    now = state.last->scheduled + std::chrono::seconds(1);
  state.unfinished = now;
  MB_RETURN_IF_ERROR(claim.Save(state));
  return now;
}

Status EndNow(const config::Config& config, ScheduleClaim& claim, const RunReport& report) {
  if (report.status.code() == Code::kCancelled) return Status::Ok();
  ScheduleState state = claim.state();
  state.End({.backup = report.backup,
             .scheduled = report.scheduled,
             .ended = report.ended,
             .succeeded = report.status.ok(),
             .error = report.status.ok() ? "" : report.status.ToString()});
  MB_RETURN_IF_ERROR(claim.Save(state));
  LeaveScheduleMetrics(config, report.schedule, state);
  return Status::Ok();
}

/// Pages are asked for every few seconds: what is wrong is logged when its text changes. An empty
/// one says that nothing is wrong any more.
void WarnOnChange(const std::string& about, const std::string& text) {
  static std::mutex mutex;
  static std::map<std::string, std::string> told;
  {
    const std::scoped_lock lock(mutex);
    if (std::exchange(told[about], text) == text) return;
  }
  if (!text.empty()) log::Warn("when {} last succeeded is not known: {}", about, text);
}

}  // namespace

Result<Schedule> MakeSchedule(const config::ScheduleSettings& settings) {
  Schedule schedule{.settings = settings};
  const auto zone = TimeZone::Find(settings.time_zone);
  if (!zone.ok()) return OfKey(settings, "timeZone", zone.status());
  auto cron = Cron::Parse(settings.cron, *zone);
  if (!cron.ok()) return OfKey(settings, "cron", cron.status());
  schedule.next = [times = *std::move(cron)](sys_seconds after) { return times.Next(after); };
  auto selection = backup::Selection::ParseFilter(settings.filter);
  if (!selection.ok()) return OfKey(settings, "filter", selection.status());
  schedule.create.selection = *std::move(selection);
  const auto strategy = backup::ParseStrategy(settings.strategy);
  if (!strategy.ok()) return OfKey(settings, "strategy", strategy.status());
  schedule.create.strategy = *strategy;
  schedule.create.rbac = settings.rbac;
  MB_ASSIGN_OR_RETURN(schedule.prune, MakePrune(settings));
  return schedule;
}

Result<std::vector<Schedule>> MakeSchedules(const config::Config& config) {
  std::vector<Schedule> schedules;
  for (const config::ScheduleSettings& settings : config.schedules) {
    MB_ASSIGN_OR_RETURN(Schedule schedule, MakeSchedule(settings));
    schedules.push_back(std::move(schedule));
  }
  return schedules;
}

Result<Schedule> FindSchedule(const config::Config& config, std::string_view name) {
  std::vector<std::string> known;
  for (const config::ScheduleSettings& settings : config.schedules) {
    if (LowerName(settings.name) == LowerName(name)) return MakeSchedule(settings);
    known.push_back(settings.name);
  }
  return InvalidArgumentError(fmt::format("no schedule is called '{}'", name))
      .WithAdvice(known.empty() ? fmt::format("there is none below schedules: in {}", config.path)
                                : fmt::format("known: {}", fmt::join(known, ", ")));
}

Result<std::vector<ScheduleView>> ListSchedules(const config::Config& config, sys_seconds now,
                                                size_t count) {
  MB_ASSIGN_OR_RETURN(const std::vector<Schedule> schedules, MakeSchedules(config));
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<ScheduleStore> store,
                      ScheduleStore::Open(config.server.state_dir, false));
  std::vector<ScheduleView> views;
  for (const Schedule& schedule : schedules) {
    const config::ScheduleSettings& settings = schedule.settings;
    ScheduleView view{
        .name = settings.name, .cron = settings.cron, .time_zone = settings.time_zone};
    for (auto time = schedule.next(now); time && view.next.size() < count;
         time = schedule.next(*time)) {
      view.next.push_back(*time);
    }
    const auto found = store->Read(settings.name);
    const Code code = found.status().code();
    if (code == Code::kDataLoss) {
      view.problem = found.status().message() + "; the next run begins it anew";
    } else if (code == Code::kFailedPrecondition) {
      view.problem = found.status().ToString();
    } else if (!found.ok()) {
      return found.status();
    } else if (const std::optional<ScheduleState>& state = *found) {
      if (state->unfinished) {
        view.unfinished = backup::ScheduledName(settings.name, *state->unfinished);
      }
      view.last = state->last;
    }
    views.push_back(std::move(view));
  }
  return views;
}

std::map<std::string, sys_seconds> LastSuccesses(const config::Config& config) {
  std::map<std::string, sys_seconds> times;
  if (config.schedules.empty()) return times;
  const auto store = ScheduleStore::Open(config.server.state_dir, false);
  WarnOnChange("schedules", store.ok() ? "" : store.status().ToString());
  if (!store.ok()) return times;
  for (const config::ScheduleSettings& settings : config.schedules) {
    const auto state = (*store)->Read(settings.name);
    WarnOnChange("schedule " + settings.name, state.ok() ? "" : state.status().ToString());
    if (state.ok() && state->has_value() && (*state)->last_success) {
      times.emplace(settings.name, *(*state)->last_success);
    }
  }
  return times;
}

Result<RunReport> RunScheduleNow(
    const CallContext& ctx, const config::Config& config, std::string_view name,
    const std::function<void(const std::string& step, JobState state)>& on_step, Clock& clock) {
  MB_ASSIGN_OR_RETURN(const Schedule schedule, FindSchedule(config, name));
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<ScheduleStore> store,
                      ScheduleStore::Open(config.server.state_dir, true));
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<ScheduleClaim> claim,
                      store->Claim(schedule.settings.name));
  MB_ASSIGN_OR_RETURN(const sys_seconds scheduled,
                      BeginNow(*claim, std::chrono::floor<std::chrono::seconds>(clock.WallNow())));
  ForegroundJob job(ctx, on_step);
  RunReport report = RunSchedule(job, config, schedule, scheduled, clock);
  // The next run would go on with this one, and find everything done.
  if (const Status ended = EndNow(config, *claim, report); !ended.ok()) {
    log::Error("{}", ended.ToString());
    if (report.status.ok()) report.status = ended;
  }
  return report;
}

Status ServeSchedules(const CallContext& ctx, const config::Config& config,
                      const std::function<void()>& on_started) {
  MB_ASSIGN_OR_RETURN(std::vector<Schedule> schedules, MakeSchedules(config));
  if (schedules.empty()) {
    return FailedPreconditionError(fmt::format("{} has no schedules", config.path))
        .WithOrigin(Origin::kConfig)
        .WithAdvice("add them below schedules:; docs/configuration.md shows how");
  }
  MB_ASSIGN_OR_RETURN(
      const std::unique_ptr<JobRunner> jobs,
      JobRunner::Create({.directory = config.server.state_dir,
                         .max_running = static_cast<size_t>(config.server.max_jobs)}));
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<Scheduler> scheduler,
                      StartScheduler(config, std::move(schedules), *jobs));
  on_started();
  std::mutex mutex;
  std::condition_variable_any never;
  {
    std::unique_lock lock(mutex);
    never.wait(lock, ctx.stop, [] { return false; });
  }
  log::Info("stopping: runs that are under way are stopped, and can be gone on with");
  scheduler->Stop();
  jobs->Stop();
  return Status::Ok();
}

}  // namespace milvus_backup::service
