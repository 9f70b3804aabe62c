#include "milvus_backup/base/task_group.h"

#include <utility>

namespace milvus_backup {

TaskGroup::TaskGroup(size_t width, const std::stop_token& parent)
    : width_(width == 0 ? 1 : width),
      queue_(2 * width_),
      on_parent_stop_(parent, [this] { Fail(CancelledError()); }) {}

TaskGroup::~TaskGroup() {
  stop_.request_stop();
  queue_.Abandon();
}

bool TaskGroup::Submit(Task task) {
  {
    const std::scoped_lock lock(mutex_);
    // A thread that is about to become idle is as good as a new one.
    if (++in_flight_ > workers_.size() && workers_.size() < width_) {
      workers_.emplace_back([this] { Work(); });
    }
  }
  return queue_.Push(std::move(task));
}

Status TaskGroup::Wait() {
  queue_.Close();
  workers_.clear();
  const std::scoped_lock lock(mutex_);
  return first_error_;
}

void TaskGroup::Work() {
  while (std::optional<Task> task = queue_.Pop()) {
    if (Status status = (*task)(stop_.get_token()); !status.ok()) Fail(std::move(status));
    task.reset();
    const std::scoped_lock lock(mutex_);
    --in_flight_;
  }
}

void TaskGroup::Fail(Status status) {
  {
    const std::scoped_lock lock(mutex_);
    // A cancellation that merely follows from the first error must not hide it.
    if (first_error_.ok()) first_error_ = std::move(status);
  }
  stop_.request_stop();
  queue_.Abandon();
}

}  // namespace milvus_backup
