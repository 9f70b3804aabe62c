/// Letting requests end that are under way when a run is stopped.
#pragma once

#include "milvus_backup/base/clock.h"

#include <chrono>
#include <functional>
#include <stop_token>
#include <thread>

namespace milvus_backup::backup {

/// A write that is cut off may still be carried out by the service, after whoever cleans up has
/// looked; so it is cut off only some time after the stop. Thread-safe.
class Grace {
 public:
  static constexpr std::chrono::seconds kTime{3};

  explicit Grace(const std::stop_token& stop)
      : on_stop_(stop, [this] {
          timer_ = std::jthread([this](const std::stop_token& ended) {
            if (Clock::Real().SleepFor(kTime, ended)) cut_.request_stop();
          });
        }) {}

  /// For the requests: stopped when the time is over.
  std::stop_token token() const { return cut_.get_token(); }

 private:
  std::stop_source cut_;
  std::jthread timer_;
  std::stop_callback<std::function<void()>> on_stop_;  // last: it starts the timer
};

}  // namespace milvus_backup::backup
