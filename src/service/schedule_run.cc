#include "schedule_run.h"

#include "backup_jobs.h"
#include "hook.h"

#include "milvus_backup/backup/verify.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/service/copy_run.h"
#include "milvus_backup/service/services.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

namespace milvus_backup::service {
namespace {

using nlohmann::ordered_json;
using std::chrono::sys_seconds;
using Outcome = RunStep::Outcome;

constexpr std::chrono::seconds kLongestDelay = std::chrono::hours(1);
/// What messages call the storage that backups are taken into.
constexpr char kOwnStorage[] = "backup";

/// Whether the same once more may come to another end.
bool MayHelp(const Status& status) {
  switch (status.code()) {
    case Code::kCancelled:
    case Code::kInvalidArgument:
    case Code::kUnimplemented:
    case Code::kDataLoss:
      return false;
    default:
      return status.origin() != Origin::kConfig;
  }
}

std::string_view NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSucceeded:
      return "succeeded";
    case Outcome::kFailed:
      return "failed";
    case Outcome::kSkipped:
      return "skipped";
  }
  return "";
}

class ScheduleRun {
 public:
  ScheduleRun(JobContext& job, const config::Config& config, const Schedule& schedule,
              sys_seconds scheduled, Clock& clock)
      : job_(job), config_(config), schedule_(schedule), clock_(clock) {
    report_.schedule = schedule.settings.name;
    report_.scheduled = scheduled;
    report_.backup = backup::ScheduledName(schedule.settings.name, scheduled);
  }

  RunReport Do() {
    report_.started = Now();
    Work();
    report_.ended = Now();
    report_.status = Sum();
    if (IsStopped()) {
      report_.status = CancelledError();
      return std::move(report_);
    }
    if (report_.status.ok()) Hook("after", schedule_.settings.after);
    report_.status = Sum();
    if (!report_.status.ok()) Hook("failure", schedule_.settings.failure);
    report_.status = Sum();
    return std::move(report_);
  }

 private:
  void Work() {
    Hook("before", schedule_.settings.before);
    const bool may_begin = report_.steps.empty() || report_.steps.back().status.ok();
    if (!may_begin) return Skip("create", "before has failed");
    if (!Step("create", [this] { return Create(); })) return;
    report_.created = true;
    std::vector<std::string> places = {kOwnStorage};
    for (const std::string& storage : schedule_.settings.copy_to) {
      if (Step("copy " + storage, [&] { return Copy(storage); })) places.push_back(storage);
    }
    for (const std::string& storage : places) {
      if (!Verify(storage)) {
        if (schedule_.prune) Skip("retention " + storage, "the new backup is not proved whole");
        continue;
      }
      if (schedule_.prune) Step("retention " + storage, [&] { return Prune(storage); });
    }
  }

  bool Verify(const std::string& storage) {
    if (schedule_.settings.verify == config::VerifyDepth::kNone) return !IsStopped();
    return Step("verify " + storage, [&] { return VerifyIn(storage); });
  }

  /// Take a step, and again while that may help; whether it succeeded in the end.
  bool Step(const std::string& name, const std::function<Status()>& take) {
    if (IsStopped()) return false;
    job_.SetItem(name, JobState::kRunning);
    const auto start = clock_.Now();
    RunStep step{.name = name, .status = Repeat(name, take)};
    step.seconds = std::chrono::duration<double>(clock_.Now() - start).count();
    step.outcome = step.status.ok() ? Outcome::kSucceeded : Outcome::kFailed;
    const bool succeeded = step.status.ok();
    // A step that was stopped is neither: the job says what it is.
    if (succeeded || !IsStopped()) {
      job_.SetItem(name, succeeded ? JobState::kSucceeded : JobState::kFailed);
    }
    report_.steps.push_back(std::move(step));
    return succeeded;
  }

  void Skip(const std::string& name, const std::string& why) {
    if (IsStopped()) return;
    report_.steps.push_back(
        {.name = name, .outcome = Outcome::kSkipped, .status = FailedPreconditionError(why)});
  }

  Status Repeat(const std::string& name, const std::function<Status()>& take) {
    std::chrono::seconds delay = schedule_.settings.retry_delay;
    for (int attempt = 0;; ++attempt) {
      Status status = take();
      if (status.ok() || IsStopped() || !MayHelp(status)) return status;
      if (attempt >= schedule_.settings.retries) return status;
      log::Warn("backup={} step=\"{}\" failed and is tried again in {} s: {}", report_.backup, name,
                delay.count(), status.ToString());
      if (!clock_.SleepFor(delay, job_.call().stop)) return CancelledError();
      delay = std::min(2 * delay, kLongestDelay);
    }
  }

  void Hook(const std::string& name, const config::HookSettings& hook) {
    if (!hook.is_set() || IsStopped()) return;
    report_.ended = Now();
    const std::string description = EncodeRun(report_, name);
    // A hook is not repeated: only who wrote it knows what a second time does.
    job_.SetItem(name, JobState::kRunning);
    const auto start = clock_.Now();
    RunStep step{.name = name, .status = RunHook(job_.call(), hook, description)};
    step.seconds = std::chrono::duration<double>(clock_.Now() - start).count();
    if (!step.status.ok()) step.outcome = Outcome::kFailed;
    job_.SetItem(name, step.status.ok() ? JobState::kSucceeded : JobState::kFailed);
    report_.steps.push_back(std::move(step));
  }

  /// Whether the backup is there and finished, as after a run that ended while it was copied.
  Result<bool> IsFinished() {
    backup::Place place;
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<storage::Backend> backend,
                        OpenPlace(config_.backup_storage, place));
    MB_ASSIGN_OR_RETURN(const std::string directory, meta::BackupDir(place.root, report_.backup));
    const auto header = meta::ReadHeader(job_.call(), *backend, directory);
    const Code code = header.status().code();
    if (code == Code::kNotFound || code == Code::kDataLoss) return false;
    MB_RETURN_IF_ERROR(header.status());
    if (header->partial) return false;
    const auto marker = backend->Stat(job_.call(), meta::MarkerKey(directory));
    if (marker.status().code() == Code::kNotFound) return true;
    MB_RETURN_IF_ERROR(marker.status());
    return false;
  }

  Status Create() {
    MB_ASSIGN_OR_RETURN(const bool is_finished, IsFinished());
    if (is_finished) return Status::Ok();
    backup::CreateOptions options = schedule_.create;
    options.name = report_.backup;
    return CreateWork(config_, options)(job_);
  }

  Result<config::StorageSettings> SettingsOf(const std::string& storage) const {
    if (storage == kOwnStorage) return config_.backup_storage;
    return config::FindStorage(config_, storage);
  }

  Status Copy(const std::string& storage) {
    const CopyChoices choices{.name = report_.backup, .to = storage};
    MB_ASSIGN_OR_RETURN(CopySides sides, OpenCopySides(config_, choices));
    MB_RETURN_IF_ERROR(SettleCopySides(sides, choices));
    MB_ASSIGN_OR_RETURN(const backup::CopyAllReport report,
                        RunCopy(job_.call(), config_, sides, choices, job_.progress()));
    return FirstFailure(report.total);
  }

  Status VerifyIn(const std::string& storage) {
    MB_ASSIGN_OR_RETURN(const config::StorageSettings settings, SettingsOf(storage));
    backup::Place place;
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<storage::Backend> backend,
                        OpenPlace(settings, place));
    std::string first;
    backup::VerifyOptions options{.name = report_.backup,
                                  .deep = schedule_.settings.verify == config::VerifyDepth::kDeep};
    options.on_problem = [&](const backup::VerifyProblem& problem) {
      std::string text =
          fmt::format("{}: expected {}, found {}", problem.key, problem.expected, problem.found);
      log::Error("backup={} storage={} {}", report_.backup, storage, text);
      if (first.empty()) first = std::move(text);
    };
    MB_ASSIGN_OR_RETURN(const backup::VerifyReport report,
                        backup::VerifyBackup(job_.call(), place, options));
    if (report.problems == 0) return Status::Ok();
    return DataLossError(
        fmt::format("the backup is damaged, {} problems, among them {}", report.problems, first));
  }

  Status Prune(const std::string& storage) {
    MB_ASSIGN_OR_RETURN(const config::StorageSettings settings, SettingsOf(storage));
    backup::Place place;
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<storage::Backend> backend,
                        OpenPlace(settings, place));
    MB_ASSIGN_OR_RETURN(const backup::PruneReport report,
                        backup::Prune(job_.call(), place, *schedule_.prune, clock_));
    for (const std::string& warning : report.warnings) {
      log::Warn("storage={} {}", storage, warning);
    }
    Status failure;
    for (const backup::PrunedBackup& backup : report.backups) {
      if (backup.outcome == backup::PruneOutcome::kKept) continue;
      log::Info("storage={} backup={} {}: {}", storage, backup.name, NameOf(backup.outcome),
                fmt::join(backup.reasons, ", "));
      if (backup.outcome == backup::PruneOutcome::kFailed && failure.ok()) {
        failure = backup.status.Annotate(backup.name);
      }
    }
    return failure;
  }

  /// The first failure, with the others in its text.
  Status Sum() const {
    Status sum;
    std::string others;
    for (const RunStep& step : report_.steps) {
      if (step.outcome != Outcome::kFailed) continue;
      if (sum.ok()) {
        sum = step.status.Annotate(step.name);
      } else {
        others += fmt::format("; {}: {}", step.name, step.status.ToString());
      }
    }
    if (others.empty()) return sum;
    return Status(sum.code(), sum.ToString() + others).WithOrigin(sum.origin());
  }

  bool IsStopped() const { return job_.call().stop.stop_requested(); }
  sys_seconds Now() const { return std::chrono::floor<std::chrono::seconds>(clock_.WallNow()); }

  JobContext& job_;
  const config::Config& config_;
  const Schedule& schedule_;
  Clock& clock_;
  RunReport report_;
};

}  // namespace

RunReport RunSchedule(JobContext& job, const config::Config& config, const Schedule& schedule,
                      sys_seconds scheduled, Clock& clock) {
  return ScheduleRun(job, config, schedule, scheduled, clock).Do();
}

std::string EncodeRun(const RunReport& report, std::string_view event) {
  ordered_json document = ordered_json::object();
  if (!event.empty()) document["event"] = event;
  document["schedule"] = report.schedule;
  document["backup"] = report.backup;
  document["scheduled"] = FormatIso8601(report.scheduled);
  document["started"] = FormatIso8601(report.started);
  document["ended"] = FormatIso8601(report.ended);
  document["status"] = report.status.ok() ? "ok" : "failed";
  document["created"] = report.created;
  document["error"] = report.status.ok() ? "" : report.status.ToString();
  ordered_json steps = ordered_json::array();
  for (const RunStep& step : report.steps) {
    steps.push_back({{"name", step.name},
                     {"outcome", NameOf(step.outcome)},
                     {"seconds", step.seconds},
                     {"error", step.status.ok() ? "" : step.status.ToString()}});
  }
  document["steps"] = std::move(steps);
  // Texts of errors may hold what a server sent, valid UTF-8 or not.
  return document.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace milvus_backup::service
