/// What Prometheus reads of this program: the answer to `GET /metrics` of a server, and a file per
/// command for the textfile collector of node_exporter. docs/metrics.md names every series.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/service/job_runner.h"
#include "milvus_backup/storage/metrics_backend.h"
#include "milvus_backup/transfer/progress.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace milvus_backup::service {

/// Requests to storages. Thread-safe.
struct StorageCounts {
  /// As their callers see them.
  std::shared_ptr<storage::StorageMetrics> calls = std::make_shared<storage::StorageMetrics>();
  /// With every repetition.
  std::shared_ptr<storage::StorageMetrics> tries = std::make_shared<storage::StorageMetrics>();
};

/// Those to every storage that OpenPlace and OpenBucket opened since the process began. Of the
/// process, as its memory is: what is read from outside tells nothing smaller apart.
const StorageCounts& ProcessStorageCounts();

/// A command that has ended.
struct RunFacts {
  std::string command;
  int exit_status = 0;
  std::chrono::system_clock::time_point started;
  std::chrono::system_clock::time_point ended;
  uint64_t objects = 0;
  uint64_t bytes = 0;
};

/// Write `directory/milvus_backup_<command>.prom`, in whose stead readers see the file before until
/// it is complete. The time of the last success is that of `run`, or what the file before says.
/// kFailedPrecondition with Origin::kConfig for a directory that is not there or cannot be written.
Status WriteRunMetrics(const std::string& directory, const RunFacts& run,
                       const StorageCounts& storage = ProcessStorageCounts());

/// Write `directory/milvus_backup_schedule_<schedule>.prom`: when a run of it last succeeded.
/// Errors as above.
Status WriteScheduleMetrics(const std::string& directory, const std::string& schedule,
                            std::chrono::sys_seconds last_success);

/// Every series of a server, in version 0.0.4 of the text format. `schedules` is what
/// LastSuccesses says.
std::string ServerMetrics(const JobRunner& jobs,
                          const StorageCounts& storage = ProcessStorageCounts(),
                          const std::map<std::string, std::chrono::sys_seconds>& schedules = {});

}  // namespace milvus_backup::service
