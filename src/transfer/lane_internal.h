/// The threads of a copy engine. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace milvus_backup::transfer {

/// Runs tasks on as many threads as its width says; the width may change at any time. Threads are
/// started as work arrives. Every task is run, also those still queued when the lane is destroyed.
class Lane {
 public:
  using Task = std::function<void()>;
  using IndexedTask = std::function<void(size_t index)>;

  explicit Lane(size_t width) : width_(width) {}
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane();

  /// Queue a task, waiting while kMaxQueued are. Must not be called by a task.
  void Submit(Task task);
  /// Queue `count` calls of a task, with 0, 1, ... in order, ahead of what was submitted. Never
  /// waits: for tasks that turn out to be many.
  void Spawn(size_t count, IndexedTask task);
  void SetWidth(size_t width);
  /// Threads that have been started.
  size_t threads() const;

 private:
  static constexpr size_t kMaxQueued = 1024;

  /// One task that is called several times.
  struct Series {
    IndexedTask task;
    size_t next = 0;
    size_t count = 0;
  };

  void Work();
  bool HasWork() const { return !series_.empty() || !tasks_.empty(); }
  Task Take();
  /// Wake or start a thread if there is work it may do. Needs the lock.
  void Staff();

  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable room_;
  std::deque<Series> series_;
  std::deque<Task> tasks_;
  size_t width_;
  size_t running_ = 0;
  size_t idle_ = 0;
  bool closing_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace milvus_backup::transfer
