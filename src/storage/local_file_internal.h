/// Files and directories for the local backend: errno as Status, durable writes, key rules.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <utility>

namespace milvus_backup::storage {

inline constexpr std::string_view kTemporarySuffix = ".mbtmp";
inline constexpr std::string_view kUploadsDirectory = ".mb-uploads";

/// A file descriptor that closes itself.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor();

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// `errno_value` while doing something with `path`, with class and advice.
Status FileError(int errno_value, std::string_view doing, const std::string& path);

/// What `path`, with or without a slash behind it, is refused with when it is a link to a
/// directory.
Status LinkError(std::string path);

/// kInvalidArgument for keys that have no place below a root.
Status CheckLocalKey(std::string_view key);
/// Whether a directory entry is one of our temporaries.
bool IsTemporaryName(std::string_view name);
/// Remove the temporary `name` of the open `directory` unless somebody may be at work on it: it is
/// locked, or was written to within the last hour by the clock of its file system (locks of other
/// machines may not be seen, and older versions do not lock). Whether it was removed. Where the
/// file system has no locks, or nothing can be made in the directory, nobody can tell, and it
/// stays.
bool RemoveDeadTemporary(int directory, const std::string& name);
/// 16 random hex digits.
std::string RandomName();

std::string EtagOf(const struct stat& info);
std::string ParentOf(const std::string& path);

Status MakeDirectories(const std::string& path);
Status SyncDirectory(const std::string& path);
Status WriteAt(int fd, ByteView bytes, uint64_t offset, const std::string& path);
/// As WriteAt, at the pace of the context.
Status WriteBody(const CallContext& ctx, int fd, ByteView body, uint64_t offset,
                 const std::string& path);
/// What every operation begins with: it counts as a request.
Status BeginCall(const CallContext& ctx);
/// Copy `length` bytes of `from` at `from_offset` to `to` at `to_offset` without user space buffers
/// where the kernel can, at the pace of the context: a clone of the whole file moves nothing and is
/// made at once. kOutOfRange when the source is shorter.
Status CopyBytes(const CallContext& ctx, int from, uint64_t from_offset, int to, uint64_t to_offset,
                 uint64_t length, const std::string& path);

/// A file that replaces its target at Publish. One that was made for it lies beside the target and
/// vanishes when it is not published; an adopted one stays where it is. The former is locked
/// (flock) while it is written, so that others can tell it from what a killed process has left.
class TemporaryFile {
 public:
  /// Creates missing parent directories. `target` is the final path.
  static Result<TemporaryFile> CreateFor(const std::string& target);
  /// Take over a file that exists already, in any directory of the same file system.
  static TemporaryFile Adopt(std::string path, FileDescriptor fd, std::string target);

  TemporaryFile(TemporaryFile&& other) noexcept = default;
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile();

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  /// Flush (when `sync`), rename to the target, flush the directory; returns the file's state.
  /// kAlreadyExists with `if_absent` when the target exists.
  Result<struct stat> Publish(bool if_absent, bool sync);

 private:
  TemporaryFile(std::string path, FileDescriptor fd, std::string target, bool adopted)
      : path_(std::move(path)), target_(std::move(target)), fd_(std::move(fd)), adopted_(adopted) {}

  std::string path_;
  std::string target_;
  FileDescriptor fd_;
  bool adopted_;
};

}  // namespace milvus_backup::storage
