/// Bounds on what runs at once and on bytes per second. Thread-safe.
#pragma once

#include "milvus_backup/base/clock.h"
#include "milvus_backup/storage/intercepting_backend.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

namespace milvus_backup::storage {

struct LimitOptions {
  /// Requests in flight; 0 means no bound.
  uint32_t max_requests = 0;
  /// Object bytes read and written together; 0 means no bound.
  uint64_t bytes_per_second = 0;
};

/// What backends of one endpoint share. A throttled reply halves the number of requests allowed (at
/// most once a second), a full round of successes widens it by one again.
class RequestLimiter {
 public:
  explicit RequestLimiter(LimitOptions options, Clock& clock = Clock::Real());
  RequestLimiter(const RequestLimiter&) = delete;
  RequestLimiter& operator=(const RequestLimiter&) = delete;
  ~RequestLimiter() = default;

  /// Wait for a free slot. kCancelled or kDeadlineExceeded when the context ends first.
  Status Enter(const CallContext& ctx);
  /// Give the slot back; `status` is how the request went.
  void Leave(const Status& status);
  /// Wait until `bytes` may pass. Errors as Enter.
  Status Pass(const CallContext& ctx, uint64_t bytes);

  /// For how long more bytes could have passed than did; 0 while bytes wait to be paid for.
  std::chrono::steady_clock::duration Unused() const;

  bool limits_bytes() const { return options_.bytes_per_second > 0; }
  uint32_t in_flight() const;
  /// Requests allowed now.
  uint32_t width() const;

 private:
  const LimitOptions options_;
  Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  uint32_t in_flight_ = 0;
  uint32_t width_ = 0;
  uint32_t successes_ = 0;
  std::chrono::steady_clock::time_point narrowed_;
  /// When the bytes let pass so far are paid for.
  std::chrono::steady_clock::time_point paid_until_;
};

/// Belongs inside Retry, so that a waiting retry holds no slot. A Read holds its slot until its
/// sink is done: sinks must not call backends of the same limiter.
class LimitBackend final : public InterceptingBackend {
 public:
  /// `limiter` is owned by all backends it bounds together.
  LimitBackend(std::unique_ptr<Backend> inner, std::shared_ptr<RequestLimiter> limiter)
      : InterceptingBackend(std::move(inner)), limiter_(std::move(limiter)) {}

  Result<ReadInfo> Read(const CallContext& ctx, const std::string& key, const ReadOptions& options,
                        const Sink& sink) override;

 protected:
  Status Around(const CallContext& ctx, const CallInfo& info, CallRef call) override;

 private:
  const std::shared_ptr<RequestLimiter> limiter_;
};

}  // namespace milvus_backup::storage
