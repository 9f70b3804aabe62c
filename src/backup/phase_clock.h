/// Adds up the time spent in named phases by several threads.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace milvus_backup::backup {

/// Thread-safe.
class PhaseClock {
 public:
  /// Charges the time between its construction and destruction to a phase.
  class Scope {
   public:
    Scope(PhaseClock& clock, std::string phase)
        : clock_(clock), phase_(std::move(phase)), start_(std::chrono::steady_clock::now()) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
      const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
      const std::scoped_lock lock(clock_.mutex_);
      clock_.seconds_[phase_] += spent.count();
    }

   private:
    PhaseClock& clock_;
    const std::string phase_;
    const std::chrono::steady_clock::time_point start_;
  };

  std::map<std::string, double> seconds() const {
    const std::scoped_lock lock(mutex_);
    return seconds_;
  }
  /// Seconds since this object was made.
  double total() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  mutable std::mutex mutex_;
  std::map<std::string, double> seconds_;
};

}  // namespace milvus_backup::backup
