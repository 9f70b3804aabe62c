/// The work of the tasks that the backup API starts.
#pragma once

#include "milvus_backup/backup/create.h"
#include "milvus_backup/backup/prune.h"
#include "milvus_backup/backup/restore.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/service/copy_run.h"
#include "milvus_backup/service/job_runner.h"
#include "milvus_backup/service/verify_run.h"

#include <memory>
#include <string>

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

/// Copy, with an item per backup as soon as that is done. `result`, shared with who waits for the
/// job, gets what `copy --json` prints; null when nobody does. An error when something was not
/// copied.
JobWork CopyWork(const config::Config& config, const CopyChoices& choices,
                 std::shared_ptr<std::string> result);

/// Verify backups of the backup storage of `config`, an item and a part each; what is wrong with
/// them is among the warnings, without values of rows. `result` as above, of `verify --json`. An
/// error when a backup is damaged or could not be checked; it names the first of them.
JobWork VerifyWork(const config::Config& config, const VerifyChoices& choices,
                   std::shared_ptr<std::string> result);

}  // namespace milvus_backup::service
