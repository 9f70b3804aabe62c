/// Reading pieces of a large file by offset.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/store.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// One version of a file, wherever it is. Copies read the same file.
struct FileBytes {
  /// For messages.
  std::string name;
  /// Differs when the file does.
  std::string mark;
  uint64_t size = 0;
  /// Fill `into` from `offset` on, all of which the file has. kAborted when the file has changed.
  std::function<Status(const CallContext& ctx, uint64_t offset, std::span<std::byte> into)> read;
  /// A read costs so much that many are made at once: not on a disk.
  bool is_remote = false;
};

/// Of this machine. kNotFound (Origin::kConfig) when there is no such file; `key` is what the
/// configuration calls it.
Result<FileBytes> OpenLocalBytes(const std::string& path, const std::string& key);

/// Of a storage; `store` must outlive it and its prefix does not count.
Result<FileBytes> OpenStoredBytes(const CallContext& ctx, const Store& store,
                                  const std::string& key);

/// Holds one stretch of the file, so that small reads in order cost little. Used by one thread;
/// `file` must outlive it.
class FileWindow {
 public:
  /// Without `bytes` nothing is held.
  FileWindow(const FileBytes& file, uint64_t bytes) : file_(file), capacity_(bytes) {}

  /// As FileBytes::read.
  Status ReadAt(const CallContext& ctx, uint64_t offset, std::span<std::byte> into);

 private:
  const FileBytes& file_;
  const uint64_t capacity_;
  std::vector<std::byte> held_;
  uint64_t begin_ = 0;
};

}  // namespace milvus_backup::migration
