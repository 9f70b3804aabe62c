#include "milvus_backup/base/clock.h"

#include <ctime>

namespace milvus_backup {
namespace {

class RealClock final : public Clock {
 public:
  std::chrono::steady_clock::time_point Now() const override {
    return std::chrono::steady_clock::now();
  }
  std::chrono::system_clock::time_point WallNow() const override {
    return std::chrono::system_clock::now();
  }
  bool SleepFor(std::chrono::nanoseconds duration, const std::stop_token& stop) override {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    // The predicate never becomes true, so this returns on timeout or on a stop request only.
    wake.wait_for(lock, stop, duration, [] { return false; });
    return !stop.stop_requested();
  }
};

}  // namespace

Clock& Clock::Real() {
  static RealClock clock;
  return clock;
}

std::chrono::steady_clock::time_point FakeClock::Now() const {
  const std::scoped_lock lock(mutex_);
  return std::chrono::steady_clock::time_point(
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(elapsed_));
}

std::chrono::system_clock::time_point FakeClock::WallNow() const {
  // 2026-01-02T03:04:05Z plus what has passed: a fixed start keeps expected texts readable.
  constexpr std::chrono::seconds kStart{1767323045};
  const std::scoped_lock lock(mutex_);
  return std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(kStart + elapsed_));
}

bool FakeClock::SleepFor(std::chrono::nanoseconds duration, const std::stop_token& stop) {
  if (stop.stop_requested()) return false;
  Advance(duration);
  return true;
}

void FakeClock::Advance(std::chrono::nanoseconds duration) {
  const std::scoped_lock lock(mutex_);
  elapsed_ += duration;
}

std::chrono::nanoseconds FakeClock::elapsed() const {
  const std::scoped_lock lock(mutex_);
  return elapsed_;
}

std::string FormatIso8601(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text, length};
}

}  // namespace milvus_backup
