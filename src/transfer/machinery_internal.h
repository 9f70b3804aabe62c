/// What turns under a copy engine: threads, limits and the tuning of their number. Thread-safe.
#pragma once

#include "autotuner_internal.h"
#include "lane_internal.h"
#include "pace_internal.h"

#include "milvus_backup/transfer/copy_engine.h"

#include <algorithm>
#include <mutex>

namespace milvus_backup::transfer {

class CopyEngine::Machinery {
 public:
  explicit Machinery(const CopyOptions& options)
      : tuner_(LimitsOf(options), Clock::Real().Now()),
        pace_(options.bandwidth_bytes_per_s, options.requests_per_s, options.memory_bytes,
              [this] { OnThrottled(); }),
        lane_(tuner_.width()) {}

  Pace& pace() { return pace_; }
  Lane& lane() { return lane_; }
  const Lane& lane() const { return lane_; }
  size_t width() const {
    const std::scoped_lock lock(mutex_);
    return tuner_.width();
  }
  void OnDone(const Autotuner::Sample& sample) {
    const std::scoped_lock lock(mutex_);
    const size_t before = tuner_.width();
    const size_t after = tuner_.OnDone(sample);
    if (before != after) lane_.SetWidth(after);
  }

 private:
  static Autotuner::Limits LimitsOf(const CopyOptions& options) {
    if (options.concurrency > 0) return {options.concurrency, options.concurrency};
    // What a worker of small objects takes: its buffer, two connections, its stack (measured).
    constexpr size_t kWorkerMemory = 128 * kKiB;
    constexpr size_t kStart = 8;
    constexpr size_t kMost = 512;
    return {kStart, std::clamp(options.memory_bytes / kWorkerMemory, kStart, kMost)};
  }
  void OnThrottled() {
    const std::scoped_lock lock(mutex_);
    lane_.SetWidth(tuner_.OnThrottled(Clock::Real().Now()));
  }

  mutable std::mutex mutex_;
  Autotuner tuner_;
  Pace pace_;
  // Last, so that its threads end before what they use.
  Lane lane_;
};

}  // namespace milvus_backup::transfer
