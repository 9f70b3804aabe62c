#include "backup_jobs.h"

#include "milvus_backup/service/prune_view.h"
#include "milvus_backup/service/services.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::service {
namespace {

/// Backups that an error names, and objects that warnings do.
constexpr size_t kMostNamed = 10;

Status CheckWhole(const backup::CreateReport& report) {
  if (!report.partial()) return Status::Ok();
  std::vector<std::string> missing;
  for (const backup::CollectionReport& collection : report.per_collection) {
    if (!collection.status.ok()) missing.push_back(collection.status.ToString());
  }
  return FailedPreconditionError(fmt::format("the backup is partial: {}", fmt::join(missing, ", ")))
      .WithAdvice("send the request again to take up what it lacks");
}

Status RunCreate(JobContext& job, const config::Config& config,
                 const backup::CreateOptions& options) {
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<Services> services,
                      Services::Create(job.call(), config, Services::Needs::kEverything));
  backup::Site& site = services->site();
  site.progress = &job.progress();
  MB_ASSIGN_OR_RETURN(const backup::CreateReport report,
                      backup::CreateBackup(job.call(), site, options));
  return CheckWhole(report);
}

JobState StateOf(backup::RestorePhase phase) {
  switch (phase) {
    case backup::RestorePhase::kPlanned:
      return JobState::kQueued;
    case backup::RestorePhase::kStarted:
      return JobState::kRunning;
    case backup::RestorePhase::kDone:
      return JobState::kSucceeded;
    case backup::RestorePhase::kFailed:
      return JobState::kFailed;
  }
  return JobState::kFailed;
}

Status RunRestore(JobContext& job, const config::Config& config, backup::RestoreOptions options) {
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<Services> services,
                      Services::Create(job.call(), config, Services::Needs::kEverything));
  backup::Site& site = services->site();
  site.progress = &job.progress();
  site.parallel_collections = static_cast<size_t>(config.parallelism.restore_collection);
  options.observer = [&job](const backup::CollectionName& target, backup::RestorePhase phase) {
    job.SetItem(target.ToString(), StateOf(phase));
  };
  return backup::RestoreBackup(job.call(), site, options).status();
}

Status RunPrune(JobContext& job, const config::Config& config, const backup::PruneRequest& request,
                Clock& clock, backup::PruneReport& report) {
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<Services> services,
                      Services::Create(job.call(), config, Services::Needs::kBackupStorage));
  MB_ASSIGN_OR_RETURN(report,
                      backup::Prune(job.call(), services->site().backup_storage, request, clock));
  for (const std::string& warning : report.warnings) job.Warn(warning);
  std::vector<std::string> failed;
  for (const backup::PrunedBackup& one : report.backups) {
    if (one.outcome == backup::PruneOutcome::kKept) continue;
    const bool is_failed = one.outcome == backup::PruneOutcome::kFailed;
    if (is_failed) failed.push_back(one.status.Annotate(one.name).ToString());
    job.SetItem(fmt::format("{} {}", OutcomeText(one, request.dry_run), one.name),
                is_failed ? JobState::kFailed : JobState::kSucceeded);
  }
  if (failed.empty()) return Status::Ok();
  return FailedPreconditionError(fmt::format("{}", fmt::join(failed, "; ")));
}

/// What failed, as far as it is named.
void WarnOfFailures(JobContext& job, const backup::CopyReport& report, const std::string& own) {
  for (size_t i = 0; i < std::min(kMostNamed, report.failures.size()); ++i) {
    const backup::FailedObject& failure = report.failures[i];
    job.Warn(failure.status.Annotate(failure.key).ToString());
  }
  for (const backup::CopiedBackup& one : report.backups) {
    if (one.status.ok()) continue;
    job.Warn(one.status.Annotate(one.dir.empty() ? own : one.dir).ToString());
  }
}

Status RunCopyJob(JobContext& job, const config::Config& config, const CopyChoices& choices,
                  std::string* result) {
  MB_ASSIGN_OR_RETURN(CopySides sides, OpenCopySides(config, choices));
  MB_RETURN_IF_ERROR(SettleCopySides(sides, choices));
  MB_ASSIGN_OR_RETURN(
      const backup::CopyAllReport report,
      RunCopy(
          job.call(), config, sides, choices, job.progress(), [&](const backup::CopiedBackup& one) {
            job.SetItem(fmt::format("{} {}", OutcomeText(one.outcome, choices.dry_run), one.dir),
                        one.status.ok() ? JobState::kSucceeded : JobState::kFailed);
          }));
  if (result != nullptr) *result = EncodeCopyReport(report, choices, choices.copy_name());
  WarnOfFailures(job, report.total, choices.copy_name());
  for (const std::string& warning : report.total.warnings) job.Warn(warning);
  for (const backup::CopiedBackup& left : report.left_out) {
    job.Warn(fmt::format("{} is not copied: {}", left.dir, left.status.message()));
  }
  return FirstFailure(report.total);
}

/// What is wrong with the backups, in one error.
Status CheckVerified(const VerifyResult& result) {
  std::vector<std::string> wrong;
  size_t count = 0;
  for (const VerifiedBackup& backup : result.backups) {
    const std::string& name = backup.report.name;
    if (backup.status.ok() && backup.report.problems == 0) continue;
    if (++count > kMostNamed) continue;
    wrong.push_back(
        backup.status.ok()
            ? fmt::format("backup {} is damaged, {} problems, among them {}", name,
                          backup.report.problems, NoteText(backup.first_problem))
            : fmt::format("backup {} could not be checked: {}", name, backup.status.ToString()));
  }
  if (wrong.empty()) return Status::Ok();
  if (count > wrong.size()) wrong.push_back(fmt::format("and {} more", count - wrong.size()));
  std::string text = fmt::format("{}", fmt::join(wrong, "; "));
  return result.has_damage() ? DataLossError(std::move(text))
                             : FailedPreconditionError(std::move(text));
}

Status RunVerifyJob(JobContext& job, const config::Config& config, const VerifyChoices& choices,
                    std::string* result) {
  const auto warn = [&job](const std::string& warning) { job.Warn(warning); };
  const auto note = [&job](const backup::VerifyProblem& problem) { job.Warn(NoteText(problem)); };
  VerifyObserver observer{
      .on_begin = [&job](const std::string& name) { job.SetItem(name, JobState::kRunning); },
      .on_problem = note,
      .on_oddity = note,
      .on_warning = warn,
      .progress = &job.progress(),
      .wants_problems = result != nullptr};
  observer.on_end = [&job](const VerifiedBackup& backup) {
    const bool is_whole = backup.status.ok() && backup.report.problems == 0;
    job.SetItem(backup.report.name, is_whole ? JobState::kSucceeded : JobState::kFailed);
    for (const std::string& warning : backup.report.warnings) job.Warn(warning);
  };
  MB_ASSIGN_OR_RETURN(const VerifyResult verified,
                      RunVerify(job.call(), config, choices, observer));
  if (result != nullptr) *result = EncodeVerifyResult(verified);
  return CheckVerified(verified);
}

}  // namespace

JobWork CopyWork(const config::Config& config, const CopyChoices& choices,
                 std::shared_ptr<std::string> result) {
  return [config, choices, result = std::move(result)](JobContext& job) {
    return RunCopyJob(job, config, choices, result.get());
  };
}

JobWork VerifyWork(const config::Config& config, const VerifyChoices& choices,
                   std::shared_ptr<std::string> result) {
  return [config, choices, result = std::move(result)](JobContext& job) {
    return RunVerifyJob(job, config, choices, result.get());
  };
}

JobWork PruneWork(const config::Config& config, const backup::PruneRequest& request, Clock& clock,
                  std::shared_ptr<backup::PruneReport> report) {
  return [config, request, &clock, report = std::move(report)](JobContext& job) {
    return RunPrune(job, config, request, clock, *report);
  };
}

JobWork CreateWork(const config::Config& config, const backup::CreateOptions& options) {
  return [config, options](JobContext& job) { return RunCreate(job, config, options); };
}

JobWork RestoreWork(const config::Config& config, const backup::RestoreOptions& options) {
  return [config, options](JobContext& job) { return RunRestore(job, config, options); };
}

}  // namespace milvus_backup::service
