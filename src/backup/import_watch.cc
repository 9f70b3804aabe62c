#include "milvus_backup/backup/import_watch.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace milvus_backup::backup {
namespace {

using milvus::ImportState;
using milvus::ImportTask;

/// While the oldest task still waits for those of other collections, its own is asked for less
/// often.
constexpr int kPendingPollFactor = 2;
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

bool HasEnded(const ImportTask& task) {
  return task.state == ImportState::kCompleted || IsFailure(task.state);
}

/// Changes when the task makes progress.
std::string StateOf(const ImportTask& task) {
  return fmt::format("{} {} {} {},", task.id, static_cast<int>(task.state),
                     InfoOf(task, "progress_percent"), task.row_count);
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

void ImportQueue::TakeSlot() {
  const std::scoped_lock lock(mutex_);
  ++in_flight_;
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

void ImportWatch::Adopt(const ImportTask& task) {
  if (IsFailure(task.state)) return;
  queue_.TakeSlot();
  unfinished_.push_back({task.id, fmt::format("{}.{}/{} ({})", db_, collection_,
                                              InfoOf(task, "partition"), InfoOf(task, "files"))});
}

Status ImportWatch::Run(const CallContext& ctx, std::span<const milvus::ImportRequest> requests,
                        ImportJournal& journal) {
  while (!requests.empty() || !unfinished_.empty()) {
    MB_RETURN_IF_ERROR(ctx.Check());
    MB_ASSIGN_OR_RETURN(const size_t started, StartSome(ctx, requests, journal));
    requests = requests.subspan(started);
    const std::string before = last_state_;
    MB_RETURN_IF_ERROR(Poll(ctx, &journal));
    if (last_state_ != before) queue_.NoteChange();
    if (requests.empty() && unfinished_.empty()) break;
    if (queue_.stalled()) return Stalled();
    const auto pause = queue_.poll_interval() * (is_pending_ ? kPendingPollFactor : 1);
    if (!Clock::Real().SleepFor(pause, ctx.stop)) return CancelledError();
  }
  return Status::Ok();
}

Result<size_t> ImportWatch::StartSome(const CallContext& ctx,
                                      std::span<const milvus::ImportRequest> requests,
                                      ImportJournal& journal) {
  size_t count = 0;
  while (count < requests.size() && queue_.TryTakeSlot()) ++count;
  // What is sent is written down together with all before it: a large collection would be written
  // down again and again if every slot were taken as it comes free.
  if (count < std::min(requests.size(), queue_.batch()) && !unfinished_.empty()) {
    queue_.ReturnSlots(count);
    return size_t{0};
  }
  if (count == 0) return count;
  Status status = journal.Announce(ctx, requests.first(count));
  std::vector<int64_t> ids;
  for (const milvus::ImportRequest& request : requests.first(count)) {
    if (!status.ok()) break;
    const auto id = Start(ctx, request);
    status = id.status();
    if (id.ok()) ids.push_back(*id);
  }
  queue_.ReturnSlots(count - ids.size());
  if (status.ok()) status = journal.NoteTasks(ctx, ids);
  if (!status.ok()) return status;
  return count;
}

Result<int64_t> ImportWatch::Start(const CallContext& ctx, const milvus::ImportRequest& request) {
  const std::string what = fmt::format("{}.{}/{} ({})", request.db_name, request.collection_name,
                                       request.partition_name, request.files.front());
  has_sent_ = true;
  auto id = client_.Import(ctx, request);
  if (!id.ok()) return id.status().Annotate("importing " + what);
  log::Info("import={} target={}", *id, what);
  unfinished_.push_back({*id, what});
  queue_.NoteChange();
  return id;
}

Status ImportWatch::Stalled() const {
  return Stalled(unfinished_.empty() ? "the imports before that of " + db_
                                     : fmt::format("import task {} of {}", unfinished_.front().id,
                                                   unfinished_.front().what));
}

Status ImportWatch::Stalled(const std::string& whose) const {
  const std::chrono::duration<double> limit = queue_.stall_limit();
  return Status(Code::kDeadlineExceeded,
                fmt::format("{} has made no progress for {:g} s", whose, limit.count()))
      .WithOrigin(Origin::kMilvus);
}

Status ImportWatch::Drain(const CallContext& ctx, int64_t collection_id) {
  while (!unfinished_.empty()) {
    MB_RETURN_IF_ERROR(Poll(ctx, nullptr));
    if (!unfinished_.empty() && !Clock::Real().SleepFor(queue_.poll_interval(), ctx.stop)) {
      return CancelledError();
    }
    MB_RETURN_IF_ERROR(ctx.Check());
  }
  return AwaitUnknownTasks(ctx, collection_id, false);
}

Status ImportWatch::AwaitLate(const CallContext& ctx, int64_t collection_id) {
  return AwaitUnknownTasks(ctx, collection_id, true);
}

// The reply to an import may have been lost, so the server's own list has the last word.
Status ImportWatch::AwaitUnknownTasks(const CallContext& ctx, int64_t collection_id,
                                      bool gives_up) {
  std::string before;
  while (true) {
    auto tasks = client_.ListImportTasks(ctx, db_, collection_);
    const Code code = tasks.status().code();
    // Nothing can be imported into a collection that is gone.
    if (code == Code::kUnimplemented || code == Code::kNotFound) return Status::Ok();
    if (!tasks.ok()) return tasks.status();
    std::erase_if(*tasks, [&](const ImportTask& task) {
      // Of an earlier collection of the same name.
      const bool is_other =
          collection_id != 0 && task.collection_id != 0 && task.collection_id != collection_id;
      return is_other || HasEnded(task);
    });
    if (tasks->empty()) return Status::Ok();
    std::string state;
    for (const ImportTask& task : *tasks) state += StateOf(task);
    if (state != before) queue_.NoteChange();
    before = std::move(state);
    if (gives_up && queue_.stalled()) {
      return Stalled(fmt::format("import task {} of {}.{} ({})", tasks->front().id, db_,
                                 collection_, InfoOf(tasks->front(), "files")));
    }
    if (!Clock::Real().SleepFor(queue_.poll_interval(), ctx.stop)) return CancelledError();
    MB_RETURN_IF_ERROR(ctx.Check());
  }
}

Status ImportWatch::Poll(const CallContext& ctx, ImportJournal* journal) {
  std::string state;
  is_pending_ = false;
  for (size_t i = 0; i < unfinished_.size() && i < kPolledAtOnce && !is_pending_;) {
    const Task& watched = unfinished_[i];
    auto task = client_.GetImportTask(ctx, db_, watched.id);
    if (!task.ok()) return task.status().Annotate("asking for " + watched.what);
    if (IsFailure(task->state) && journal != nullptr) return FailureOf(*task, watched.what);
    if (HasEnded(*task)) {
      if (task->state == ImportState::kCompleted) {
        rows_imported_ += task->row_count;
        rows_of_imports_.insert(task->row_count);
        if (journal != nullptr) journal->NoteCompleted(ctx, watched.id);
      }
      if (progress_ != nullptr) ++progress_->imports_done;
      state += fmt::format("{} done,", task->id);
      unfinished_.erase(unfinished_.begin() + static_cast<std::ptrdiff_t>(i));
      queue_.ReturnSlots(1);
      continue;
    }
    state += StateOf(*task);
    is_pending_ = task->state == ImportState::kPending;
    ++i;
  }
  last_state_ = std::move(state);
  return Status::Ok();
}

}  // namespace milvus_backup::backup
