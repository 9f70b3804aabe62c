#include "local_file_internal.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/storage/backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace milvus_backup::storage {
namespace {

constexpr size_t kMaxSegment = 255;
constexpr size_t kRandomDigits = 16;
/// A temporary that was not written to for so long has no writer any more.
constexpr time_t kDeadAfterSeconds = 3600;
constexpr uint64_t kCopyStep = 64 * kMiB;
/// Bytes that a pacer is asked for at once.
constexpr uint64_t kPacedStep = 256 * kKiB;

std::string HexNumber(uint64_t value) {
  char text[20];
  const int length =
      std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(value));
  return {text, static_cast<size_t>(length)};
}

bool IsHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// How many of `length` bytes may be moved now, at most `step`.
Result<uint64_t> Paced(const CallContext& ctx, uint64_t length, uint64_t step) {
  MB_RETURN_IF_ERROR(ctx.Check());
  const uint64_t portion = std::min(length, step);
  if (ctx.pacer == nullptr || !ctx.pacer->limits_bytes()) return portion;
  const uint64_t paced = std::min(portion, kPacedStep);
  MB_RETURN_IF_ERROR(ctx.pacer->BeforeBytes(ctx, paced));
  return paced;
}

/// Whether the kernel refuses this way of copying, so that the next one has to be tried.
bool TryAnotherWay(int error) {
  return error == EXDEV || error == EINVAL || error == ENOSYS || error == EOPNOTSUPP ||
         error == EPERM || error == ETXTBSY || error == EBADF;
}

/// What a file looks like that is made in `directory` now: its time is that of the file system's
/// clock, which may be another machine's. False when none can be made.
bool LookAtNewFile(int directory, struct stat& info) {
  const std::string name = fmt::format(".now.{}{}", RandomName(), kTemporarySuffix);
  constexpr int kMode = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
  const FileDescriptor fd(openat(directory, name.c_str(), kMode, 0600));
  if (!fd.valid()) return false;
  const bool known = fstat(fd.get(), &info) == 0;
  unlinkat(directory, name.c_str(), 0);
  return known;
}

/// Lock a temporary that was just made. False when somebody took it for a dead one in between.
bool Claim(const FileDescriptor& fd) {
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return errno != EWOULDBLOCK;
  struct stat info {};
  return fstat(fd.get(), &info) != 0 || info.st_nlink > 0;
}

Status CopyThroughBuffer(const CallContext& ctx, int from, uint64_t from_offset, int to,
                         uint64_t to_offset, uint64_t length, const std::string& path) {
  std::vector<std::byte> buffer(std::min<uint64_t>(length, kMiB));
  while (length > 0) {
    MB_ASSIGN_OR_RETURN(const size_t want, Paced(ctx, length, buffer.size()));
    const ssize_t got = pread(from, buffer.data(), want, static_cast<off_t>(from_offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(errno, "reading", path);
    if (got == 0) return {Code::kOutOfRange, path + " is shorter than expected"};
    const auto count = static_cast<size_t>(got);
    MB_RETURN_IF_ERROR(WriteAt(to, ByteView(buffer.data(), count), to_offset, path));
    from_offset += count;
    to_offset += count;
    length -= count;
  }
  return Status::Ok();
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) close(fd_);
}

Status FileError(int errno_value, std::string_view doing, const std::string& path) {
  const std::string text = std::string(doing) + " " + path + ": " +
                           std::error_code(errno_value, std::generic_category()).message();
  const auto make = [&](Code code, const char* advice, RetryClass retry = RetryClass::kNever) {
    return Status(code, text).WithOrigin(Origin::kStorage).WithAdvice(advice).WithRetry(retry);
  };
  switch (errno_value) {
    case ENOENT:
      return make(Code::kNotFound, "");
    case EEXIST:
      return make(Code::kAlreadyExists, "");
    case ENOTDIR:
    case EISDIR:
    case ENOTEMPTY:
      return make(Code::kFailedPrecondition,
                  "a file system cannot hold an object and another one below it");
    case EACCES:
    case EPERM:
      return make(Code::kPermissionDenied, "check the owner and mode of the directory");
    case EROFS:
      return make(Code::kPermissionDenied, "the file system is mounted read-only");
    case ENOSPC:
      return make(Code::kResourceExhausted, "the disk is full: free space or use another one");
    case EDQUOT:
      return make(Code::kResourceExhausted, "the disk quota is used up");
    case EFBIG:
      return make(Code::kResourceExhausted, "the file system cannot hold a file this large");
    case EMFILE:
    case ENFILE:
      return make(Code::kResourceExhausted, "too many open files: raise `ulimit -n`");
    case ENAMETOOLONG:
      return make(Code::kInvalidArgument, "the path is too long for the file system");
    case EIO:
      return make(Code::kUnavailable, "check the disk", RetryClass::kTransient)
          .WithService(kDiskError, 0, "");
    case ESTALE:
      return make(Code::kUnavailable, "check the disk", RetryClass::kTransient);
    default:
      return make(Code::kUnknown, "");
  }
}

Status LinkError(std::string path) {
  while (path.ends_with('/')) path.pop_back();
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    return FailedPreconditionError(path + " is a symbolic link that leads nowhere")
        .WithOrigin(Origin::kStorage)
        .WithAdvice("remove the link, or put what it names where it leads");
  }
  return FailedPreconditionError(path + " is a symbolic link to a directory; it is not followed")
      .WithOrigin(Origin::kStorage)
      .WithAdvice("mount that directory there (mount --bind) or move it to where the link is");
}

Status CheckLocalKey(std::string_view key) {
  const auto refuse = [key](const char* why) {
    return InvalidArgumentError("not a key for local storage: '" + std::string(key) + "' " + why)
        .WithOrigin(Origin::kStorage);
  };
  for (const char c : key) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return InvalidArgumentError("a key for local storage must not hold control characters")
          .WithOrigin(Origin::kStorage);
    }
  }
  if (key.empty()) return refuse("is empty");
  if (key.front() == '/') return refuse("is absolute");
  bool first = true;
  for (std::string_view rest = key;;) {
    const size_t slash = rest.find('/');
    const std::string_view segment = rest.substr(0, slash);
    if (segment.empty()) return refuse("has an empty segment");
    if (segment == "." || segment == "..") return refuse("has a segment . or ..");
    if (segment.size() > kMaxSegment) return refuse("has a segment of more than 255 bytes");
    if (IsTemporaryName(segment)) return refuse("looks like a temporary file");
    if (first && segment == kUploadsDirectory) return refuse("is reserved for unfinished uploads");
    if (slash == std::string_view::npos) return Status::Ok();
    rest.remove_prefix(slash + 1);
    first = false;
  }
}

bool IsTemporaryName(std::string_view name) {
  constexpr size_t kTail = 1 + kRandomDigits + kTemporarySuffix.size();
  if (name.size() < 1 + kTail || name.front() != '.' || !name.ends_with(kTemporarySuffix)) {
    return false;
  }
  const std::string_view tail = name.substr(name.size() - kTail);
  return tail.front() == '.' && IsHex(tail.substr(1, kRandomDigits));
}

bool RemoveDeadTemporary(int directory, const std::string& name) {
  constexpr int kMode = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  const FileDescriptor fd(openat(directory, name.c_str(), kMode));
  struct stat found {};
  struct stat made {};
  if (!fd.valid() || fstat(fd.get(), &found) != 0 || !LookAtNewFile(directory, made)) return false;
  if (made.st_mtim.tv_sec - found.st_mtim.tv_sec <= kDeadAfterSeconds) return false;
  // Held until the name is gone: see Claim.
  return flock(fd.get(), LOCK_EX | LOCK_NB) == 0 && unlinkat(directory, name.c_str(), 0) == 0;
}

std::string RandomName() {
  std::array<std::byte, kRandomDigits / 2> bytes{};
  MB_CHECK(getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  return HexEncode(bytes);
}

std::string EtagOf(const struct stat& info) {
  const auto nanoseconds = static_cast<uint64_t>(info.st_mtim.tv_sec) * 1'000'000'000 +
                           static_cast<uint64_t>(info.st_mtim.tv_nsec);
  return HexNumber(info.st_ino) + "-" + HexNumber(static_cast<uint64_t>(info.st_size)) + "-" +
         HexNumber(nanoseconds);
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status MakeDirectories(const std::string& path) {
  if (mkdir(path.c_str(), 0777) == 0) return Status::Ok();
  if (errno == ENOENT) {
    MB_RETURN_IF_ERROR(MakeDirectories(ParentOf(path)));
    if (mkdir(path.c_str(), 0777) == 0) return Status::Ok();
  }
  const int error = errno;
  struct stat info {};
  if (error == EEXIST && stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return Status::Ok();
    return FileError(ENOTDIR, "creating directory", path);
  }
  return FileError(error, "creating directory", path);
}

Status SyncDirectory(const std::string& path) {
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Another writer's Delete may have removed it meanwhile; then there is nothing to make durable.
  if (!fd.valid()) return errno == ENOENT ? Status::Ok() : FileError(errno, "opening", path);
  if (fsync(fd.get()) != 0 && errno != EINVAL) return FileError(errno, "flushing", path);
  return Status::Ok();
}

Status WriteAt(int fd, ByteView bytes, uint64_t offset, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError(errno, "writing", path);
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return Status::Ok();
}

Status WriteBody(const CallContext& ctx, int fd, ByteView body, uint64_t offset,
                 const std::string& path) {
  while (!body.empty()) {
    MB_ASSIGN_OR_RETURN(const size_t portion, Paced(ctx, body.size(), body.size()));
    MB_RETURN_IF_ERROR(WriteAt(fd, body.first(portion), offset, path));
    body = body.subspan(portion);
    offset += portion;
  }
  return Status::Ok();
}

Status BeginCall(const CallContext& ctx) {
  MB_RETURN_IF_ERROR(ctx.Check());
  return ctx.pacer == nullptr ? Status::Ok() : ctx.pacer->BeforeRequest(ctx);
}

Status CopyBytes(const CallContext& ctx, int from, uint64_t from_offset, int to, uint64_t to_offset,
                 uint64_t length, const std::string& path) {
  struct stat info {};
  const bool whole = from_offset == 0 && to_offset == 0 && fstat(from, &info) == 0 &&
                     static_cast<uint64_t>(info.st_size) == length;
  if (whole && length > 0 && ioctl(to, FICLONE, from) == 0) return Status::Ok();
  while (length > 0) {
    MB_ASSIGN_OR_RETURN(const size_t portion, Paced(ctx, length, kCopyStep));
    auto in = static_cast<off_t>(from_offset);
    auto out = static_cast<off_t>(to_offset);
    ssize_t copied = 0;
    do {
      copied = copy_file_range(from, &in, to, &out, portion, 0);
    } while (copied < 0 && errno == EINTR);
    if (copied < 0 && !TryAnotherWay(errno)) return FileError(errno, "copying", path);
    // Some file systems say 0 bytes instead of an error.
    if (copied <= 0) {
      return CopyThroughBuffer(ctx, from, from_offset, to, to_offset, length, path);
    }
    from_offset += static_cast<uint64_t>(copied);
    to_offset += static_cast<uint64_t>(copied);
    length -= static_cast<uint64_t>(copied);
  }
  return Status::Ok();
}

Result<TemporaryFile> TemporaryFile::CreateFor(const std::string& target) {
  const std::string parent = ParentOf(target);
  std::string name = target.substr(target.rfind('/') + 1);
  name.resize(std::min(name.size(), kMaxSegment - kRandomDigits - 2 - kTemporarySuffix.size()));
  // A Delete of the last object may remove the directory between our two steps.
  for (int attempt = 0;; ++attempt) {
    std::string path = fmt::format("{}/.{}.{}{}", parent, name, RandomName(), kTemporarySuffix);
    FileDescriptor fd(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (fd.valid()) {
      if (!Claim(fd)) continue;
      return TemporaryFile(std::move(path), std::move(fd), target, false);
    }
    if (errno != ENOENT || attempt == 100) return FileError(errno, "creating", target);
    // It may also remove a parent before its child is made.
    Status made = MakeDirectories(parent);
    if (!made.ok() && made.code() != Code::kNotFound) return made;
  }
}

TemporaryFile TemporaryFile::Adopt(std::string path, FileDescriptor fd, std::string target) {
  return {std::move(path), std::move(fd), std::move(target), true};
}

TemporaryFile::~TemporaryFile() {
  if (fd_.valid() && !adopted_) unlink(path_.c_str());
}

Result<struct stat> TemporaryFile::Publish(bool if_absent, bool sync) {
  if (sync && fsync(fd_.get()) != 0) return FileError(errno, "flushing", path_);
  struct stat info {};
  if (fstat(fd_.get(), &info) != 0) return FileError(errno, "looking at", path_);
  if (if_absent) {
    if (renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) != 0) {
      // Not every file system knows the flag; a link fails on an existing name as well.
      const bool unsupported = errno == EINVAL || errno == ENOSYS;
      if (!unsupported || link(path_.c_str(), target_.c_str()) != 0) {
        return FileError(errno, "creating", target_);
      }
      unlink(path_.c_str());
    }
  } else if (rename(path_.c_str(), target_.c_str()) != 0) {
    return FileError(errno, "replacing", target_);
  }
  fd_ = FileDescriptor();
  if (sync) MB_RETURN_IF_ERROR(SyncDirectory(ParentOf(target_)));
  return info;
}

}  // namespace milvus_backup::storage
