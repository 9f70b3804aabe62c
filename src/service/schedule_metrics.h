/// What the runs of schedules leave for Prometheus.
#pragma once

#include "schedule_store.h"

#include "milvus_backup/config/config.h"

#include <string>

namespace milvus_backup::service {

/// Where `metrics.textfileDir` is set and a run has succeeded, leave the file of the schedule. To
/// be called by whoever has the claim on it. What cannot be written is a warning in the log.
void LeaveScheduleMetrics(const config::Config& config, const std::string& schedule,
                          const ScheduleState& state);

}  // namespace milvus_backup::service
