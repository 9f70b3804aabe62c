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
#include <list>
#include <mutex>
#include <optional>
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

/// Bounds a sum of bytes, first come first served: whoever is passed over again and again would not
/// be seen waiting by the tuning. Thread-safe.
class ByteBound {
 public:
  explicit ByteBound(uint64_t limit) : limit_(limit) {}
  ByteBound(const ByteBound&) = delete;
  ByteBound& operator=(const ByteBound&) = delete;
  ~ByteBound() = default;

  /// Some bytes of the bound, given back when it ends.
  class Permit {
   public:
    Permit() = default;
    Permit(ByteBound* owner, uint64_t bytes) : owner_(owner), bytes_(bytes) {}
    Permit(Permit&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr)), bytes_(other.bytes_) {}
    Permit& operator=(Permit&& other) noexcept {
      End();
      owner_ = std::exchange(other.owner_, nullptr);
      bytes_ = other.bytes_;
      return *this;
    }
    Permit(const Permit&) = delete;
    Permit& operator=(const Permit&) = delete;
    ~Permit() { End(); }
    void End() {
      if (owner_ != nullptr) std::exchange(owner_, nullptr)->End(bytes_);
    }

   private:
    ByteBound* owner_ = nullptr;
    uint64_t bytes_ = 0;
  };
  /// The same without a wait: none when there is no room or somebody waits for some.
  std::optional<Permit> TryBegin(uint64_t bytes) {
    const std::scoped_lock lock(mutex_);
    if (!waiting_.empty() || !HasRoom(bytes)) return std::nullopt;
    taken_ += bytes;
    return Permit(this, bytes);
  }
  /// Waits while others have the bound to themselves; one alone may exceed it. Errors are those of
  /// the context.
  Result<Permit> Begin(const CallContext& ctx, uint64_t bytes) {
    std::unique_lock lock(mutex_);
    const auto place = waiting_.insert(waiting_.end(), bytes);
    const auto is_next = [&] { return place == waiting_.begin() && HasRoom(bytes); };
    Status status;
    while (status.ok() && !is_next()) {
      changed_.wait_for(lock, ctx.stop, kLookEvery, is_next);
      status = ctx.Check();
    }
    waiting_.erase(place);
    if (!waiting_.empty()) changed_.notify_all();
    MB_RETURN_IF_ERROR(status);
    taken_ += bytes;
    return Permit(this, bytes);
  }

 private:
  /// For contexts with a deadline; others are woken.
  static constexpr std::chrono::milliseconds kLookEvery{100};

  bool HasRoom(uint64_t bytes) const { return taken_ == 0 || taken_ + bytes <= limit_; }
  void End(uint64_t bytes) {
    const std::scoped_lock lock(mutex_);
    taken_ -= bytes;
    changed_.notify_all();
  }

  const uint64_t limit_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  uint64_t taken_ = 0;
  /// What each of those who wait wants, in their order.
  std::list<uint64_t> waiting_;
};

/// Bytes read and bytes written are limited each for itself: together they are one stream.
class Pace final : public CallPacer {
 public:
  /// 0 means no bound. `buffer_bytes` is what all buffers together may take. `on_throttled` is
  /// called when a service asks for fewer calls.
  Pace(uint64_t bytes_per_s, uint64_t requests_per_s, uint64_t buffer_bytes,
       std::function<void()> on_throttled, Clock& clock = Clock::Real())
      : read_({.bytes_per_second = bytes_per_s}, clock),
        write_({.bytes_per_second = bytes_per_s}, clock),
        requests_({.bytes_per_second = requests_per_s}, clock),
        reads_(read_, clock),
        writes_(write_, clock),
        ahead_(buffer_bytes),
        under_way_(buffer_bytes * 2),
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
  /// To be asked before bytes are read whose buffer is taken when they begin to arrive, and held
  /// until then: no memory waits for a distant service, but more must not arrive than there are
  /// buffers for, since services give up on who does not read.
  Result<ByteBound::Permit> Announce(const CallContext& ctx, uint64_t bytes) {
    return ahead_.Begin(ctx, bytes);
  }
  /// To be asked before an object is copied whose buffer is let go before the last answer, and held
  /// until that: also without a buffer it has connections, with memory of their own.
  Result<ByteBound::Permit> BeginObject(const CallContext& ctx, uint64_t bytes) {
    return under_way_.Begin(ctx, bytes);
  }
  std::optional<ByteBound::Permit> TryBeginObject(uint64_t bytes) {
    return under_way_.TryBegin(bytes);
  }
  /// Wait until `bytes` that have been read are paid for.
  Status AfterRead(const CallContext& ctx, uint64_t bytes) { return read_.Pass(ctx, bytes); }

 private:
  storage::RequestLimiter read_;
  storage::RequestLimiter write_;
  storage::RequestLimiter requests_;
  InTurn reads_;
  InTurn writes_;
  ByteBound ahead_;
  ByteBound under_way_;
  const std::function<void()> on_throttled_;
};

}  // namespace milvus_backup::transfer
