/// A small object that is copied on a loop.
#pragma once

#include "lane_internal.h"
#include "pace_internal.h"
#include "transfer_internal.h"

#include "milvus_backup/storage/backend.h"
#include "milvus_backup/transfer/copy_engine.h"

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace milvus_backup::transfer {

/// One GET and one PUT, and the object is copied or cannot be: what most objects need. Whatever
/// else turns out to be needed, from a wait for memory to a second try, is left to a thread, which
/// begins anew. Owned by what is called when its requests end.
class SmallCopy : public std::enable_shared_from_this<SmallCopy> {
 public:
  /// Whether the object needs, in all likelihood, no more than that.
  static bool Suits(const CopyBatch& batch, const CopyItem& item);
  static void Submit(CopyBatch& batch, CopyItem item);

  SmallCopy(CopyBatch& batch, CopyItem item) : batch_(batch), item_(std::move(item)) {}

 private:
  void Begin(Lane::Seat seat);
  void OnRead(const Result<storage::ReadInfo>& read);
  void OnWritten(const Result<storage::ObjectInfo>& written);
  void OnError(const Status& status, bool unread);
  /// The last words: the batch may be destroyed after either.
  void End(const Status& status, bool unread);
  /// `wrote`: there is an object by now that nobody vouches for.
  void LeaveToThread(bool wrote, std::chrono::milliseconds wait = std::chrono::milliseconds(0));

  CopyBatch& batch_;
  CopyItem item_;
  Lane::Seat seat_;
  ByteBound::Permit permit_;
  LoadedRange loaded_;
  std::optional<RangeFill> fill_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace milvus_backup::transfer
