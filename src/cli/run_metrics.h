/// The file of metrics that a command leaves (docs/metrics.md): which runs are told of, and when.
#pragma once

#include "milvus_backup/service/metrics.h"
#include "milvus_backup/storage/metrics_backend.h"

#include <string>

namespace CLI {
class App;
}

namespace milvus_backup::cli {

/// The name that `command`, which was parsed, has in metrics. Empty when a run of it leaves none: a
/// dry run is no run, and neither is one of those words of a command that only show something or
/// serve until they are stopped.
std::string NameInMetrics(const CLI::App& command);

/// Whether a run that ended with `exit_status` did anything: not when it was refused for its flags
/// or configuration, or stopped, before a storage answered. Some refusals come in the midst of
/// work.
bool HasDoneAnything(int exit_status, const storage::MethodCounts& requests);

/// Write the file of a run in `directory`, unless the run did nothing or one of both has no name.
/// What the command did stays done: a file that cannot be written is a warning in the log.
void LeaveMetrics(const std::string& directory, const service::RunFacts& run);

}  // namespace milvus_backup::cli
