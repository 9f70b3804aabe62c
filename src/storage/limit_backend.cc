#include "milvus_backup/storage/limit_backend.h"

#include <algorithm>
#include <utility>

namespace milvus_backup::storage {
namespace {

/// Chunks of a read are paid for in portions, so that the lock is not taken for each of them.
constexpr uint64_t kReadPortion = 256 * kKiB;
/// How much idle time may be made up for at once: enough for late wake-ups, too little to exceed
/// the bound by 5 % over two seconds.
constexpr std::chrono::milliseconds kBurst{50};
constexpr std::chrono::seconds kNarrowEvery{1};

}  // namespace

RequestLimiter::RequestLimiter(LimitOptions options, Clock& clock)
    : options_(options), clock_(clock), width_(options.max_requests), paid_until_(clock.Now()) {}

Status RequestLimiter::Enter(const CallContext& ctx) {
  MB_RETURN_IF_ERROR(ctx.Check());
  if (options_.max_requests == 0) return Status::Ok();
  std::unique_lock lock(mutex_);
  const auto has_room = [this] { return in_flight_ < width_; };
  const bool entered = ctx.deadline ? changed_.wait_until(lock, ctx.stop, *ctx.deadline, has_room)
                                    : changed_.wait(lock, ctx.stop, has_room);
  if (!entered) {
    lock.unlock();
    MB_RETURN_IF_ERROR(ctx.Check());
    return {Code::kDeadlineExceeded, "the deadline has passed"};
  }
  ++in_flight_;
  return Status::Ok();
}

void RequestLimiter::Leave(const Status& status) {
  if (options_.max_requests == 0) return;
  const std::scoped_lock lock(mutex_);
  --in_flight_;
  if (status.retry_class() == RetryClass::kThrottled) {
    successes_ = 0;
    // Requests that were under way together tell of the same overload: count it once.
    if (width_ == options_.max_requests || clock_.Now() - narrowed_ >= kNarrowEvery) {
      width_ = std::max(width_ / 2, 1U);
      narrowed_ = clock_.Now();
    }
  } else if (status.ok() && width_ < options_.max_requests && ++successes_ >= width_) {
    successes_ = 0;
    ++width_;
    changed_.notify_one();
  }
  changed_.notify_one();
}

Status RequestLimiter::Pass(const CallContext& ctx, uint64_t bytes) {
  if (options_.bytes_per_second == 0 || bytes == 0) return Status::Ok();
  const std::chrono::duration<double> cost(static_cast<double>(bytes) /
                                           static_cast<double>(options_.bytes_per_second));
  std::chrono::steady_clock::duration wait{};
  {
    const std::scoped_lock lock(mutex_);
    const auto now = clock_.Now();
    // Bytes pass when those before them are paid for.
    paid_until_ = std::max(paid_until_, now - kBurst);
    wait = paid_until_ - now;
    paid_until_ += std::chrono::duration_cast<std::chrono::steady_clock::duration>(cost);
  }
  if (wait <= std::chrono::steady_clock::duration::zero()) return ctx.Check();
  if (ctx.deadline) {
    wait = std::min(
        wait, std::max(*ctx.deadline - clock_.Now(), std::chrono::steady_clock::duration::zero()));
  }
  if (!clock_.SleepFor(wait, ctx.stop)) return CancelledError();
  return ctx.Check();
}

std::chrono::steady_clock::duration RequestLimiter::Unused() const {
  const std::scoped_lock lock(mutex_);
  return std::max(clock_.Now() - paid_until_, std::chrono::steady_clock::duration::zero());
}

uint32_t RequestLimiter::in_flight() const {
  const std::scoped_lock lock(mutex_);
  return in_flight_;
}

uint32_t RequestLimiter::width() const {
  const std::scoped_lock lock(mutex_);
  return width_;
}

Status LimitBackend::Around(const CallContext& ctx, const CallInfo& info, CallRef call) {
  MB_RETURN_IF_ERROR(limiter_->Pass(ctx, info.body_size));
  MB_RETURN_IF_ERROR(limiter_->Enter(ctx));
  Status status = call();
  limiter_->Leave(status);
  return status;
}

Result<ReadInfo> LimitBackend::Read(const CallContext& ctx, const std::string& key,
                                    const ReadOptions& options, const Sink& sink) {
  if (!limiter_->limits_bytes()) return InterceptingBackend::Read(ctx, key, options, sink);
  uint64_t unpaid = 0;
  const Sink paying = [&](const ReadInfo& info, ByteView chunk) -> Status {
    unpaid += chunk.size();
    if (unpaid >= kReadPortion) {
      MB_RETURN_IF_ERROR(limiter_->Pass(ctx, std::exchange(unpaid, 0)));
    }
    return sink(info, chunk);
  };
  Result<ReadInfo> result = InterceptingBackend::Read(ctx, key, options, paying);
  if (result.ok()) MB_RETURN_IF_ERROR(limiter_->Pass(ctx, unpaid));
  return result;
}

}  // namespace milvus_backup::storage
