/// One run of a schedule: the backup, its copies, the proof of all of them, and what goes for it.
#pragma once

#include "milvus_backup/base/clock.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/service/job_runner.h"
#include "milvus_backup/service/schedules.h"

#include <chrono>

namespace milvus_backup::service {

/// Take the steps of the run whose time is `scheduled`, each an item of `job`. What an earlier run
/// of the same time has done is not done again. A step that fails is tried again as the schedule
/// says, and then fails the run:
///   - `before` or `create`: no other step is taken; a partial backup counts as failed;
///   - a copy: the other copies go on; the storage is neither verified nor pruned;
///   - a verification: that storage is not pruned.
/// Then the hook `after` is run, or `failure`. A run that is stopped takes no step any more and
/// runs no hook.
RunReport RunSchedule(JobContext& job, const config::Config& config, const Schedule& schedule,
                      std::chrono::sys_seconds scheduled, Clock& clock);

}  // namespace milvus_backup::service
