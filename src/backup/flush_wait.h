/// Waiting for a flush.
#pragma once

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <algorithm>
#include <chrono>

namespace milvus_backup::backup {

/// Call `ask` (a Result<bool>) until it answers true, at growing intervals up to 100 ms: a flush of
/// little data is done within some ms.
template <typename Ask>
Status WaitUntilFlushed(const CallContext& ctx, const Ask& ask) {
  constexpr std::chrono::milliseconds kFirst{5};
  constexpr std::chrono::milliseconds kLongest{100};
  for (auto pause = kFirst;; pause = std::min(pause * 2, kLongest)) {
    MB_ASSIGN_OR_RETURN(const bool is_flushed, ask());
    if (is_flushed) return Status::Ok();
    if (!Clock::Real().SleepFor(pause, ctx.stop)) return CancelledError();
  }
}

}  // namespace milvus_backup::backup
