/// Writing an object of known size in pieces of bounded memory.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/memory_budget.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// Holds one part of the object; becomes visible as a whole by Finish, or not at all. One that is
/// small is put at once, others are uploaded in parts. Used by one thread.
class ObjectWriter {
 public:
  /// Called with every stretch of the object in order, and its position, which is a multiple of 64.
  /// All of a part has been looked at before the part is sent.
  using Inspect = std::function<Status(uint64_t position, ByteView stretch)>;

  /// `backend` and `budget` must outlive the writer. Aborts uploads of `key` that a killed run
  /// left.
  static Result<ObjectWriter> Create(const CallContext& ctx, storage::Backend& backend,
                                     std::string key, uint64_t size, MemoryBudget& budget);

  const std::string& key() const { return key_; }
  /// Where the bytes that come next belong: the rest of the part that is being filled. Never empty
  /// while bytes are missing.
  std::span<std::byte> room() { return part_.span().subspan(filled_); }
  void set_inspect(Inspect inspect) { inspect_ = std::move(inspect); }
  /// Send nothing from now on; parts are only inspected.
  void StopSending() { sends_ = false; }

  /// The first `count` bytes of room() have been written there.
  Status Filled(const CallContext& ctx, uint64_t count);
  /// Copy `bytes` to where they belong.
  Status Append(const CallContext& ctx, ByteView bytes);
  /// kDataLoss unless exactly the bytes that were announced have come.
  Status Finish(const CallContext& ctx);

 private:
  ObjectWriter(storage::Backend& backend, std::string key, uint64_t size, Buffer part)
      : backend_(&backend), key_(std::move(key)), size_(size), part_(std::move(part)) {}

  Status CheckFits(uint64_t count) const;
  /// Inspect what was filled up to `end` and not inspected yet.
  Status InspectTo(size_t end);
  Status Flush(const CallContext& ctx);

  storage::Backend* backend_;
  std::string key_;
  uint64_t size_;
  Buffer part_;
  size_t filled_ = 0;
  /// Of the part.
  size_t inspected_ = 0;
  /// Bytes of the parts before.
  uint64_t flushed_ = 0;
  bool sends_ = true;
  Inspect inspect_;
  /// Null when the object goes in one piece.
  std::unique_ptr<storage::Upload> upload_;
  std::vector<storage::PartInfo> parts_;
};

}  // namespace milvus_backup::migration
