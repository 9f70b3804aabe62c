/// What every blocking call of ours carries: a stop token and a deadline. Copyable, thread-safe.
#pragma once

#include "milvus_backup/base/status.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>

namespace milvus_backup {

struct CallContext;

/// What the maker of a call is asked and told while it is under way, so that limits hold for
/// retries as well. Thread-safe.
class CallPacer {
 public:
  CallPacer() = default;
  CallPacer(const CallPacer&) = delete;
  CallPacer& operator=(const CallPacer&) = delete;
  virtual ~CallPacer() = default;

  /// Whether BeforeBytes may wait; where not, it need not be asked.
  virtual bool limits_bytes() const = 0;
  /// Wait until one more request may be sent. An error ends the call.
  virtual Status BeforeRequest(const CallContext& ctx) = 0;
  /// Wait until `bytes` of a request's body may be sent. An error ends the call.
  virtual Status BeforeBytes(const CallContext& ctx, uint64_t bytes) = 0;
  /// The service has asked for fewer calls; the call will be repeated later.
  virtual void OnThrottled() = 0;
};

struct CallContext {
  std::stop_token stop;
  /// Absolute; none means the call may take as long as it makes progress.
  std::optional<std::chrono::steady_clock::time_point> deadline;
  /// May be null; must outlive the call.
  CallPacer* pacer = nullptr;

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
