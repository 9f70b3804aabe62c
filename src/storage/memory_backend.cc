#include "milvus_backup/storage/memory_backend.h"

#include "milvus_backup/base/checksum.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

namespace milvus_backup::storage {
namespace {

struct StoredObject {
  std::string bytes;
  ObjectInfo info;
};
/// Readers keep their object while it is replaced or deleted: owned by the map and its readers.
using ObjectPtr = std::shared_ptr<const StoredObject>;

struct StoredPart {
  std::string bytes;
  PartInfo info;
};

struct StoredUpload {
  std::string key;
  StartUploadOptions options;
  std::chrono::system_clock::time_point initiated;
  std::map<uint32_t, StoredPart> parts;
};

Status Fail(Code code, std::string text) {
  return Status(code, std::move(text)).WithOrigin(Origin::kStorage);
}

Status DamagedBody() { return DataLossError("the bytes do not match their checksum"); }

class MemoryBackend final : public Backend {
 public:
  MemoryBackend(MemoryOptions options, Clock& clock) : options_(options), clock_(clock) {}

  std::string Describe() const override { return "memory"; }
  const Capabilities& caps() const override { return options_.caps; }
  Status CheckAccess(const CallContext& ctx) override { return ctx.Check(); }
  Status CreateContainer(const CallContext& ctx) override { return ctx.Check(); }

  Result<ObjectInfo> Stat(const CallContext& ctx, const std::string& key) override {
    MB_ASSIGN_OR_RETURN(const ObjectPtr object, Find(ctx, key));
    return object->info;
  }
  Result<ReadInfo> Read(const CallContext& ctx, const std::string& key, const ReadOptions& options,
                        const Sink& sink) override;
  Result<ListPage> List(const CallContext& ctx, const ListRequest& request) override;
  Result<ObjectInfo> Put(const CallContext& ctx, const std::string& key, ByteView body,
                         const PutOptions& options) override {
    MB_RETURN_IF_ERROR(ctx.Check());
    if (body.size() > caps().max_put) return Fail(Code::kInvalidArgument, "the body is too large");
    return Store(key, std::string(AsText(body)), options);
  }
  Result<std::unique_ptr<Upload>> StartUpload(const CallContext& ctx, const std::string& key,
                                              const StartUploadOptions& options) override;
  Result<std::vector<UploadInfo>> ListUploads(const CallContext& ctx,
                                              const std::string& key) override;
  Result<std::unique_ptr<Upload>> ResumeUpload(const CallContext& ctx, const std::string& key,
                                               const std::string& upload_id) override;
  bool CanCopyFrom(const Backend& source) const override {
    return caps().server_copy && dynamic_cast<const MemoryBackend*>(&Innermost(source)) != nullptr;
  }
  Result<ObjectInfo> Copy(const CallContext& ctx, const CopySource& source,
                          const std::string& key) override;
  Status Delete(const CallContext& ctx, const std::string& key) override {
    MB_RETURN_IF_ERROR(ctx.Check());
    const std::scoped_lock lock(mutex_);
    objects_.erase(key);
    return Status::Ok();
  }
  Result<std::vector<DeleteFailure>> DeleteMany(const CallContext& ctx,
                                                const std::vector<std::string>& keys) override {
    for (const std::string& key : keys) MB_RETURN_IF_ERROR(Delete(ctx, key));
    return std::vector<DeleteFailure>();
  }

  Result<ObjectPtr> Find(const CallContext& ctx, const std::string& key) const;
  /// The object a copy names, looked up through its wrappers.
  static Result<ObjectPtr> FindSource(const CallContext& ctx, const CopySource& source);

  Result<PartInfo> AddPart(const std::string& id, uint32_t number, std::string bytes,
                           std::optional<uint32_t> crc32c);
  Result<std::vector<PartInfo>> PartsOf(const std::string& id) const;
  Result<ObjectInfo> CompleteUpload(const std::string& id, const std::vector<PartInfo>& parts);
  void DropUpload(const std::string& id) {
    const std::scoped_lock lock(mutex_);
    uploads_.erase(id);
  }

 private:
  Result<ObjectInfo> Store(const std::string& key, std::string bytes, const PutOptions& options);
  Status NoUpload(const std::string& id) const {
    return Fail(Code::kNotFound, "no unfinished upload " + id);
  }

  const MemoryOptions options_;
  Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, ObjectPtr> objects_;
  std::map<std::string, StoredUpload> uploads_;
  uint64_t next_id_ = 1;
};

class MemoryUpload final : public Upload {
 public:
  MemoryUpload(MemoryBackend& backend, std::string id) : backend_(backend), id_(std::move(id)) {}
  MemoryUpload(const MemoryUpload&) = delete;
  MemoryUpload& operator=(const MemoryUpload&) = delete;
  ~MemoryUpload() override {
    if (!finished_) backend_.DropUpload(id_);
  }

  const std::string& upload_id() const override { return id_; }
  Result<PartInfo> UploadPart(const CallContext& ctx, uint32_t number, ByteView body,
                              std::optional<uint32_t> crc32c) override {
    MB_RETURN_IF_ERROR(ctx.Check());
    return backend_.AddPart(id_, number, std::string(AsText(body)), crc32c);
  }
  Result<PartInfo> CopyPart(const CallContext& ctx, uint32_t number, const CopySource& source,
                            const ByteRange& range) override {
    MB_ASSIGN_OR_RETURN(const ObjectPtr object, MemoryBackend::FindSource(ctx, source));
    if (range.length == 0 || range.offset + range.length > object->bytes.size()) {
      return Fail(Code::kOutOfRange, "the range of a copied part is past the end");
    }
    return backend_.AddPart(id_, number, object->bytes.substr(range.offset, range.length),
                            std::nullopt);
  }
  Result<std::vector<PartInfo>> ListParts(const CallContext& ctx) override {
    MB_RETURN_IF_ERROR(ctx.Check());
    return backend_.PartsOf(id_);
  }
  Result<ObjectInfo> Complete(const CallContext& ctx, const std::vector<PartInfo>& parts) override {
    MB_RETURN_IF_ERROR(ctx.Check());
    MB_ASSIGN_OR_RETURN(ObjectInfo info, backend_.CompleteUpload(id_, parts));
    finished_ = true;
    return info;
  }
  Status Abort(const CallContext& ctx) override {
    MB_RETURN_IF_ERROR(ctx.Check());
    backend_.DropUpload(id_);
    finished_ = true;
    return Status::Ok();
  }
  void Detach() override { finished_ = true; }

 private:
  MemoryBackend& backend_;
  const std::string id_;
  std::atomic<bool> finished_{false};
};

Result<ObjectPtr> MemoryBackend::Find(const CallContext& ctx, const std::string& key) const {
  MB_RETURN_IF_ERROR(ctx.Check());
  const std::scoped_lock lock(mutex_);
  const auto found = objects_.find(key);
  if (found == objects_.end()) return Fail(Code::kNotFound, key + " does not exist");
  return found->second;
}

Result<ObjectPtr> MemoryBackend::FindSource(const CallContext& ctx, const CopySource& source) {
  if (source.backend == nullptr) return InvalidArgumentError("a copy without source");
  std::string key = source.key;
  const Backend* backend = source.backend;
  while (const Backend* inner = backend->Unwrap()) {
    key = backend->UnwrapKey(key);
    backend = inner;
  }
  const auto* memory = dynamic_cast<const MemoryBackend*>(backend);
  if (memory == nullptr) return InvalidArgumentError("the source of a copy is not in memory");
  MB_ASSIGN_OR_RETURN(ObjectPtr object, memory->Find(ctx, key));
  if (!source.if_match.empty() && source.if_match != object->info.etag) {
    return Fail(Code::kAborted, key + " has changed");
  }
  return object;
}

Result<ReadInfo> MemoryBackend::Read(const CallContext& ctx, const std::string& key,
                                     const ReadOptions& options, const Sink& sink) {
  MB_ASSIGN_OR_RETURN(const ObjectPtr object, Find(ctx, key));
  const ReadInfo info{object->bytes.size(), object->info.etag};
  if (!options.if_match.empty() && options.if_match != info.etag) {
    return Fail(Code::kAborted, key + " has changed");
  }
  const uint64_t size = info.object_size;
  const bool empty_read = (options.length && *options.length == 0) || size == 0;
  if (options.offset > size || (options.offset == size && !empty_read)) {
    return Fail(Code::kOutOfRange, key + ": the offset is past the end");
  }
  ByteView rest =
      AsBytes(object->bytes)
          .subspan(options.offset, std::min(options.length.value_or(size), size - options.offset));
  while (!rest.empty()) {
    MB_RETURN_IF_ERROR(ctx.Check());
    const ByteView chunk = rest.first(std::min(rest.size(), options_.chunk_size));
    MB_RETURN_IF_ERROR(sink(info, chunk));
    rest = rest.subspan(chunk.size());
  }
  return info;
}

Result<ListPage> MemoryBackend::List(const CallContext& ctx, const ListRequest& request) {
  MB_RETURN_IF_ERROR(ctx.Check());
  const size_t limit = std::clamp<uint32_t>(request.max_keys, 1, options_.page_size);
  const std::string after = std::max(request.start_after, request.token);
  const std::scoped_lock lock(mutex_);
  ListPage page;
  std::string last;
  for (auto at = objects_.lower_bound(std::max(request.prefix, after)); at != objects_.end();
       ++at) {
    const std::string& key = at->first;
    if (!key.starts_with(request.prefix)) break;
    if (key <= after) continue;
    const size_t end = request.delimiter.empty()
                           ? std::string::npos
                           : key.find(request.delimiter, request.prefix.size());
    const std::string name =
        end == std::string::npos ? key : key.substr(0, end + request.delimiter.size());
    // Everything below a prefix that is on this page or one before.
    if (name != key && (name == last || (!after.empty() && after.starts_with(name)))) continue;
    if (page.objects.size() + page.prefixes.size() == limit) {
      page.next_token = last;
      return page;
    }
    last = name;
    if (end == std::string::npos) {
      page.objects.push_back(at->second->info);
    } else {
      page.prefixes.push_back(name);
    }
  }
  return page;
}

Result<ObjectInfo> MemoryBackend::Store(const std::string& key, std::string bytes,
                                        const PutOptions& options) {
  if (key.empty()) return Fail(Code::kInvalidArgument, "an empty key");
  auto object = std::make_shared<StoredObject>();
  const uint32_t crc = Crc32c(AsBytes(bytes));
  if (options.crc32c && *options.crc32c != crc) return DamagedBody();
  object->bytes = std::move(bytes);
  const std::scoped_lock lock(mutex_);
  if (options.if_absent && objects_.contains(key)) {
    return Fail(Code::kAlreadyExists, key + " exists already");
  }
  object->info = {key, object->bytes.size(), "v" + std::to_string(next_id_++), clock_.WallNow(),
                  crc};
  const ObjectInfo info = object->info;
  objects_[key] = std::move(object);
  return info;
}

Result<ObjectInfo> MemoryBackend::Copy(const CallContext& ctx, const CopySource& source,
                                       const std::string& key) {
  MB_ASSIGN_OR_RETURN(const ObjectPtr object, FindSource(ctx, source));
  if (object->bytes.size() > caps().max_copy) {
    return Fail(Code::kInvalidArgument, "the object is too large to be copied at once");
  }
  return Store(key, object->bytes, {});
}

Result<std::unique_ptr<Upload>> MemoryBackend::StartUpload(const CallContext& ctx,
                                                           const std::string& key,
                                                           const StartUploadOptions& options) {
  MB_RETURN_IF_ERROR(ctx.Check());
  const std::scoped_lock lock(mutex_);
  const std::string id = "u" + std::to_string(next_id_++);
  uploads_[id] = {key, options, clock_.WallNow(), {}};
  return std::unique_ptr<Upload>(std::make_unique<MemoryUpload>(*this, id));
}

Result<std::vector<UploadInfo>> MemoryBackend::ListUploads(const CallContext& ctx,
                                                           const std::string& key) {
  MB_RETURN_IF_ERROR(ctx.Check());
  const std::scoped_lock lock(mutex_);
  std::vector<UploadInfo> uploads;
  for (const auto& [id, upload] : uploads_) {
    if (upload.key == key) uploads.push_back({key, id, upload.initiated});
  }
  return uploads;
}

Result<std::unique_ptr<Upload>> MemoryBackend::ResumeUpload(const CallContext& ctx,
                                                            const std::string& key,
                                                            const std::string& upload_id) {
  MB_RETURN_IF_ERROR(ctx.Check());
  const std::scoped_lock lock(mutex_);
  const auto found = uploads_.find(upload_id);
  if (found == uploads_.end() || found->second.key != key) return NoUpload(upload_id);
  return std::unique_ptr<Upload>(std::make_unique<MemoryUpload>(*this, upload_id));
}

Result<PartInfo> MemoryBackend::AddPart(const std::string& id, uint32_t number, std::string bytes,
                                        std::optional<uint32_t> crc32c) {
  if (number == 0 || number > caps().max_parts || bytes.size() > caps().max_part) {
    return Fail(Code::kInvalidArgument, "part number or size out of bounds");
  }
  const uint32_t crc = Crc32c(AsBytes(bytes));
  if (crc32c && *crc32c != crc) return DamagedBody();
  const std::scoped_lock lock(mutex_);
  const auto found = uploads_.find(id);
  if (found == uploads_.end()) return NoUpload(id);
  PartInfo info{number, bytes.size(), "p" + std::to_string(next_id_++), crc};
  found->second.parts[number] = {std::move(bytes), info};
  return info;
}

Result<std::vector<PartInfo>> MemoryBackend::PartsOf(const std::string& id) const {
  const std::scoped_lock lock(mutex_);
  const auto found = uploads_.find(id);
  if (found == uploads_.end()) return NoUpload(id);
  std::vector<PartInfo> parts;
  for (const auto& [number, part] : found->second.parts) parts.push_back(part.info);
  return parts;
}

Result<ObjectInfo> MemoryBackend::CompleteUpload(const std::string& id,
                                                 const std::vector<PartInfo>& parts) {
  std::string bytes;
  StoredUpload upload;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = uploads_.find(id);
    if (found == uploads_.end()) return NoUpload(id);
    upload = found->second;
  }
  if (parts.empty()) return Fail(Code::kInvalidArgument, "an upload needs at least one part");
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto part = upload.parts.find(parts[i].number);
    if (parts[i].number != i + 1 || part == upload.parts.end() ||
        part->second.info.etag != parts[i].etag) {
      return Fail(Code::kFailedPrecondition, "a part is missing, replaced or out of order");
    }
    if (i + 1 < parts.size() && part->second.bytes.size() < caps().min_part) {
      return Fail(Code::kInvalidArgument, "a part that is not the last one is too small");
    }
    bytes += part->second.bytes;
  }
  PutOptions options;
  options.if_absent = upload.options.if_absent;
  MB_ASSIGN_OR_RETURN(ObjectInfo info, Store(upload.key, std::move(bytes), options));
  DropUpload(id);
  return info;
}

}  // namespace

std::unique_ptr<Backend> MakeMemoryBackend(MemoryOptions options, Clock& clock) {
  return std::make_unique<MemoryBackend>(options, clock);
}

}  // namespace milvus_backup::storage
