/// A fixed number of worker threads over one bounded queue of tasks.
#pragma once

#include "milvus_backup/base/bounded_queue.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace milvus_backup {

/// Runs tasks on up to `width` threads, started as work arrives. The first error requests a stop:
/// tasks not yet started are dropped, running ones see `stop_requested()` on their token. A stop of
/// the parent token does the same. Submit may be called from any thread but a task's own; Wait is
/// called once, when nobody submits any more.
class TaskGroup {
 public:
  using Task = std::function<Status(const std::stop_token& stop)>;

  TaskGroup(size_t width, const std::stop_token& parent);
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  /// Requests a stop and joins.
  ~TaskGroup();

  /// Queue a task, waiting while `2 * width` are queued. False once the group is stopping.
  bool Submit(Task task);

  /// Close the group, join its threads, return the first error (kCancelled if only stopped).
  Status Wait();

 private:
  void Work();
  void Fail(Status status);

  const size_t width_;
  std::stop_source stop_;
  BoundedQueue<Task> queue_;
  std::mutex mutex_;
  Status first_error_;
  size_t in_flight_ = 0;
  std::vector<std::jthread> workers_;
  std::stop_callback<std::function<void()>> on_parent_stop_;
};

}  // namespace milvus_backup
