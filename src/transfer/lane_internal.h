/// The threads of a copy engine. Thread-safe.
#pragma once

#include "milvus_backup/storage/request_loop.h"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace milvus_backup::transfer {

/// Runs tasks, as many at once as its width says; the width may change at any time. Most tasks take
/// a thread of their own; those for a loop share a few with each other. Threads are started as work
/// arrives. Every task is run, also those still queued when the lane is destroyed.
class Lane {
  class Loop;

 public:
  /// What a task on a loop holds while it is under way. Belongs to the loop's thread.
  class Seat {
   public:
    Seat() = default;
    explicit Seat(Loop* loop) : loop_(loop) {}
    Seat(Seat&& other) noexcept : loop_(std::exchange(other.loop_, nullptr)) {}
    Seat& operator=(Seat&& other) noexcept {
      std::swap(loop_, other.loop_);
      return *this;
    }
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;
    ~Seat();

    storage::RequestLoop& requests() const;

   private:
    Loop* loop_ = nullptr;
  };

  using Task = std::function<void()>;
  using IndexedTask = std::function<void(size_t index)>;
  /// Begins on the thread of a loop, must not block it, and ends with the seat.
  using LoopTask = std::function<void(Seat seat)>;

  explicit Lane(size_t width);
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane();

  /// Queue a task, waiting while kMaxQueued are. Must not be called by a task.
  void Submit(Task task) { Queue(std::move(task)); }
  void SubmitToLoop(LoopTask task) { Queue(std::move(task)); }
  /// Queue `count` calls of a task, with 0, 1, ... in order, ahead of what was submitted. Never
  /// waits: for tasks that turn out to be many.
  void Spawn(size_t count, IndexedTask task);
  void SetWidth(size_t width);
  /// Most tasks that were under way at once.
  size_t peak() const;

 private:
  static constexpr size_t kMaxQueued = 1024;

  using Queued = std::variant<Task, LoopTask>;

  /// One task that is called several times.
  struct Series {
    IndexedTask task;
    size_t next = 0;
    size_t count = 0;
  };

  void Queue(Queued task);
  void Work();
  bool HasWork() const { return !series_.empty() || !tasks_.empty(); }
  bool HasWorkForThread() const;
  bool HasWorkForLoop() const;
  /// The next task, to be run now. Needs the lock, as everything below.
  Task Take();
  void Took();
  void Ended();
  /// Wake or start a thread if there is work it may do.
  void Staff();
  void StaffLoop();
  /// Tasks that one loop may have, so that they share what there is.
  size_t Share() const;

  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable room_;
  std::deque<Series> series_;
  std::deque<Queued> tasks_;
  const size_t most_loops_;
  size_t width_;
  size_t running_ = 0;
  size_t peak_ = 0;
  size_t idle_ = 0;
  bool closing_ = false;
  std::vector<std::jthread> threads_;
  std::vector<std::unique_ptr<Loop>> loops_;
};

}  // namespace milvus_backup::transfer
