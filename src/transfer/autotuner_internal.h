/// Finds out how many objects or parts should be on their way at once. Pure arithmetic on what it
/// is told; not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace milvus_backup::transfer {

/// Watches rounds of as many completions as are allowed in flight. While more width brings more
/// work per second it is multiplied; when it does not, it goes back, and now and then a little more
/// or less is tried. A throttled reply halves it (at most once a second), from where it grows by
/// steps. So a near service is served by a few threads, a distant one by as many as hide the way.
class Autotuner {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  struct Limits {
    size_t start = 8;
    /// Equal to `start`: only throttling changes the width.
    size_t ceiling = 512;
  };
  /// One object or part that is done.
  struct Sample {
    TimePoint now;
    /// From the first request to the last reply.
    std::chrono::nanoseconds latency{0};
    uint64_t bytes = 0;
    /// It had to wait for a buffer: more at once would only wait longer.
    bool waited_for_memory = false;
  };

  Autotuner(Limits limits, TimePoint now);

  /// The width from now on.
  size_t OnDone(const Sample& sample);
  size_t OnThrottled(TimePoint now);
  size_t width() const { return width_; }

 private:
  enum class Phase { kClimbing, kHolding, kTryingLess, kRecovering };

  void EndRound(TimePoint now, std::chrono::nanoseconds mean_latency);
  void Climb(double rate, std::chrono::nanoseconds mean_latency, bool memory_is_full);
  void Hold(TimePoint now, double rate, bool memory_is_full);
  void StartRound(TimePoint now);
  /// Take a width to compare with the present one.
  void Try(size_t width, Phase phase);

  const Limits limits_;
  size_t width_;
  Phase phase_;
  // The round.
  TimePoint round_start_;
  size_t done_ = 0;
  size_t waited_ = 0;
  double work_ = 0;
  std::chrono::nanoseconds latency_{0};
  // What the next round is compared with; a rate of 0 means nothing yet.
  size_t previous_width_ = 0;
  double previous_rate_ = 0;
  std::chrono::nanoseconds previous_latency_{0};
  TimePoint held_since_;
  bool less_is_next_ = false;
  TimePoint throttled_;
  size_t recover_to_ = 0;
};

}  // namespace milvus_backup::transfer
