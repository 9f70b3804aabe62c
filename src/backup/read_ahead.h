/// Objects that are read before they are needed, in an order that is known.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/storage/backend.h"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace milvus_backup::backup {

/// Small objects are fetched by several threads, within a bound of bytes; a large one is read when
/// its turn comes. Used by one thread.
class ReadAhead {
 public:
  /// `backend` must outlive this object.
  ReadAhead(const CallContext& ctx, storage::Backend& backend, size_t memory_bytes);

  bool empty() const { return queue_.empty(); }
  /// Whether an object of this size may be added now.
  bool HasRoom(uint64_t size) const;
  /// Ask for an object as it was listed.
  void Add(storage::ObjectInfo object);
  /// The object asked for first, of those that are left.
  const storage::ObjectInfo& front() const { return queue_.front()->object; }
  /// Give all bytes of the front to `sink`, in order, and forget it. kAborted when it is not what
  /// was listed any more, kDataLoss when the service's own checksum belies the bytes.
  Status Take(const std::function<Status(ByteView)>& sink);

 private:
  struct Item {
    storage::ObjectInfo object;
    bool ahead = false;
    std::unique_ptr<std::byte[]> bytes;
    bool done = false;
    Status status;
  };

  /// Read an object from front to back.
  Status Read(const CallContext& ctx, const storage::ObjectInfo& object,
              const std::function<Status(ByteView)>& sink) const;
  void Load(const CallContext& ctx, Item& item);

  const CallContext ctx_;
  storage::Backend& backend_;
  const size_t memory_bytes_;
  size_t held_bytes_ = 0;
  std::deque<std::shared_ptr<Item>> queue_;
  std::mutex mutex_;
  std::condition_variable_any loaded_;
  TaskGroup tasks_;  // last: its threads use what is above
};

}  // namespace milvus_backup::backup
