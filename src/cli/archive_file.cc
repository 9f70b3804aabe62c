#include "archive_file.h"

#include "milvus_backup/base/encoding.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <string_view>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace milvus_backup::cli {
namespace {

namespace fs = std::filesystem;
using backup::Compression;

/// How often a wait for a stream looks whether a stop was requested.
constexpr int kPollMs = 100;
/// As much as a pipe that is ready takes without blocking (POSIX, PIPE_BUF).
constexpr size_t kPipeBytes = 4096;
constexpr size_t kIdDigits = 8;

std::string ErrorText(int error) { return std::generic_category().message(error); }

Status WaitFor(const CallContext& ctx, int file, int16_t events) {
  while (true) {
    MB_RETURN_IF_ERROR(ctx.Check());
    pollfd one{.fd = file, .events = events, .revents = 0};
    if (poll(&one, 1, kPollMs) > 0) return Status::Ok();
  }
}

/// A file, a directory or nothing; not what waits for another process.
bool IsStream(int file) {
  struct stat info {};
  return fstat(file, &info) == 0 && !S_ISREG(info.st_mode);
}

int Rename(const std::string& from, const std::string& to, bool overwrite) {
  if (!overwrite) {
    if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return errno;
    // A file system that cannot do it in one step.
    if (access(to.c_str(), F_OK) == 0) return EEXIST;
  }
  return std::rename(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}

void SyncDirectoryOf(const std::string& path) {
  const std::string directory = fs::path(path).parent_path().string();
  const int file = open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  fsync(file);
  close(file);
}

Status FileExists(const std::string& path) {
  return AlreadyExistsError(path + " exists already")
      .WithAdvice("choose another name with -o, or replace it with --overwrite");
}

}  // namespace

bool IsStandardStream(const std::string& path) { return path == "-"; }

Result<Compression> CompressionOf(const std::string& path) {
  constexpr std::array<std::pair<std::string_view, Compression>, 5> kSuffixes = {
      {{".tar", Compression::kNone},
       {".tar.gz", Compression::kGzip},
       {".tgz", Compression::kGzip},
       {".tar.zst", Compression::kZstd},
       {".tar.xz", Compression::kXz}}};
  const auto found = std::ranges::find_if(
      kSuffixes, [&](const auto& suffix) { return path.ends_with(suffix.first); });
  if (found != kSuffixes.end()) return found->second;
  return InvalidArgumentError(fmt::format("-o '{}' does not tell the format", path))
      .WithAdvice("end it with .tar, .tar.gz, .tar.zst or .tar.xz, or write to stdout with -o -");
}

Result<std::unique_ptr<ArchiveOutput>> ArchiveOutput::OpenFile(const std::string& path,
                                                               bool overwrite) {
  std::unique_ptr<ArchiveOutput> output(new ArchiveOutput);
  output->path_ = path;
  output->overwrite_ = overwrite;
  struct stat info {};
  if (stat(path.c_str(), &info) == 0) {
    if (!S_ISREG(info.st_mode)) {
      return InvalidArgumentError(fmt::format("-o {} is no file", path))
          .WithAdvice("to write into a pipe or a device use -o - and redirect stdout");
    }
    if (!overwrite) return FileExists(path);
    // A link stays a link.
    std::error_code error;
    const fs::path target = fs::canonical(path, error);
    if (!error) output->path_ = target.string();
  }
  std::string temporary = fmt::format("{}.partial-{}", output->path_, RandomHex(kIdDigits));
  output->file_ = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (output->file_ < 0) return output->Fail("creating", errno);
  output->temporary_ = std::move(temporary);
  return output;
}

std::unique_ptr<ArchiveOutput> ArchiveOutput::OverStream(int stream, std::string name) {
  std::unique_ptr<ArchiveOutput> output(new ArchiveOutput);
  output->file_ = stream;
  output->path_ = std::move(name);
  return output;
}

ArchiveOutput::~ArchiveOutput() {
  if (file_ >= 0) close(file_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

Status ArchiveOutput::Fail(const char* doing, int error) const {
  const bool no_space = error == ENOSPC || error == EDQUOT;
  return {no_space ? Code::kResourceExhausted : Code::kFailedPrecondition,
          fmt::format("{} {}: {}", doing, path_, ErrorText(error))};
}

Status ArchiveOutput::Write(const CallContext& ctx, ByteView bytes) {
  const bool waits = temporary_.empty() && IsStream(file_);
  while (!bytes.empty()) {
    if (waits) {
      MB_RETURN_IF_ERROR(WaitFor(ctx, file_, POLLOUT));
    } else {
      MB_RETURN_IF_ERROR(ctx.Check());
    }
    const size_t size = waits ? std::min(bytes.size(), kPipeBytes) : bytes.size();
    const ssize_t written = write(file_, bytes.data(), size);
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(written));
    } else if (errno != EINTR && errno != EAGAIN) {
      return Fail("writing", errno);
    }
  }
  return Status::Ok();
}

Status ArchiveOutput::Commit() {
  if (temporary_.empty()) {
    return close(std::exchange(file_, -1)) == 0 ? Status::Ok() : Fail("writing", errno);
  }
  if (fsync(file_) != 0) return Fail("writing", errno);
  if (close(std::exchange(file_, -1)) != 0) return Fail("writing", errno);
  const int error = Rename(temporary_, path_, overwrite_);
  if (error == EEXIST) return FileExists(path_);
  if (error != 0) return Fail("naming", error);
  temporary_.clear();
  SyncDirectoryOf(path_);
  return Status::Ok();
}

Result<std::unique_ptr<ArchiveInput>> ArchiveInput::Open(const std::string& path) {
  std::unique_ptr<ArchiveInput> input(new ArchiveInput);
  const bool is_stdin = IsStandardStream(path);
  input->path_ = is_stdin ? "standard input" : path;
  input->file_ =
      is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (input->file_ >= 0) return input;
  std::string text = fmt::format("opening {}: {}", input->path_, ErrorText(errno));
  return errno == ENOENT ? NotFoundError(std::move(text))
                         : FailedPreconditionError(std::move(text));
}

ArchiveInput::~ArchiveInput() {
  if (file_ >= 0) close(file_);
}

Result<size_t> ArchiveInput::Read(const CallContext& ctx, std::span<std::byte> to) {
  while (true) {
    MB_RETURN_IF_ERROR(WaitFor(ctx, file_, POLLIN));
    const ssize_t got = read(file_, to.data(), to.size());
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR && errno != EAGAIN) {
      return FailedPreconditionError(fmt::format("reading {}: {}", path_, ErrorText(errno)));
    }
  }
}

}  // namespace milvus_backup::cli
