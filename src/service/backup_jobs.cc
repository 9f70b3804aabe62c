#include "backup_jobs.h"

#include "milvus_backup/service/services.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>
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

}  // namespace

JobWork CreateWork(const config::Config& config, const backup::CreateOptions& options) {
  return [config, options](JobContext& job) { return RunCreate(job, config, options); };
}

JobWork RestoreWork(const config::Config& config, const backup::RestoreOptions& options) {
  return [config, options](JobContext& job) { return RunRestore(job, config, options); };
}

}  // namespace milvus_backup::service
