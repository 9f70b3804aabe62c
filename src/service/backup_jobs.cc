#include "backup_jobs.h"

#include "milvus_backup/service/services.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::service {
namespace {

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
    job.SetItem(fmt::format("{} {}", backup::NameOf(one.outcome), one.name),
                is_failed ? JobState::kFailed : JobState::kSucceeded);
  }
  if (failed.empty()) return Status::Ok();
  return FailedPreconditionError(fmt::format("{}", fmt::join(failed, "; ")));
}

}  // namespace

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
