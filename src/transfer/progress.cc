#include "milvus_backup/transfer/progress.h"

#include <utility>

namespace milvus_backup::transfer {

void Progress::SetPhase(std::string phase) {
  const std::scoped_lock lock(mutex_);
  phase_ = std::move(phase);
}

std::string Progress::phase() const {
  const std::scoped_lock lock(mutex_);
  return phase_;
}

}  // namespace milvus_backup::transfer
