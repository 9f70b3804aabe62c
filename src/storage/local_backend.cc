#include "milvus_backup/storage/local_backend.h"

#include "local_delete_internal.h"
#include "local_file_internal.h"
#include "local_list_internal.h"
#include "local_upload_internal.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>
#include <utility>

namespace milvus_backup::storage {
namespace {

constexpr size_t kReadStep = kMiB;
constexpr uint64_t kTiB = 1024 * kGiB;

Capabilities LocalCapabilities() {
  Capabilities caps;
  caps.server_copy = true;
  caps.conditional_put = true;
  caps.min_part = 1;
  caps.max_part = kTiB;
  caps.max_put = kTiB;
  caps.max_copy = 1024 * kTiB;
  return caps;
}

class LocalBackend final : public Backend {
 public:
  explicit LocalBackend(LocalOptions options)
      : options_(std::move(options)), caps_(LocalCapabilities()) {}

  std::string Describe() const override { return "directory " + options_.root; }
  const Capabilities& caps() const override { return caps_; }

  Status CheckAccess(const CallContext& ctx) override;
  Status CreateContainer(const CallContext& ctx) override {
    MB_RETURN_IF_ERROR(ctx.Check());
    return MakeDirectories(options_.root);
  }
  Result<ObjectInfo> Stat(const CallContext& ctx, const std::string& key) override;
  Result<ReadInfo> Read(const CallContext& ctx, const std::string& key, const ReadOptions& options,
                        const Sink& sink) override;
  Result<ListPage> List(const CallContext& ctx, const ListRequest& request) override {
    MB_RETURN_IF_ERROR(ctx.Check());
    return ListLocal(ctx, options_.root, request);
  }
  Result<ObjectInfo> Put(const CallContext& ctx, const std::string& key, ByteView body,
                         const PutOptions& options) override;
  Result<std::unique_ptr<Upload>> StartUpload(const CallContext& ctx, const std::string& key,
                                              const StartUploadOptions& options) override {
    MB_RETURN_IF_ERROR(BeginCall(ctx));
    MB_RETURN_IF_ERROR(CheckLocalKey(key));
    return LocalUpload::Start(options_.root, options_.fsync,
                              {key, options.part_size, options.if_absent});
  }
  Result<std::vector<UploadInfo>> ListUploads(const CallContext& ctx,
                                              const std::string& key) override {
    MB_RETURN_IF_ERROR(ctx.Check());
    return LocalUpload::ListFor(options_.root, key);
  }
  Result<std::unique_ptr<Upload>> ResumeUpload(const CallContext& ctx, const std::string& key,
                                               const std::string& upload_id) override {
    MB_RETURN_IF_ERROR(ctx.Check());
    return LocalUpload::Resume(options_.root, options_.fsync, key, upload_id);
  }
  bool CanCopyFrom(const Backend& source) const override {
    return dynamic_cast<const LocalBackend*>(&Innermost(source)) != nullptr;
  }
  Result<ObjectInfo> Copy(const CallContext& ctx, const CopySource& source,
                          const std::string& key) override;
  Status Delete(const CallContext& ctx, const std::string& key) override;
  Result<std::vector<DeleteFailure>> DeleteMany(const CallContext& ctx,
                                                const std::vector<std::string>& keys) override;
  Status CheckDeletable(const CallContext& ctx, const std::string& prefix) override;
  Status RemoveRemains(const CallContext& ctx, const std::string& prefix) override;
  Status RemoveDeadWrites(const CallContext& ctx, const std::string& prefix) override;

  std::string PathOf(const std::string& key) const { return options_.root + "/" + key; }

 private:
  ObjectInfo InfoOf(const std::string& key, const struct stat& info) const;

  const LocalOptions options_;
  const Capabilities caps_;
};

Status NoObject(const std::string& path) {
  return NotFoundError(path + " does not exist").WithOrigin(Origin::kStorage);
}

/// Open an object for reading; directories are not objects.
Result<FileDescriptor> OpenObject(const std::string& path, struct stat& info) {
  FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.valid()) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return NoObject(path);
    return FileError(errno, "opening", path);
  }
  if (fstat(fd.get(), &info) != 0) return FileError(errno, "looking at", path);
  if (!S_ISREG(info.st_mode)) return NoObject(path);
  return fd;
}

Status Changed(const std::string& path) {
  return Status(Code::kAborted, path + " has changed").WithOrigin(Origin::kStorage);
}

/// The key that names the directory `prefix`.
Result<std::string> KeyOfDirectory(const std::string& prefix) {
  if (!prefix.ends_with('/')) return InvalidArgumentError("'" + prefix + "' names no directory");
  std::string key = prefix.substr(0, prefix.size() - 1);
  MB_RETURN_IF_ERROR(CheckLocalKey(key));
  return key;
}

ObjectInfo LocalBackend::InfoOf(const std::string& key, const struct stat& info) const {
  ObjectInfo object;
  object.key = key;
  object.size = static_cast<uint64_t>(info.st_size);
  object.etag = EtagOf(info);
  object.modified = std::chrono::system_clock::from_time_t(info.st_mtim.tv_sec) +
                    std::chrono::duration_cast<std::chrono::system_clock::duration>(
                        std::chrono::nanoseconds(info.st_mtim.tv_nsec));
  return object;
}

Status LocalBackend::CheckAccess(const CallContext& ctx) {
  MB_RETURN_IF_ERROR(ctx.Check());
  struct stat info {};
  if (stat(options_.root.c_str(), &info) != 0) return FileError(errno, "opening", options_.root);
  if (!S_ISDIR(info.st_mode)) return FileError(ENOTDIR, "opening", options_.root);
  if (access(options_.root.c_str(), R_OK | X_OK) != 0) {
    return FileError(errno, "opening", options_.root);
  }
  return Status::Ok();
}

Result<ObjectInfo> LocalBackend::Stat(const CallContext& ctx, const std::string& key) {
  MB_RETURN_IF_ERROR(BeginCall(ctx));
  MB_RETURN_IF_ERROR(CheckLocalKey(key));
  const std::string path = PathOf(key);
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) return NoObject(path);
    return FileError(errno, "looking at", path);
  }
  if (!S_ISREG(info.st_mode)) return NoObject(path);
  return InfoOf(key, info);
}

Result<ReadInfo> LocalBackend::Read(const CallContext& ctx, const std::string& key,
                                    const ReadOptions& options, const Sink& sink) {
  MB_RETURN_IF_ERROR(BeginCall(ctx));
  MB_RETURN_IF_ERROR(CheckLocalKey(key));
  const std::string path = PathOf(key);
  struct stat info {};
  MB_ASSIGN_OR_RETURN(const FileDescriptor fd, OpenObject(path, info));
  const ReadInfo result{static_cast<uint64_t>(info.st_size), EtagOf(info)};
  if (!options.if_match.empty() && options.if_match != result.etag) return Changed(path);
  const uint64_t size = result.object_size;
  const bool empty_read = (options.length && *options.length == 0) || size == 0;
  if (options.offset > size || (options.offset == size && !empty_read)) {
    return Status(Code::kOutOfRange, path + ": offset " + std::to_string(options.offset) +
                                         " is past the end of " + std::to_string(size) + " bytes")
        .WithOrigin(Origin::kStorage);
  }
  uint64_t left = std::min(options.length.value_or(size), size - options.offset);
  uint64_t offset = options.offset;
  const size_t step = std::min<uint64_t>(left, kReadStep);
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(step);
  while (left > 0) {
    MB_RETURN_IF_ERROR(ctx.Check());
    const ssize_t got =
        pread(fd.get(), buffer.get(), std::min<uint64_t>(left, step), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(errno, "reading", path);
    // Somebody cuts the file while it is read: our own writes never do.
    if (got == 0) return Changed(path);
    const auto count = static_cast<size_t>(got);
    MB_RETURN_IF_ERROR(sink(result, ByteView(buffer.get(), count)));
    offset += count;
    left -= count;
  }
  return result;
}

Result<ObjectInfo> LocalBackend::Put(const CallContext& ctx, const std::string& key, ByteView body,
                                     const PutOptions& options) {
  MB_RETURN_IF_ERROR(BeginCall(ctx));
  MB_RETURN_IF_ERROR(CheckLocalKey(key));
  const std::string path = PathOf(key);
  MB_ASSIGN_OR_RETURN(TemporaryFile file, TemporaryFile::CreateFor(path));
  MB_RETURN_IF_ERROR(WriteBody(ctx, file.fd(), body, 0, path));
  MB_RETURN_IF_ERROR(ctx.Check());
  MB_ASSIGN_OR_RETURN(const struct stat info, file.Publish(options.if_absent, options_.fsync));
  ObjectInfo object = InfoOf(key, info);
  object.crc32c = options.crc32c;
  return object;
}

Result<ObjectInfo> LocalBackend::Copy(const CallContext& ctx, const CopySource& source,
                                      const std::string& key) {
  MB_RETURN_IF_ERROR(BeginCall(ctx));
  MB_RETURN_IF_ERROR(CheckLocalKey(key));
  struct stat from_info {};
  MB_ASSIGN_OR_RETURN(const FileDescriptor from, OpenLocalSource(source, from_info));
  const std::string path = PathOf(key);
  MB_ASSIGN_OR_RETURN(TemporaryFile file, TemporaryFile::CreateFor(path));
  MB_RETURN_IF_ERROR(
      CopyBytes(ctx, from.get(), 0, file.fd(), 0, static_cast<uint64_t>(from_info.st_size), path));
  MB_ASSIGN_OR_RETURN(const struct stat info, file.Publish(false, options_.fsync));
  return InfoOf(key, info);
}

Status LocalBackend::Delete(const CallContext& ctx, const std::string& key) {
  MB_RETURN_IF_ERROR(BeginCall(ctx));
  MB_RETURN_IF_ERROR(CheckLocalKey(key));
  return DeleteLocal(options_.root, key);
}

Status LocalBackend::CheckDeletable(const CallContext& ctx, const std::string& prefix) {
  MB_RETURN_IF_ERROR(ctx.Check());
  MB_ASSIGN_OR_RETURN(const std::string key, KeyOfDirectory(prefix));
  return CheckLocalDeletable(options_.root, key);
}

Status LocalBackend::RemoveRemains(const CallContext& ctx, const std::string& prefix) {
  MB_RETURN_IF_ERROR(ctx.Check());
  MB_ASSIGN_OR_RETURN(const std::string key, KeyOfDirectory(prefix));
  return RemoveLocalRemains(options_.root, key);
}

Status LocalBackend::RemoveDeadWrites(const CallContext& ctx, const std::string& prefix) {
  MB_RETURN_IF_ERROR(ctx.Check());
  std::string key = prefix;
  if (!key.empty()) {
    if (!key.ends_with('/')) return InvalidArgumentError("'" + prefix + "' names no directory");
    key.pop_back();
    MB_RETURN_IF_ERROR(CheckLocalKey(key));
  }
  const Status removed = RemoveDeadLocalWrites(ctx, options_.root, key);
  const Status uploads = LocalUpload::RemoveDead(ctx, options_.root);
  return removed.ok() ? uploads : removed;
}

Result<std::vector<DeleteFailure>> LocalBackend::DeleteMany(const CallContext& ctx,
                                                            const std::vector<std::string>& keys) {
  std::vector<DeleteFailure> failures;
  for (const std::string& key : keys) {
    MB_RETURN_IF_ERROR(ctx.Check());
    if (Status status = Delete(ctx, key); !status.ok()) {
      failures.push_back({key, std::move(status)});
    }
  }
  return failures;
}

}  // namespace

Result<FileDescriptor> OpenLocalSource(const CopySource& source, struct stat& info) {
  if (source.backend == nullptr) return InvalidArgumentError("a copy without source");
  std::string key = source.key;
  const Backend* backend = source.backend;
  while (const Backend* inner = backend->Unwrap()) {
    key = backend->UnwrapKey(key);
    backend = inner;
  }
  const auto* local = dynamic_cast<const LocalBackend*>(backend);
  if (local == nullptr) return InvalidArgumentError("the source of a copy is not a directory");
  MB_RETURN_IF_ERROR(CheckLocalKey(key));
  const std::string path = local->PathOf(key);
  MB_ASSIGN_OR_RETURN(FileDescriptor fd, OpenObject(path, info));
  if (!source.if_match.empty() && source.if_match != EtagOf(info)) return Changed(path);
  return fd;
}

Status LocalOptions::Validate() const {
  if (root.empty()) return InvalidArgumentError("the directory of a local storage is not set");
  if (root.find('\0') != std::string::npos) {
    return InvalidArgumentError("the directory of a local storage holds a NUL");
  }
  return Status::Ok();
}

Result<std::unique_ptr<Backend>> CreateLocalBackend(LocalOptions options) {
  MB_RETURN_IF_ERROR(options.Validate());
  // An absolute root does not move when somebody changes the working directory.
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(options.root, error);
  if (error) return FileError(error.value(), "opening", options.root);
  options.root = absolute.lexically_normal().string();
  while (options.root.size() > 1 && options.root.back() == '/') options.root.pop_back();
  if (options.create) MB_RETURN_IF_ERROR(MakeDirectories(options.root));
  return std::unique_ptr<Backend>(std::make_unique<LocalBackend>(std::move(options)));
}

}  // namespace milvus_backup::storage
