#include "local_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace milvus_backup::migration {

LocalFile::LocalFile(std::string path, int descriptor)
    : path_(std::move(path)), descriptor_(descriptor) {}

LocalFile::LocalFile(LocalFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      version_(std::move(other.version_)),
      changed_s_(other.changed_s_),
      changed_ns_(other.changed_ns_) {}

LocalFile::~LocalFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<LocalFile> LocalFile::Open(const std::string& path, const std::string& key) {
  const auto cannot = [&](const std::string& why) {
    return NotFoundError(fmt::format("cannot read {}: {}", path, why))
        .WithOrigin(Origin::kConfig)
        .WithAdvice(fmt::format("correct {}", key));
  };
  // Without O_NONBLOCK a pipe would be waited for.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return cannot(std::generic_category().message(errno));
  LocalFile file(path, descriptor);
  if (const Status looked = file.Look(); !looked.ok()) return cannot(looked.message());
  return file;
}

Status LocalFile::Look() {
  struct stat info = {};
  if (::fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) {
    return FailedPreconditionError("it is no file");
  }
  version_ = {.size = static_cast<uint64_t>(info.st_size),
              .mark = fmt::format("{}:{}:{}.{:09d}", path_, info.st_size, info.st_mtim.tv_sec,
                                  info.st_mtim.tv_nsec)};
  changed_s_ = info.st_mtim.tv_sec;
  changed_ns_ = info.st_mtim.tv_nsec;
  return Status::Ok();
}

bool LocalFile::IsUnchanged() const {
  struct stat info = {};
  return ::fstat(descriptor_, &info) == 0 && S_ISREG(info.st_mode) &&
         static_cast<uint64_t>(info.st_size) == version_.size &&
         info.st_mtim.tv_sec == changed_s_ && info.st_mtim.tv_nsec == changed_ns_;
}

Status LocalFile::ReadAt(uint64_t offset, std::span<std::byte> into) const {
  while (!into.empty()) {
    const ssize_t got = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      return DataLossError(
          fmt::format("reading {}: {}", path_, std::generic_category().message(errno)));
    }
    if (got == 0) return DataLossError(path_ + " ended early");
    into = into.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
  if (IsUnchanged()) return Status::Ok();
  return Status(Code::kAborted, path_ + " has changed while it was read");
}

Result<FileVersion> LookAtFile(const std::string& path, const std::string& key) {
  MB_ASSIGN_OR_RETURN(const LocalFile file, LocalFile::Open(path, key));
  return file.version();
}

}  // namespace milvus_backup::migration
