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
/// A server works through its tasks in order, so only the oldest ones are worth asking about.
constexpr size_t kPolledAtOnce = 4;
/// No task changed its state, progress or row count for this long: the server has given up on them.
constexpr auto kStallLimit = 30min;

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

Status ImportWatch::Run(const CallContext& ctx,
                        const std::vector<milvus::ImportRequest>& requests) {
  auto next = requests.begin();
  auto changed = std::chrono::steady_clock::now();
  std::string last_state;
  while (next != requests.end() || !unfinished_.empty()) {
    MB_RETURN_IF_ERROR(ctx.Check());
    for (; next != requests.end() && unfinished_.size() < max_in_flight_; ++next) {
      const std::string what = fmt::format("{}.{}/{} ({})", next->db_name, next->collection_name,
                                           next->partition_name, next->files.front());
      auto id = client_.Import(ctx, *next);
      if (!id.ok()) return id.status().Annotate("importing " + what);
      log::Info("import={} target={}", *id, what);
      unfinished_.push_back({*id, what});
      changed = std::chrono::steady_clock::now();
    }
    MB_RETURN_IF_ERROR(Poll(ctx, false));
    if (last_state != last_state_) {
      last_state = last_state_;
      changed = std::chrono::steady_clock::now();
    } else if (std::chrono::steady_clock::now() - changed > kStallLimit) {
      return Status(
                 Code::kDeadlineExceeded,
                 fmt::format("import task {} of {} has made no progress for {} minutes",
                             unfinished_.front().id, unfinished_.front().what, kStallLimit.count()))
          .WithOrigin(Origin::kMilvus);
    }
    if (!unfinished_.empty() && !Clock::Real().SleepFor(kPollInterval, ctx.stop)) {
      return CancelledError();
    }
  }
  return Status::Ok();
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
  for (size_t i = 0, asked = 0; i < unfinished_.size() && asked < kPolledAtOnce; ++asked) {
    const Task& watched = unfinished_[i];
    auto task = client_.GetImportTask(ctx, db_, watched.id);
    if (!task.ok()) return task.status().Annotate("asking for " + watched.what);
    if (IsFailure(task->state) && !tolerate_failure) return FailureOf(*task, watched.what);
    if (task->state == ImportState::kCompleted || IsFailure(task->state)) {
      if (task->state == ImportState::kCompleted) rows_imported_ += task->row_count;
      if (progress_ != nullptr) ++progress_->imports_done;
      state += fmt::format("{} done,", task->id);
      unfinished_.erase(unfinished_.begin() + static_cast<std::ptrdiff_t>(i));
      continue;
    }
    state += fmt::format("{} {} {} {},", task->id, static_cast<int>(task->state),
                         InfoOf(*task, "progress_percent"), task->row_count);
    ++i;
  }
  last_state_ = std::move(state);
  return Status::Ok();
}

}  // namespace milvus_backup::backup
