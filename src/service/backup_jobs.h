/// The work of the tasks that the backup API starts.
#pragma once

#include "milvus_backup/backup/create.h"
#include "milvus_backup/backup/restore.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/service/job_runner.h"

namespace milvus_backup::service {

/// Take the backup. A partial one is an error that names what it lacks: only what can be restored
/// as it was asked for is a success.
JobWork CreateWork(const config::Config& config, const backup::CreateOptions& options);

/// Restore, with an item per collection.
JobWork RestoreWork(const config::Config& config, const backup::RestoreOptions& options);

}  // namespace milvus_backup::service
