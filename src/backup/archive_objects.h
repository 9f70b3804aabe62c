/// The objects of an archive on their way into a storage.
#pragma once

#include "archive_stream.h"
#include "copy_marker.h"
#include "grace.h"

#include "milvus_backup/backup/archive.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/memory_budget.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/meta/manifest.h"
#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <string>

namespace milvus_backup::backup {

/// Where an object of an archive goes, and what it must be.
struct ArrivingObject {
  std::string key;
  uint64_t size = 0;
  /// Nothing known without a manifest.
  meta::ContentHash hash{};
};

/// Small objects are held whole, compared, and sent by several threads while the next ones come.
/// Large ones are sent in parts as they come, and appear only when all of them has been compared.
/// Used by one thread.
class ArrivingObjects {
 public:
  /// All arguments must outlive this object. `marker` is where uploads are recorded.
  ArrivingObjects(const CallContext& ctx, storage::Backend& backend, CopyMarker& marker,
                  const ImportOptions& options);

  /// Take the bytes of an object from `reader`. kDataLoss naming it when they are not what it must
  /// be; then it is not written. Any other error may also be that of an object before.
  Status Take(ArchiveReader& reader, const ArrivingObject& object);
  /// Wait for what is under way.
  Status Finish();

 private:
  Status TakeWhole(ArchiveReader& reader, const ArrivingObject& object);
  Status TakeInParts(ArchiveReader& reader, const ArrivingObject& object, uint64_t part_size);
  /// Of a write that, once sent, is to end.
  CallContext Writing() const { return {grace_.token(), ctx_.deadline}; }
  void CountDone(uint64_t size);

  const CallContext& ctx_;
  storage::Backend& backend_;
  CopyMarker& marker_;
  const ImportOptions& options_;
  MemoryBudget budget_;
  Grace grace_;
  TaskGroup puts_;  // last: its threads use what is above
};

}  // namespace milvus_backup::backup
