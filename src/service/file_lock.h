/// A file that one process at a time has.
#pragma once

#include "milvus_backup/base/status.h"

#include <string>

namespace milvus_backup::service {

/// The lock goes with the object, and with the process however that ends. Movable; one object is
/// used by one thread.
class FileLock {
 public:
  /// Make the file where it is missing and lock it. kAlreadyExists when it is locked, also by
  /// another object of this process; kFailedPrecondition naming it when it cannot be opened.
  static Result<FileLock> TryTake(const std::string& path);
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int file) : file_(file) {}

  int file_ = -1;
};

}  // namespace milvus_backup::service
