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

/// Bytes read and bytes written are limited each for itself: together they are one stream.
class Pace final : public CallPacer {
 public:
  /// 0 means no bound. `on_throttled` is called when a service asks for fewer calls.
  Pace(uint64_t bytes_per_s, uint64_t requests_per_s, std::function<void()> on_throttled,
       Clock& clock = Clock::Real())
      : read_({.bytes_per_second = bytes_per_s}, clock),
        write_({.bytes_per_second = bytes_per_s}, clock),
        requests_({.bytes_per_second = requests_per_s}, clock),
        on_throttled_(std::move(on_throttled)) {}

  bool limits_bytes() const override { return write_.limits_bytes(); }
  Status BeforeRequest(const CallContext& ctx) override { return requests_.Pass(ctx, 1); }
  Status BeforeBytes(const CallContext& ctx, uint64_t bytes) override {
    return write_.Pass(ctx, bytes);
  }
  void OnThrottled() override { on_throttled_(); }

  /// The right to read an object or a part, given back when it ends.
  class Reading {
   public:
    Reading() = default;
    explicit Reading(Pace* pace) : pace_(pace) {}
    Reading(Reading&& other) noexcept : pace_(std::exchange(other.pace_, nullptr)) {}
    Reading& operator=(Reading&&) = delete;
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;
    ~Reading() {
      if (pace_ != nullptr) pace_->EndRead();
    }

   private:
    Pace* pace_ = nullptr;
  };
  /// Wait while the reads under way use up what may be read. Without this all workers would read
  /// together and then write together, and half of either bound would be lost.
  Result<Reading> BeginRead(const CallContext& ctx);
  /// Wait until `bytes` that have been read are paid for.
  Status AfterRead(const CallContext& ctx, uint64_t bytes) { return read_.Pass(ctx, bytes); }

 private:
  /// What the reads under way must leave unused before another begins; less than what a limiter
  /// lets catch up, so that nothing is lost by it.
  static constexpr std::chrono::milliseconds kUnused{20};
  static constexpr std::chrono::milliseconds kLookEvery{10};

  void EndRead() {
    const std::scoped_lock lock(mutex_);
    --reading_;
    ended_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable_any ended_;
  size_t reading_ = 0;
  storage::RequestLimiter read_;
  storage::RequestLimiter write_;
  storage::RequestLimiter requests_;
  const std::function<void()> on_throttled_;
};

inline Result<Pace::Reading> Pace::BeginRead(const CallContext& ctx) {
  if (!read_.limits_bytes()) return Reading();
  std::unique_lock lock(mutex_);
  while (reading_ > 0 && read_.Unused() < kUnused) {
    MB_RETURN_IF_ERROR(ctx.Check());
    ended_.wait_for(lock, ctx.stop, kLookEvery, [this] { return reading_ == 0; });
  }
  MB_RETURN_IF_ERROR(ctx.Check());
  ++reading_;
  return Reading(this);
}

}  // namespace milvus_backup::transfer
