#include "autotuner_internal.h"

#include <algorithm>

namespace milvus_backup::transfer {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// Bytes that cost as much as the two requests of an object: measured on loopback, where a GET and
/// a PUT of 20 kB take the servers as long as 300 kB more of body.
constexpr double kBytesPerUnit = 256 * 1024;
constexpr milliseconds kMinRound{50};
/// Above this it is the way that takes the time, and width can grow faster.
constexpr milliseconds kFar{20};
/// Part of the added width that has to show as added work.
constexpr double kWorthClimbing = 0.3;
constexpr double kNoise = 1.1;
constexpr std::chrono::seconds kTryEvery{2};
constexpr std::chrono::seconds kThrottleEvery{1};

double Seconds(nanoseconds time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

Autotuner::Autotuner(Limits limits, TimePoint now)
    : limits_(limits),
      width_(limits.start),
      phase_(limits.ceiling > limits.start ? Phase::kClimbing : Phase::kHolding),
      round_start_(now),
      held_since_(now),
      throttled_(now - kThrottleEvery) {}

void Autotuner::StartRound(TimePoint now) {
  round_start_ = now;
  done_ = 0;
  waited_ = 0;
  work_ = 0;
  latency_ = nanoseconds(0);
}

size_t Autotuner::OnDone(const Sample& sample) {
  ++done_;
  waited_ += sample.waited_for_memory ? 1 : 0;
  work_ += 1 + static_cast<double>(sample.bytes) / kBytesPerUnit;
  latency_ += sample.latency;
  const nanoseconds mean = latency_ / static_cast<int64_t>(done_);
  const nanoseconds elapsed = sample.now - round_start_;
  if (done_ < width_ || elapsed < std::max<nanoseconds>(kMinRound, mean)) return width_;
  EndRound(sample.now, mean);
  StartRound(sample.now);
  return width_;
}

size_t Autotuner::OnThrottled(TimePoint now) {
  // Requests that were under way together tell of the same overload: count it once.
  if (now - throttled_ < kThrottleEvery) return width_;
  throttled_ = now;
  recover_to_ = std::max(recover_to_, width_);
  width_ = std::max<size_t>(1, width_ / 2);
  phase_ = Phase::kRecovering;
  StartRound(now);
  return width_;
}

void Autotuner::Try(size_t width, Phase phase) {
  previous_width_ = width_;
  width_ = std::clamp<size_t>(width, 1, limits_.ceiling);
  phase_ = phase;
}

void Autotuner::EndRound(TimePoint now, nanoseconds mean_latency) {
  const double rate = work_ / Seconds(now - round_start_);
  const bool memory_is_full = waited_ * 2 > done_;
  switch (phase_) {
    case Phase::kClimbing:
      Climb(rate, mean_latency, memory_is_full);
      break;
    case Phase::kTryingLess:
      if (rate * kNoise < previous_rate_) width_ = previous_width_;
      previous_rate_ = rate;
      phase_ = Phase::kHolding;
      break;
    case Phase::kRecovering:
      width_ = std::min(recover_to_, width_ + std::max<size_t>(1, width_ / 8));
      if (width_ == recover_to_) {
        recover_to_ = 0;
        previous_rate_ = 0;
        phase_ = Phase::kHolding;
      }
      break;
    case Phase::kHolding:
      previous_latency_ = mean_latency;
      Hold(now, rate, memory_is_full);
      return;
  }
  if (phase_ == Phase::kHolding) held_since_ = now;
}

void Autotuner::Climb(double rate, nanoseconds mean_latency, bool memory_is_full) {
  if (previous_rate_ > 0) {
    const double wider = static_cast<double>(width_) / static_cast<double>(previous_width_);
    const double worth_it = 1 + (wider - 1) * kWorthClimbing;
    // Two measures of the same, since either is noisy on a busy machine: work done per second, and
    // what the time per object promises of it.
    const double promised = wider * Seconds(previous_latency_) / Seconds(mean_latency);
    if (rate < previous_rate_ * worth_it || promised < worth_it) {
      if (rate < previous_rate_ * kNoise || promised < kNoise) width_ = previous_width_;
      phase_ = Phase::kHolding;
      previous_rate_ = std::max(rate, previous_rate_);
      return;
    }
  }
  previous_rate_ = rate;
  previous_latency_ = mean_latency;
  if (memory_is_full || width_ == limits_.ceiling) {
    phase_ = Phase::kHolding;
    return;
  }
  Try(width_ * (mean_latency >= kFar ? 4 : 2), Phase::kClimbing);
}

void Autotuner::Hold(TimePoint now, double rate, bool memory_is_full) {
  previous_rate_ = previous_rate_ == 0 ? rate : (previous_rate_ * 3 + rate) / 4;
  if (limits_.ceiling == limits_.start || now - held_since_ < kTryEvery) return;
  held_since_ = now;
  const bool less = less_is_next_ || memory_is_full || width_ == limits_.ceiling;
  less_is_next_ = !less_is_next_;
  if (!less) {
    Try(width_ + std::max<size_t>(1, width_ / 2), Phase::kClimbing);
  } else if (width_ > limits_.start) {
    Try(std::max(limits_.start, width_ - width_ / 4), Phase::kTryingLess);
  }
}

}  // namespace milvus_backup::transfer
