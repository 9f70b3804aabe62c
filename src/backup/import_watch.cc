#include "import_watch.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;
using milvus::ImportState;
using milvus::ImportTask;

constexpr auto kPollInterval = 50ms;
/// While the oldest task still waits for those of other collections.
constexpr auto kPendingPollInterval = 100ms;
/// A server works through its tasks in order: when the oldest ones run, the others need no
/// question.
constexpr size_t kPolledAtOnce = 2;

std::string InfoOf(const ImportTask& task, const std::string& key) {
  const auto it = task.infos.find(key);
  return it == task.infos.end() ? std::string() : it->second;
}

bool IsFailure(ImportState state) {
  return state == ImportState::kFailed || state == ImportState::kFailedAndCleaned;
}

Status FailureOf(const ImportTask& task, const std::string& what) {
  std::string reason = InfoOf(task, "failed_reason");
  if (reason.empty()) reason = "the server gave no reason";
  return Status(Code::kAborted,
                fmt::format("import task {} of {} failed: {}", task.id, what, reason))
      .WithOrigin(Origin::kMilvus);
}

}  // namespace

bool ImportQueue::TryTakeSlot() {
  const std::scoped_lock lock(mutex_);
  if (in_flight_ >= max_in_flight_) return false;
  ++in_flight_;
  return true;
}

void ImportQueue::ReturnSlots(size_t count) {
  const std::scoped_lock lock(mutex_);
  in_flight_ -= count;
}

void ImportQueue::NoteChange() {
  const std::scoped_lock lock(mutex_);
  changed_ = std::chrono::steady_clock::now();
}

bool ImportQueue::stalled() const {
  const std::scoped_lock lock(mutex_);
  return std::chrono::steady_clock::now() - changed_ > stall_limit_;
}

Status ImportWatch::Run(const CallContext& ctx,
                        const std::vector<milvus::ImportRequest>& requests) {
  auto next = requests.begin();
  while (next != requests.end() || !unfinished_.empty()) {
    MB_RETURN_IF_ERROR(ctx.Check());
    for (; next != requests.end() && queue_.TryTakeSlot(); ++next) {
      MB_RETURN_IF_ERROR(Start(ctx, *next));
    }
    const std::string before = last_state_;
    MB_RETURN_IF_ERROR(Poll(ctx, false));
    if (last_state_ != before) queue_.NoteChange();
    if (next == requests.end() && unfinished_.empty()) break;
    if (queue_.stalled()) return Stalled();
    const auto pause = is_pending_ ? kPendingPollInterval : kPollInterval;
    if (!Clock::Real().SleepFor(pause, ctx.stop)) return CancelledError();
  }
  return Status::Ok();
}

Status ImportWatch::Start(const CallContext& ctx, const milvus::ImportRequest& request) {
  const std::string what = fmt::format("{}.{}/{} ({})", request.db_name, request.collection_name,
                                       request.partition_name, request.files.front());
  auto id = client_.Import(ctx, request);
  if (!id.ok()) {
    queue_.ReturnSlots(1);
    return id.status().Annotate("importing " + what);
  }
  log::Info("import={} target={}", *id, what);
  unfinished_.push_back({*id, what});
  queue_.NoteChange();
  return Status::Ok();
}

Status ImportWatch::Stalled() const {
  const std::string whose =
      unfinished_.empty()
          ? "the imports before that of " + db_
          : fmt::format("import task {} of {}", unfinished_.front().id, unfinished_.front().what);
  const std::chrono::duration<double> limit = queue_.stall_limit();
  return Status(Code::kDeadlineExceeded,
                fmt::format("{} has made no progress for {:g} s", whose, limit.count()))
      .WithOrigin(Origin::kMilvus);
}

Status ImportWatch::Drain(const CallContext& ctx) {
  while (!unfinished_.empty()) {
    MB_RETURN_IF_ERROR(Poll(ctx, true));
    if (!unfinished_.empty() && !Clock::Real().SleepFor(kPollInterval, ctx.stop)) {
      return CancelledError();
    }
    MB_RETURN_IF_ERROR(ctx.Check());
  }
  return AwaitUnknownTasks(ctx);
}

// The reply to an import may have been lost, so the server's own list has the last word.
Status ImportWatch::AwaitUnknownTasks(const CallContext& ctx) {
  while (true) {
    auto tasks = client_.ListImportTasks(ctx, db_, collection_);
    if (!tasks.ok() && tasks.status().code() == Code::kUnimplemented) return Status::Ok();
    if (!tasks.ok()) return tasks.status();
    const bool running = std::ranges::any_of(*tasks, [&](const ImportTask& task) {
      return task.state != ImportState::kCompleted && !IsFailure(task.state);
    });
    if (!running) return Status::Ok();
    if (!Clock::Real().SleepFor(kPollInterval, ctx.stop)) return CancelledError();
    MB_RETURN_IF_ERROR(ctx.Check());
  }
}

Status ImportWatch::Poll(const CallContext& ctx, bool tolerate_failure) {
  std::string state;
  is_pending_ = false;
  for (size_t i = 0; i < unfinished_.size() && i < kPolledAtOnce && !is_pending_;) {
    const Task& watched = unfinished_[i];
    auto task = client_.GetImportTask(ctx, db_, watched.id);
    if (!task.ok()) return task.status().Annotate("asking for " + watched.what);
    if (IsFailure(task->state) && !tolerate_failure) return FailureOf(*task, watched.what);
    if (task->state == ImportState::kCompleted || IsFailure(task->state)) {
      if (task->state == ImportState::kCompleted) rows_imported_ += task->row_count;
      if (progress_ != nullptr) ++progress_->imports_done;
      state += fmt::format("{} done,", task->id);
      unfinished_.erase(unfinished_.begin() + static_cast<std::ptrdiff_t>(i));
      queue_.ReturnSlots(1);
      continue;
    }
    state += fmt::format("{} {} {} {},", task->id, static_cast<int>(task->state),
                         InfoOf(*task, "progress_percent"), task->row_count);
    is_pending_ = task->state == ImportState::kPending;
    ++i;
  }
  last_state_ = std::move(state);
  return Status::Ok();
}

}  // namespace milvus_backup::backup
