#include "lane_internal.h"

#include <algorithm>
#include <chrono>
#include <optional>

namespace milvus_backup::transfer {
namespace {

/// A loop takes little of a core, and servers near by want theirs.
constexpr unsigned kMostLoops = 4;
constexpr std::chrono::seconds kLongTurn{60};

}  // namespace

/// One thread with the tasks that share it.
class Lane::Loop {
 public:
  explicit Loop(Lane& lane) : lane_(lane), thread_([this] { Run(); }) {}
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() = default;

  // The following need the lane's lock.

  size_t running() const { return running_; }
  /// Have it look for work, unless it is going to.
  void Call() {
    if (std::exchange(called_, true)) return;
    requests_.Wake();
  }

  // And these belong to its thread.

  void End();
  storage::RequestLoop& requests() { return requests_; }

 private:
  void Run();
  std::optional<LoopTask> TakeTask(bool& is_over);

  Lane& lane_;
  storage::RequestLoop requests_;
  size_t running_ = 0;
  // It looks for work when it begins.
  bool called_ = true;
  // Last, so that it ends before what it uses.
  std::jthread thread_;
};

Lane::Seat::~Seat() {
  if (loop_ != nullptr) loop_->End();
}

storage::RequestLoop& Lane::Seat::requests() const { return loop_->requests(); }

void Lane::Loop::Run() {
  for (bool is_over = false; !is_over;) {
    while (std::optional<LoopTask> task = TakeTask(is_over)) (*task)(Seat(this));
    if (!is_over) requests_.Turn(kLongTurn);
  }
}

std::optional<Lane::LoopTask> Lane::Loop::TakeTask(bool& is_over) {
  const std::scoped_lock lock(lane_.mutex_);
  called_ = false;
  if (!lane_.HasWorkForLoop() || running_ >= lane_.Share()) {
    is_over = lane_.closing_ && running_ == 0;
    return std::nullopt;
  }
  LoopTask task = std::get<LoopTask>(std::move(lane_.tasks_.front()));
  lane_.tasks_.pop_front();
  ++running_;
  // It takes the next one itself.
  called_ = true;
  lane_.Took();
  return task;
}

void Lane::Loop::End() {
  const std::scoped_lock lock(lane_.mutex_);
  --running_;
  lane_.Ended();
  // This thread looks for work again before it sleeps.
  called_ = true;
  lane_.Staff();
}

Lane::Lane(size_t width)
    : most_loops_(std::clamp(std::thread::hardware_concurrency(), 1U, kMostLoops)), width_(width) {}

Lane::~Lane() {
  {
    std::unique_lock lock(mutex_);
    // Until then threads may still be started, and tasks queue others.
    room_.wait(lock, [this] { return !HasWork() && running_ == 0; });
    closing_ = true;
    for (const auto& loop : loops_) loop->Call();
  }
  filled_.notify_all();
  threads_.clear();
  loops_.clear();
}

bool Lane::HasWorkForThread() const {
  return running_ < width_ &&
         (!series_.empty() || (!tasks_.empty() && std::holds_alternative<Task>(tasks_.front())));
}

bool Lane::HasWorkForLoop() const {
  return running_ < width_ && series_.empty() && !tasks_.empty() &&
         std::holds_alternative<LoopTask>(tasks_.front());
}

size_t Lane::Share() const { return (width_ + most_loops_ - 1) / most_loops_; }

void Lane::StaffLoop() {
  const auto least = std::ranges::min_element(
      loops_, {}, [](const std::unique_ptr<Loop>& loop) { return loop->running(); });
  const bool has_free = least != loops_.end() && (*least)->running() < Share();
  if (has_free && ((*least)->running() == 0 || loops_.size() == most_loops_)) {
    (*least)->Call();
  } else if (loops_.size() < most_loops_) {
    loops_.push_back(std::make_unique<Loop>(*this));
  }
}

void Lane::Staff() {
  if (closing_) return;
  if (HasWorkForLoop()) {
    StaffLoop();
  } else if (HasWorkForThread()) {
    if (idle_ > 0) {
      filled_.notify_one();
    } else if (threads_.size() < width_) {
      threads_.emplace_back([this] { Work(); });
    }
  }
}

void Lane::Queue(Queued task) {
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

size_t Lane::peak() const {
  const std::scoped_lock lock(mutex_);
  return peak_;
}

void Lane::Took() {
  peak_ = std::max(peak_, ++running_);
  if (tasks_.size() == kMaxQueued / 2) room_.notify_all();
  // Whoever takes a task calls the next thread, so that one call is enough to start all.
  Staff();
}

void Lane::Ended() {
  if (--running_ == 0 && !HasWork()) room_.notify_all();
}

Lane::Task Lane::Take() {
  if (series_.empty()) {
    Task task = std::get<Task>(std::move(tasks_.front()));
    tasks_.pop_front();
    return task;
  }
  Series& series = series_.front();
  const size_t index = series.next++;
  if (series.next < series.count) {
    return [task = series.task, index] { task(index); };
  }
  Task last = [task = std::move(series.task), index] { task(index); };
  series_.pop_front();
  return last;
}

void Lane::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    filled_.wait(lock, [this] { return HasWorkForThread() || (closing_ && !HasWork()); });
    --idle_;
    if (!HasWork()) return;
    Task task = Take();
    Took();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
    Ended();
    // Work for a thread is this one's own.
    if (HasWorkForLoop()) StaffLoop();
  }
}

}  // namespace milvus_backup::transfer
