/// What every blocking call of ours carries: a stop token and a deadline. Copyable, thread-safe.
#pragma once

#include "milvus_backup/base/status.h"

#include <chrono>
#include <optional>
#include <stop_token>

namespace milvus_backup {

struct CallContext {
  std::stop_token stop;
  /// Absolute; none means the call may take as long as it makes progress.
  std::optional<std::chrono::steady_clock::time_point> deadline;

  /// kCancelled when a stop was requested, kDeadlineExceeded when the deadline has passed, else OK.
  Status Check() const {
    if (stop.stop_requested()) return CancelledError();
    if (deadline && std::chrono::steady_clock::now() >= *deadline) {
      return {Code::kDeadlineExceeded, "the deadline has passed"};
    }
    return Status::Ok();
  }
};

}  // namespace milvus_backup
