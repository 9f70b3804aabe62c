/// Time behind an interface, so that tests need not wait. Clocks are thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>

namespace milvus_backup {

class Clock {
 public:
  virtual ~Clock() = default;
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;

  virtual std::chrono::steady_clock::time_point Now() const = 0;
  virtual std::chrono::system_clock::time_point WallNow() const = 0;
  /// Wait for `duration` or until a stop is requested; true when the full time has passed.
  virtual bool SleepFor(std::chrono::nanoseconds duration, const std::stop_token& stop) = 0;

  /// The machine's clock. Lives as long as the program.
  static Clock& Real();
};

/// A clock that stands still until told; SleepFor advances it at once and returns.
class FakeClock final : public Clock {
 public:
  std::chrono::steady_clock::time_point Now() const override;
  std::chrono::system_clock::time_point WallNow() const override;
  bool SleepFor(std::chrono::nanoseconds duration, const std::stop_token& stop) override;

  void Advance(std::chrono::nanoseconds duration);
  /// Sum of everything slept and advanced so far.
  std::chrono::nanoseconds elapsed() const;

 private:
  mutable std::mutex mutex_;
  std::chrono::nanoseconds elapsed_{0};
};

/// `2026-01-02T03:04:05Z`.
std::string FormatIso8601(std::chrono::system_clock::time_point time);

}  // namespace milvus_backup
