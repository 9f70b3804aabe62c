#include "schedule_metrics.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/service/metrics.h"

namespace milvus_backup::service {

void LeaveScheduleMetrics(const config::Config& config, const std::string& schedule,
                          const ScheduleState& state) {
  if (config.metrics_directory.empty() || !state.last_success) return;
  const Status written =
      WriteScheduleMetrics(config.metrics_directory, schedule, *state.last_success);
  if (!written.ok()) log::Warn("{}", written.ToString());
}

}  // namespace milvus_backup::service
