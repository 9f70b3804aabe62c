/// A backend that fails as planned. Thread-safe.
#pragma once

#include "milvus_backup/base/clock.h"
#include "milvus_backup/storage/intercepting_backend.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <string>

namespace milvus_backup::testing {

/// What happens to one or more calls of a method. Everything that is set happens, in this order:
/// delay, callback, the call itself (unless `error` is set and `after_call` is not), error.
struct Fault {
  /// Returned instead of the call's result; OK lets the call through.
  Status error;
  /// Make the call first and drop its result: a lost answer.
  bool after_call = false;
  /// Slept on the clock; ends early when a stop is requested.
  std::chrono::milliseconds delay{0};
  std::function<void()> callback;
  /// Read only: let this many bytes through, then return `error`.
  std::optional<uint64_t> after_bytes;
  /// Calls this fault applies to.
  uint32_t times = 1;
  /// Calls of the method let through before.
  uint32_t skip = 0;
};

/// Faults of one method are used up in the order they were planned.
class FaultyBackend final : public storage::InterceptingBackend {
 public:
  static constexpr uint32_t kAlways = std::numeric_limits<uint32_t>::max();

  explicit FaultyBackend(std::unique_ptr<storage::Backend> inner, Clock& clock = Clock::Real())
      : InterceptingBackend(std::move(inner)), clock_(clock) {}

  void Plan(storage::Method method, Fault fault);
  /// Fail call number `index` (from 0, over all methods) with `error`; for sweeps.
  void FailCallNumber(uint64_t index, Status error);
  /// Whether every planned fault has happened as often as planned (kAlways: at least once).
  bool AllHit() const;
  /// Text for the failure message of a test.
  std::string NotHit() const;
  uint64_t calls() const { return calls_; }

  Result<storage::ReadInfo> Read(const CallContext& ctx, const std::string& key,
                                 const storage::ReadOptions& options,
                                 const storage::Sink& sink) override;

 protected:
  Status Around(const CallContext& ctx, const storage::CallInfo& info,
                storage::CallRef call) override;

 private:
  struct Planned {
    Fault fault;
    uint32_t hits = 0;
  };

  std::optional<Fault> Take(storage::Method method);
  Status Before(const CallContext& ctx, const Fault& fault);

  Clock& clock_;
  mutable std::mutex mutex_;
  std::array<std::deque<Planned>, storage::kMethodCount> plans_;
  std::optional<uint64_t> failing_call_;
  Status failing_error_;
  std::atomic<uint64_t> calls_{0};
};

/// An error that a retry may cure.
Status TransientError(const std::string& text = "connection reset");
Status ThrottledError(const std::string& text = "slow down");

}  // namespace milvus_backup::testing
