#include "local_upload_internal.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/log.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>
#include <utility>

namespace milvus_backup::storage {
namespace {

constexpr std::string_view kDataName = "data";
constexpr std::string_view kStateName = "upload";
constexpr std::string_view kPartPrefix = "part-";

std::string UploadsRoot(const std::string& root) {
  return root + "/" + std::string(kUploadsDirectory);
}

/// Ids come back from users' run records: nothing but what RandomName makes is accepted.
bool IsUploadId(std::string_view id) {
  return id.size() == 16 && id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// What is left of an upload that is over, as far as it can be removed.
void RemoveDirectory(const std::string& root, const std::string& directory) {
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  std::filesystem::remove(UploadsRoot(root), ignored);  // fails while others are unfinished
}

Status WriteSmallFile(const std::string& path, const std::string& text) {
  MB_ASSIGN_OR_RETURN(TemporaryFile file, TemporaryFile::CreateFor(path));
  MB_RETURN_IF_ERROR(WriteAt(file.fd(), AsBytes(text), 0, path));
  const Result<struct stat> published = file.Publish(false, false);
  return published.ok() ? Status::Ok() : published.status();
}

Result<LocalUploadState> ReadState(const std::string& directory, const std::string& id) {
  std::ifstream file(directory + "/" + std::string(kStateName), std::ios::binary);
  LocalUploadState state;
  int if_absent = 0;
  if (!(file >> state.part_size >> if_absent) || file.get() != '\n') {
    return NotFoundError("no unfinished upload " + id).WithOrigin(Origin::kStorage);
  }
  state.if_absent = if_absent != 0;
  std::getline(file, state.key, '\0');
  return state;
}

std::optional<PartInfo> ReadPart(const std::string& path, uint32_t number) {
  std::ifstream file(path);
  PartInfo part;
  part.number = number;
  std::string crc;
  if (!(file >> part.size >> part.etag >> crc)) return std::nullopt;
  part.crc32c = DecodeCrc32c(crc);
  return part;
}

Status NotThere(const std::string& id, const char* why) {
  return FailedPreconditionError("upload " + id + ": " + why).WithOrigin(Origin::kStorage);
}

/// The directory of an upload that has no state: one that is about to be begun has nothing but the
/// file that becomes its state, and that is locked.
void RemoveStateless(const std::filesystem::path& directory) {
  const FileDescriptor fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return;
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  // Asked after the names were read: its data is made when the state is there.
  if (error || faccessat(fd.get(), std::string(kStateName).c_str(), F_OK, 0) == 0) return;
  for (const std::string& name : names) {
    if (IsTemporaryName(name)) {
      RemoveDeadTemporary(fd.get(), name);
    } else if (name == kDataName || name.starts_with(kPartPrefix)) {
      unlinkat(fd.get(), name.c_str(), 0);
    }
  }
  std::filesystem::remove(directory, error);  // fails while it is not empty
}

/// Make the directory of an upload; returns its data file.
Result<FileDescriptor> MakeUpload(const std::string& directory, const LocalUploadState& state) {
  MB_RETURN_IF_ERROR(MakeDirectories(directory));
  const std::string text =
      std::to_string(state.part_size) + " " + (state.if_absent ? "1" : "0") + "\n" + state.key;
  MB_RETURN_IF_ERROR(WriteSmallFile(directory + "/" + std::string(kStateName), text));
  const std::string path = directory + "/" + std::string(kDataName);
  FileDescriptor data(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!data.valid()) return FileError(errno, "creating", path);
  return data;
}

}  // namespace

LocalUpload::LocalUpload(std::string root, std::string id, bool sync, LocalUploadState state,
                         FileDescriptor data)
    : root_(std::move(root)),
      id_(std::move(id)),
      directory_(UploadsRoot(root_) + "/" + id_),
      sync_(sync),
      state_(std::move(state)),
      data_(std::move(data)) {}

Result<std::unique_ptr<Upload>> LocalUpload::Start(const std::string& root, bool sync,
                                                   LocalUploadState state) {
  if (state.part_size == 0) return InvalidArgumentError("an upload needs a part size");
  const std::string id = RandomName();
  const std::string directory = UploadsRoot(root) + "/" + id;
  Result<FileDescriptor> data = MakeUpload(directory, state);
  if (!data.ok()) {
    RemoveDirectory(root, directory);
    return std::move(data).status();
  }
  return std::unique_ptr<Upload>(
      new LocalUpload(root, id, sync, std::move(state), *std::move(data)));
}

Result<std::unique_ptr<Upload>> LocalUpload::Resume(const std::string& root, bool sync,
                                                    const std::string& key,
                                                    const std::string& upload_id) {
  const Status missing = NotFoundError("no unfinished upload " + upload_id + " of " + key)
                             .WithOrigin(Origin::kStorage);
  if (!IsUploadId(upload_id)) return missing;
  const std::string directory = UploadsRoot(root) + "/" + upload_id;
  MB_ASSIGN_OR_RETURN(LocalUploadState state, ReadState(directory, upload_id));
  if (state.key != key) return missing;
  FileDescriptor data(open((directory + "/" + std::string(kDataName)).c_str(), O_RDWR | O_CLOEXEC));
  if (!data.valid()) {
    // Its data has become the object, or was never made, when the process was killed.
    if (errno == ENOENT) RemoveDirectory(root, directory);
    return missing;
  }
  return std::unique_ptr<Upload>(
      new LocalUpload(root, upload_id, sync, std::move(state), std::move(data)));
}

Result<std::vector<UploadInfo>> LocalUpload::ListFor(const std::string& root,
                                                     const std::string& key) {
  std::vector<UploadInfo> uploads;
  std::error_code error;
  const std::string directory = UploadsRoot(root);
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string id = entry->path().filename().string();
    const Result<LocalUploadState> state = ReadState(entry->path().string(), id);
    if (!state.ok() || state->key != key) continue;
    struct stat info {};
    if (stat(entry->path().c_str(), &info) != 0) continue;
    uploads.push_back({key, id, std::chrono::system_clock::from_time_t(info.st_ctim.tv_sec)});
  }
  if (error && error.value() != ENOENT) return FileError(error.value(), "listing", directory);
  return uploads;
}

Status LocalUpload::RemoveDead(const CallContext& ctx, const std::string& root) {
  std::vector<std::filesystem::path> directories;
  std::error_code error;
  const std::string uploads = UploadsRoot(root);
  for (std::filesystem::directory_iterator entry(uploads, error), end; !error && entry != end;
       entry.increment(error)) {
    if (IsUploadId(entry->path().filename().string())) directories.push_back(entry->path());
  }
  if (error) {
    return error.value() == ENOENT ? Status::Ok() : FileError(error.value(), "listing", uploads);
  }
  for (const std::filesystem::path& directory : directories) {
    MB_RETURN_IF_ERROR(ctx.Check());
    RemoveStateless(directory);
  }
  std::filesystem::remove(uploads, error);  // fails while others are unfinished
  return Status::Ok();
}

LocalUpload::~LocalUpload() {
  if (finished_) return;
  if (const Status status = Abort({}); !status.ok()) {
    log::Warn("storage abort key={} upload_id={} error={}", state_.key, id_, status.ToString());
  }
}

Status LocalUpload::CheckPart(const CallContext& ctx, uint32_t number, uint64_t size) const {
  MB_RETURN_IF_ERROR(BeginCall(ctx));
  if (number == 0 || number > 10000) return InvalidArgumentError("part numbers go from 1 to 10000");
  if (size > state_.part_size) return InvalidArgumentError("a part is larger than the part size");
  // After an abort the data file is an unlinked one: bytes would vanish without a word.
  if (access((directory_ + "/" + std::string(kStateName)).c_str(), F_OK) != 0) {
    return NotFoundError("no unfinished upload " + id_).WithOrigin(Origin::kStorage);
  }
  return Status::Ok();
}

Result<PartInfo> LocalUpload::RecordPart(uint32_t number, uint64_t size,
                                         std::optional<uint32_t> crc32c) {
  // The record must not outlive the bytes it speaks of.
  if (sync_ && fdatasync(data_.get()) != 0) return FileError(errno, "flushing", directory_);
  PartInfo part{number, size, RandomName(), crc32c};
  const std::string text = std::to_string(size) + " " + part.etag + " " +
                           (crc32c ? EncodeCrc32c(*crc32c) : std::string("-")) + "\n";
  MB_RETURN_IF_ERROR(
      WriteSmallFile(directory_ + "/" + std::string(kPartPrefix) + std::to_string(number), text));
  return part;
}

Result<PartInfo> LocalUpload::UploadPart(const CallContext& ctx, uint32_t number, ByteView body,
                                         std::optional<uint32_t> crc32c) {
  MB_RETURN_IF_ERROR(CheckPart(ctx, number, body.size()));
  MB_RETURN_IF_ERROR(WriteBody(ctx, data_.get(), body, (number - 1) * state_.part_size, directory_)
                         .Annotate("part " + std::to_string(number) + " of " + state_.key));
  return RecordPart(number, body.size(), crc32c);
}

Result<PartInfo> LocalUpload::CopyPart(const CallContext& ctx, uint32_t number,
                                       const CopySource& source, const ByteRange& range) {
  MB_RETURN_IF_ERROR(CheckPart(ctx, number, range.length));
  struct stat info {};
  MB_ASSIGN_OR_RETURN(const FileDescriptor from, OpenLocalSource(source, info));
  if (range.offset + range.length > static_cast<uint64_t>(info.st_size)) {
    return Status(Code::kOutOfRange, "the range of a copied part is past the end of " + source.key)
        .WithOrigin(Origin::kStorage);
  }
  MB_RETURN_IF_ERROR(CopyBytes(ctx, from.get(), range.offset, data_.get(),
                               (number - 1) * state_.part_size, range.length, state_.key));
  return RecordPart(number, range.length, std::nullopt);
}

Result<std::vector<PartInfo>> LocalUpload::ListParts(const CallContext& ctx) {
  MB_RETURN_IF_ERROR(ctx.Check());
  std::vector<PartInfo> parts;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(kPartPrefix)) continue;
    uint32_t number = 0;
    std::from_chars(name.data() + kPartPrefix.size(), name.data() + name.size(), number);
    if (std::optional<PartInfo> part = ReadPart(entry->path().string(), number)) {
      parts.push_back(*std::move(part));
    }
  }
  if (error) return FileError(error.value(), "listing", directory_);
  std::sort(parts.begin(), parts.end(),
            [](const PartInfo& a, const PartInfo& b) { return a.number < b.number; });
  return parts;
}

Status LocalUpload::CheckParts(const std::vector<PartInfo>& parts,
                               const std::vector<PartInfo>& stored) const {
  if (parts.empty()) return InvalidArgumentError("an upload needs at least one part");
  for (size_t i = 0; i < parts.size(); ++i) {
    const PartInfo& part = parts[i];
    if (part.number != i + 1) return InvalidArgumentError("part numbers must be without gaps");
    const auto found = std::find_if(stored.begin(), stored.end(), [&part](const PartInfo& other) {
      return other.number == part.number;
    });
    if (found == stored.end() || found->etag != part.etag) {
      return NotThere(id_, "a part is missing or was replaced");
    }
    if (i + 1 < parts.size() && found->size != state_.part_size) {
      return NotThere(id_, "a part that is not the last one is too small");
    }
  }
  return Status::Ok();
}

Result<TemporaryFile> LocalUpload::FileFor(const CallContext& ctx, const std::string& target,
                                           uint64_t size) const {
  const std::string parent = ParentOf(target);
  MB_RETURN_IF_ERROR(MakeDirectories(parent));
  const std::string path = directory_ + "/" + std::string(kDataName);
  struct stat here {};
  struct stat there {};
  if (fstat(data_.get(), &here) != 0) return FileError(errno, "looking at", path);
  if (stat(parent.c_str(), &there) == 0 && there.st_dev != here.st_dev) {
    MB_ASSIGN_OR_RETURN(TemporaryFile file, TemporaryFile::CreateFor(target));
    MB_RETURN_IF_ERROR(CopyBytes(ctx, data_.get(), 0, file.fd(), 0, size, target));
    return file;
  }
  FileDescriptor fd(dup(data_.get()));
  if (!fd.valid()) return FileError(errno, "opening", path);
  return TemporaryFile::Adopt(path, std::move(fd), target);
}

Result<ObjectInfo> LocalUpload::Complete(const CallContext& ctx,
                                         const std::vector<PartInfo>& parts) {
  MB_RETURN_IF_ERROR(ctx.Check());
  MB_ASSIGN_OR_RETURN(const std::vector<PartInfo> stored, ListParts(ctx));
  MB_RETURN_IF_ERROR(CheckParts(parts, stored));
  const uint64_t size = (parts.size() - 1) * state_.part_size + stored[parts.size() - 1].size;
  if (ftruncate(data_.get(), static_cast<off_t>(size)) != 0) {
    return FileError(errno, "cutting", directory_);
  }
  MB_ASSIGN_OR_RETURN(TemporaryFile file, FileFor(ctx, root_ + "/" + state_.key, size));
  Result<struct stat> info = file.Publish(state_.if_absent, sync_);
  if (!info.ok()) return std::move(info).status();
  finished_ = true;
  RemoveDirectory(root_, directory_);
  ObjectInfo object;
  object.key = state_.key;
  object.size = size;
  object.etag = EtagOf(*info);
  object.modified = std::chrono::system_clock::from_time_t(info->st_mtim.tv_sec);
  return object;
}

Status LocalUpload::Abort(const CallContext& ctx) {
  MB_RETURN_IF_ERROR(ctx.Check());
  std::error_code error;
  std::filesystem::remove_all(directory_, error);
  if (error) return FileError(error.value(), "removing", directory_);
  finished_ = true;
  std::filesystem::remove(UploadsRoot(root_), error);  // Fails while others are unfinished.
  return Status::Ok();
}

}  // namespace milvus_backup::storage
