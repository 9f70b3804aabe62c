#include "file_lock.h"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace milvus_backup::service {

Result<FileLock> FileLock::TryTake(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0) return FileLock(file);
  const std::error_code error(errno, std::generic_category());
  if (file >= 0) close(file);
  if (error.value() == EWOULDBLOCK) return AlreadyExistsError(path + " is locked");
  return FailedPreconditionError(fmt::format("{}: {}", path, error.message()));
}

FileLock::FileLock(FileLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}

FileLock::~FileLock() {
  if (file_ >= 0) close(file_);
}

}  // namespace milvus_backup::service
