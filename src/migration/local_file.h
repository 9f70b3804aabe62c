/// Files of this machine that rows are read from.
#pragma once

#include "milvus_backup/base/status.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace milvus_backup::migration {

/// One version of a file.
struct FileVersion {
  uint64_t size = 0;
  /// Path, size and time of the last change.
  std::string mark;
};

/// An open file. May be read by several threads.
class LocalFile {
 public:
  /// kNotFound (Origin::kConfig) when `path` is no readable regular file. `key` is what the
  /// configuration calls it, for the advice.
  static Result<LocalFile> Open(const std::string& path, const std::string& key);
  LocalFile(LocalFile&& other) noexcept;
  LocalFile& operator=(LocalFile&&) = delete;
  LocalFile(const LocalFile&) = delete;
  LocalFile& operator=(const LocalFile&) = delete;
  ~LocalFile();

  /// As it was opened.
  const FileVersion& version() const { return version_; }
  /// kDataLoss when the file ends before, kAborted when it has changed since it was opened.
  Status ReadAt(uint64_t offset, std::span<std::byte> into) const;

 private:
  LocalFile(std::string path, int descriptor);
  Status Look();
  /// Compares without making texts: it is asked for every piece that is read.
  bool IsUnchanged() const;

  std::string path_;
  int descriptor_;
  FileVersion version_;
  /// Of the last change, as the system tells it.
  int64_t changed_s_ = 0;
  int64_t changed_ns_ = 0;
};

/// The version of the file at `path`. Errors as LocalFile::Open.
Result<FileVersion> LookAtFile(const std::string& path, const std::string& key);

}  // namespace milvus_backup::migration
