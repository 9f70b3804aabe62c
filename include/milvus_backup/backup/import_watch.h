/// Starting imports and waiting for them.
#pragma once

#include "milvus_backup/backup/selection.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/transfer/progress.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// What the imports of all collections of a run share: a server works through its tasks in the
/// order they came, whatever collection they are for, so their number is limited together and only
/// together they can be said to be stuck. Thread-safe.
class ImportQueue {
 public:
  /// At most `max_in_flight` unfinished tasks; stalled once nothing has changed for `stall_limit`.
  ImportQueue(size_t max_in_flight, std::chrono::milliseconds stall_limit,
              std::chrono::milliseconds poll_interval)
      : max_in_flight_(max_in_flight), stall_limit_(stall_limit), poll_interval_(poll_interval) {}

  /// How many requests are worth being sent together.
  size_t batch() const { return std::max<size_t>(max_in_flight_ / 4, 1); }
  bool TryTakeSlot();
  /// For a task that runs already, however many there are.
  void TakeSlot();
  void ReturnSlots(size_t count);
  /// A task was started or finished, or has made progress.
  void NoteChange();
  bool stalled() const;
  std::chrono::milliseconds stall_limit() const { return stall_limit_; }
  std::chrono::milliseconds poll_interval() const { return poll_interval_; }

 private:
  const size_t max_in_flight_;
  const std::chrono::milliseconds stall_limit_;
  const std::chrono::milliseconds poll_interval_;
  mutable std::mutex mutex_;
  size_t in_flight_ = 0;
  std::chrono::steady_clock::time_point changed_ = std::chrono::steady_clock::now();
};

/// Is told of imports so that they can be written down. An error ends the work.
class ImportJournal {
 public:
  ImportJournal() = default;
  ImportJournal(const ImportJournal&) = delete;
  ImportJournal& operator=(const ImportJournal&) = delete;
  virtual ~ImportJournal() = default;

  /// These are about to be sent.
  virtual Status Announce(const CallContext& ctx,
                          std::span<const milvus::ImportRequest> requests) = 0;
  /// Milvus has taken those announced last, as these tasks.
  virtual Status NoteTasks(const CallContext& ctx, std::span<const int64_t> ids) = 0;
  /// Milvus has all rows of this task, which was started or adopted.
  virtual void NoteCompleted(const CallContext& /*ctx*/, int64_t /*id*/) {}
};

/// Import tasks of one collection. Not thread-safe.
class ImportWatch {
 public:
  /// All arguments must outlive the watch; `progress` may be null.
  ImportWatch(milvus::Client& client, const CollectionName& target, ImportQueue& queue,
              transfer::Progress* progress)
      : client_(client),
        db_(target.db),
        collection_(target.collection),
        queue_(queue),
        progress_(progress) {}
  ImportWatch(const ImportWatch&) = delete;
  ImportWatch& operator=(const ImportWatch&) = delete;
  ~ImportWatch() { queue_.ReturnSlots(unfinished_.size()); }

  /// Watch a task that another run has started. One that has failed is no task of ours.
  void Adopt(const milvus::ImportTask& task);

  /// Hand every request to the server as soon as the queue has room for it, and wait for all of
  /// them and for adopted tasks. The first failed task ends the wait with the server's reason, a
  /// stalled queue with kDeadlineExceeded.
  Status Run(const CallContext& ctx, std::span<const milvus::ImportRequest> requests,
             ImportJournal& journal);

  /// Wait until no import into the collection is pending or started, whatever became of it, also
  /// one whose id never reached us; bounded by the context alone. For cleaning up. Tasks that are
  /// known to be of another collection than `collection_id` do not count; 0 is any.
  Status Drain(const CallContext& ctx, int64_t collection_id = 0);
  /// After Run: wait for imports whose ids never reached us. kDeadlineExceeded when none of them,
  /// and nothing else in the queue, makes progress for the stall limit.
  Status AwaitLate(const CallContext& ctx, int64_t collection_id);

  int64_t rows_imported() const { return rows_imported_; }
  /// Whether one of the imports brought so many rows.
  bool HasImportOf(int64_t rows) const { return rows_of_imports_.contains(rows); }
  /// Whether a request was sent, or may have been.
  bool has_sent() const { return has_sent_; }

 private:
  struct Task {
    int64_t id = 0;
    std::string what;
  };

  /// Send as many of `requests` as the queue has room for; returns how many.
  Result<size_t> StartSome(const CallContext& ctx, std::span<const milvus::ImportRequest> requests,
                           ImportJournal& journal);
  Result<int64_t> Start(const CallContext& ctx, const milvus::ImportRequest& request);
  /// A failed task is an error where there is a journal; without one it has ended like others.
  Status Poll(const CallContext& ctx, ImportJournal* journal);
  Status Stalled() const;
  Status Stalled(const std::string& whose) const;
  Status AwaitUnknownTasks(const CallContext& ctx, int64_t collection_id, bool gives_up);

  milvus::Client& client_;
  const std::string db_;
  const std::string collection_;
  ImportQueue& queue_;
  transfer::Progress* const progress_;
  /// Oldest first.
  std::vector<Task> unfinished_;
  std::string last_state_;
  /// The oldest task has not been begun.
  bool is_pending_ = false;
  int64_t rows_imported_ = 0;
  std::set<int64_t> rows_of_imports_;
  bool has_sent_ = false;
};

}  // namespace milvus_backup::backup
