/// The work of the jobs that the migration API starts.
#pragma once

#include "milvus_backup/config/config.h"
#include "milvus_backup/service/job_runner.h"

#include <string>
#include <vector>

namespace milvus_backup::service {

struct MigrationPlan {
  /// What it works on, for people.
  std::string subject;
  /// See JobRequest.
  std::string place;
  /// See JobRequest; empty where nothing can be done.
  std::string request{};
  JobWork work;
};

/// What `dump`, `load` and `start` do with the configuration as it is now. One that cannot be used
/// makes a plan whose work is that error: so it is known of the job.
MigrationPlan PlanDumpJob(const config::LoadOptions& config,
                          const std::vector<std::string>& collections);
MigrationPlan PlanLoadJob(const config::LoadOptions& config,
                          const std::vector<std::string>& collections);
/// With workMode milvus2x, an item for each collection; a source that changed meanwhile is an
/// error, for something may be missing.
MigrationPlan PlanStartJob(const config::LoadOptions& config);

}  // namespace milvus_backup::service
