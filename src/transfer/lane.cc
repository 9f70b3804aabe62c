#include "lane_internal.h"

#include <algorithm>
#include <utility>

namespace milvus_backup::transfer {

Lane::~Lane() {
  {
    std::unique_lock lock(mutex_);
    // Until the queue is empty threads may still be started for it.
    room_.wait(lock, [this] { return !HasWork(); });
    closing_ = true;
  }
  filled_.notify_all();
  threads_.clear();
}

void Lane::Staff() {
  if (closing_ || !HasWork() || running_ >= width_) return;
  if (idle_ > 0) {
    filled_.notify_one();
  } else if (threads_.size() < width_) {
    threads_.emplace_back([this] { Work(); });
  }
}

void Lane::Submit(Task task) {
  std::unique_lock lock(mutex_);
  if (tasks_.size() >= kMaxQueued) {
    // For a half empty queue, so that this thread is not woken for every task.
    room_.wait(lock, [this] { return tasks_.size() <= kMaxQueued / 2; });
  }
  tasks_.push_back(std::move(task));
  Staff();
}

void Lane::Spawn(size_t count, IndexedTask task) {
  if (count == 0) return;
  const std::scoped_lock lock(mutex_);
  series_.push_back({std::move(task), 0, count});
  Staff();
}

void Lane::SetWidth(size_t width) {
  const std::scoped_lock lock(mutex_);
  width_ = width;
  Staff();
}

size_t Lane::threads() const {
  const std::scoped_lock lock(mutex_);
  return threads_.size();
}

Lane::Task Lane::Take() {
  if (!series_.empty()) {
    Series& series = series_.front();
    const size_t index = series.next++;
    if (series.next < series.count) {
      return [task = series.task, index] { task(index); };
    }
    Task last = [task = std::move(series.task), index] { task(index); };
    series_.pop_front();
    if (!HasWork()) room_.notify_all();
    return last;
  }
  Task task = std::move(tasks_.front());
  tasks_.pop_front();
  if (tasks_.size() == kMaxQueued / 2 || !HasWork()) room_.notify_all();
  return task;
}

void Lane::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    filled_.wait(lock,
                 [this] { return (HasWork() && running_ < width_) || (closing_ && !HasWork()); });
    --idle_;
    if (!HasWork()) return;
    ++running_;
    Task task = Take();
    Staff();  // whoever takes a task calls the next thread, so that one call is enough to start all
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
    --running_;
  }
}

}  // namespace milvus_backup::transfer
