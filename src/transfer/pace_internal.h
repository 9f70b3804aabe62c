/// The limits a copy keeps, asked at every request and every portion of a body. Thread-safe.
#pragma once

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/storage/limit_backend.h"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>

namespace milvus_backup::transfer {

/// Lets streams of bytes under one bound begin one after the other: another one only when those
/// under way leave some of it unused. Streams that share the bound end together, and then all
/// workers read together and write together, so that half of either bound is lost.
class InTurn {
 public:
  InTurn(storage::RequestLimiter& limiter, Clock& clock) : limiter_(limiter), clock_(clock) {}
  InTurn(const InTurn&) = delete;
  InTurn& operator=(const InTurn&) = delete;
  ~InTurn() = default;

  /// The right of one stream, given back when it ends.
  class Turn {
   public:
    Turn() = default;
    explicit Turn(InTurn* owner) : owner_(owner) {}
    Turn(Turn&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      if (owner_ != nullptr) owner_->End();
    }

   private:
    InTurn* owner_ = nullptr;
  };
  /// Errors are those of the context.
  Result<Turn> Begin(const CallContext& ctx) {
    if (!limiter_.limits_bytes()) return Turn();
    std::unique_lock lock(mutex_);
    while (running_ > 0 && !HasRoom()) {
      MB_RETURN_IF_ERROR(ctx.Check());
      ended_.wait_for(lock, ctx.stop, kLookEvery, [this] { return running_ == 0; });
    }
    MB_RETURN_IF_ERROR(ctx.Check());
    ++running_;
    begun_ = clock_.Now();
    return Turn(this);
  }

 private:
  /// Less than what a limiter lets catch up, so that nothing is lost by it.
  static constexpr std::chrono::milliseconds kUnused{20};
  static constexpr std::chrono::milliseconds kLookEvery{10};

  /// The one that began last has had its time to send a first byte, too.
  bool HasRoom() const { return limiter_.Unused() >= kUnused && clock_.Now() - begun_ >= kUnused; }
  void End() {
    const std::scoped_lock lock(mutex_);
    --running_;
    ended_.notify_one();
  }

  storage::RequestLimiter& limiter_;
  Clock& clock_;
  std::mutex mutex_;
  std::condition_variable_any ended_;
  size_t running_ = 0;
  std::chrono::steady_clock::time_point begun_;
};

/// Bytes read and bytes written are limited each for itself: together they are one stream.
class Pace final : public CallPacer {
 public:
  /// 0 means no bound. `on_throttled` is called when a service asks for fewer calls.
  Pace(uint64_t bytes_per_s, uint64_t requests_per_s, std::function<void()> on_throttled,
       Clock& clock = Clock::Real())
      : read_({.bytes_per_second = bytes_per_s}, clock),
        write_({.bytes_per_second = bytes_per_s}, clock),
        requests_({.bytes_per_second = requests_per_s}, clock),
        reads_(read_, clock),
        writes_(write_, clock),
        on_throttled_(std::move(on_throttled)) {}

  bool limits_bytes() const override { return write_.limits_bytes(); }
  Status BeforeRequest(const CallContext& ctx) override { return requests_.Pass(ctx, 1); }
  Status BeforeBytes(const CallContext& ctx, uint64_t bytes) override {
    return write_.Pass(ctx, bytes);
  }
  void OnThrottled() override { on_throttled_(); }

  /// To be asked before an object or a part is read, and before it is written.
  Result<InTurn::Turn> BeginRead(const CallContext& ctx) { return reads_.Begin(ctx); }
  Result<InTurn::Turn> BeginWrite(const CallContext& ctx) { return writes_.Begin(ctx); }
  /// Wait until `bytes` that have been read are paid for.
  Status AfterRead(const CallContext& ctx, uint64_t bytes) { return read_.Pass(ctx, bytes); }

 private:
  storage::RequestLimiter read_;
  storage::RequestLimiter write_;
  storage::RequestLimiter requests_;
  InTurn reads_;
  InTurn writes_;
  const std::function<void()> on_throttled_;
};

}  // namespace milvus_backup::transfer
