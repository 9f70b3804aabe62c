/// The work of the tasks that the backup API starts.
#pragma once

#include "milvus_backup/backup/create.h"
#include "milvus_backup/backup/prune.h"
#include "milvus_backup/backup/restore.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/service/job_runner.h"

#include <memory>

namespace milvus_backup::service {

/// Take the backup. A partial one is an error that names what it lacks: only what can be restored
/// as it was asked for is a success.
JobWork CreateWork(const config::Config& config, const backup::CreateOptions& options);

/// Restore, with an item per collection.
JobWork RestoreWork(const config::Config& config, const backup::RestoreOptions& options);

/// Prune the backup storage of `config`, with an item per backup that does not stay as it is.
/// `report`, shared with who waits for the job, gets the result. `clock` must outlive the job. An
/// error when one of the backups failed.
JobWork PruneWork(const config::Config& config, const backup::PruneRequest& request, Clock& clock,
                  std::shared_ptr<backup::PruneReport> report);

}  // namespace milvus_backup::service
