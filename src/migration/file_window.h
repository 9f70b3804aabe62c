/// Reading pieces of a large file by offset without a request for each.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/store.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// One version of an object.
struct StoredFile {
  std::string key;
  /// For messages.
  std::string name;
  std::string etag;
  uint64_t size = 0;
};

/// Holds one stretch of the file. Used by one thread; `store` and `file` must outlive it.
class FileWindow {
 public:
  FileWindow(const Store& store, const StoredFile& file, uint64_t bytes)
      : store_(store), file_(file), capacity_(bytes) {}

  /// Fill `into` from `offset` on. Both are those of bytes that the file has: a reader checks that
  /// before. kAborted when the file has changed.
  Status ReadAt(const CallContext& ctx, uint64_t offset, std::span<std::byte> into);

 private:
  Status Fetch(const CallContext& ctx, uint64_t offset, std::span<std::byte> into) const;

  const Store& store_;
  const StoredFile& file_;
  const uint64_t capacity_;
  std::vector<std::byte> held_;
  uint64_t begin_ = 0;
};

}  // namespace milvus_backup::migration
