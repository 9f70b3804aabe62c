/// Lets threads of a test wait for each other.
#pragma once

#include <condition_variable>
#include <mutex>

namespace milvus_backup::testing {

/// Opens once, for good; opening it again does nothing. Thread-safe.
class Latch {
 public:
  void Open() {
    const std::scoped_lock lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }
  void Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return is_open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_ = false;
};

}  // namespace milvus_backup::testing
