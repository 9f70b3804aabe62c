#include "milvus_backup/service/job_runner.h"

#include <algorithm>
#include <utility>

namespace milvus_backup::service {

int32_t PercentOf(const transfer::Progress& progress) {
  const std::pair<uint64_t, uint64_t> counters[] = {
      {progress.segments_done, progress.segments_planned},
      {progress.bytes_done, progress.bytes_planned},
      {progress.rows_done, progress.rows_planned},
      {progress.imports_done, progress.imports_planned},
  };
  double sum = 0;
  int known = 0;
  for (const auto& [done, planned] : counters) {
    if (planned == 0) continue;
    sum += std::min(1.0, static_cast<double>(done) / static_cast<double>(planned));
    ++known;
  }
  double share = known == 0 ? 0 : sum / known;
  // What is planned of collections that have not begun is not known yet.
  if (const uint64_t collections = progress.collections_planned; collections > 0) {
    const auto done = static_cast<double>(progress.collections_done.load());
    share = std::min(1.0, (done + share) / static_cast<double>(collections));
  }
  return static_cast<int32_t>(std::min(99.0, share * 100));
}

}  // namespace milvus_backup::service
