/// Telling an object that cannot be read from a storage that is gone.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <atomic>

namespace milvus_backup::backup {

/// One for a check that reads many objects, each retried by the storage already. A disk with a bad
/// sector and a service that has lost one object fail for that object alone, and what the others
/// are is worth knowing. Thread-safe.
class FailedReads {
 public:
  explicit FailedReads(storage::Backend& backend) : backend_(backend) {}

  /// An object could be read.
  void NoteSuccess() { in_a_row_ = 0; }

  /// After an object could not be read: OK when it makes sense to go on with others, `failure` when
  /// the call was stopped, the storage does not answer at all, or nothing could be read for long.
  Status Judge(const CallContext& ctx, const Status& failure) {
    if (failure.code() == Code::kCancelled || !ctx.Check().ok()) return failure;
    if (++in_a_row_ >= kMostInARow) return failure;
    return backend_.CheckAccess(ctx).ok() ? Status::Ok() : failure;
  }

 private:
  /// More than are under way at once, so that a moment without the storage is not taken for its
  /// end.
  static constexpr unsigned kMostInARow = 16;

  storage::Backend& backend_;
  std::atomic<unsigned> in_a_row_{0};
};

}  // namespace milvus_backup::backup
