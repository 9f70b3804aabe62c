#include "map_backend.h"

#include "milvus_backup/base/checksum.h"

#include <algorithm>
#include <memory>

namespace milvus_backup::meta::testing {
namespace {

class MapUpload final : public storage::Upload {
 public:
  MapUpload(MapBackend& backend, std::string key) : backend_(backend), key_(std::move(key)) {}

  const std::string& upload_id() const override { return key_; }
  Result<storage::PartInfo> UploadPart(const CallContext& ctx, uint32_t number, ByteView body,
                                       std::optional<uint32_t> crc32c) override {
    MB_RETURN_IF_ERROR(ctx.Check());
    if (crc32c && *crc32c != Crc32c(body)) return DataLossError("wrong checksum");
    parts_[number] = AsText(body);
    return storage::PartInfo{number, body.size(), "etag", crc32c};
  }
  Result<storage::PartInfo> CopyPart(const CallContext&, uint32_t, const storage::CopySource&,
                                     const storage::ByteRange&) override {
    return UnimplementedError("copy part");
  }
  Result<std::vector<storage::PartInfo>> ListParts(const CallContext&) override {
    return UnimplementedError("list parts");
  }
  Result<storage::ObjectInfo> Complete(const CallContext& ctx,
                                       const std::vector<storage::PartInfo>& parts) override {
    MB_RETURN_IF_ERROR(backend_.Change(ctx, "complete " + key_));
    std::string text;
    for (const storage::PartInfo& part : parts) text += parts_.at(part.number);
    backend_.objects[key_] = std::move(text);
    return backend_.Stat(ctx, key_);
  }
  Status Abort(const CallContext&) override { return Status::Ok(); }
  void Detach() override {}

 private:
  MapBackend& backend_;
  std::string key_;
  std::map<uint32_t, std::string> parts_;
};

storage::ObjectInfo InfoOf(const std::string& key, const std::string& content) {
  storage::ObjectInfo info;
  info.key = key;
  info.size = content.size();
  info.etag = std::to_string(Crc32c(AsBytes(content)));
  return info;
}

}  // namespace

Status MapBackend::Change(const CallContext& ctx, const std::string& what) {
  MB_RETURN_IF_ERROR(ctx.Check());
  if (changes.size() >= fail_from_change) return {Code::kUnavailable, "the machine died"};
  changes.push_back(what);
  return Status::Ok();
}

Result<storage::ObjectInfo> MapBackend::Stat(const CallContext& ctx, const std::string& key) {
  MB_RETURN_IF_ERROR(ctx.Check());
  const auto found = objects.find(key);
  if (found == objects.end()) return NotFoundError(key);
  return InfoOf(key, found->second);
}

Result<storage::ReadInfo> MapBackend::Read(const CallContext& ctx, const std::string& key,
                                           const storage::ReadOptions& options,
                                           const storage::Sink& sink) {
  if (key == unreadable_key) return Status(Code::kUnavailable, "connection refused");
  MB_ASSIGN_OR_RETURN(const storage::ObjectInfo object, Stat(ctx, key));
  if (!options.if_match.empty() && options.if_match != object.etag) {
    return Status(Code::kAborted, "the object was replaced");
  }
  const bool empty_from_start = object.size == 0 && options.offset == 0;
  if (options.offset >= object.size && !empty_from_start) return Status(Code::kOutOfRange, key);
  const std::string_view text = std::string_view(objects.at(key)).substr(options.offset);
  const std::string_view wanted = text.substr(0, options.length.value_or(text.size()));
  const storage::ReadInfo info{object.size, object.etag};
  const size_t half = wanted.size() / 2;
  for (const std::string_view chunk : {wanted.substr(0, half), wanted.substr(half)}) {
    if (!chunk.empty()) MB_RETURN_IF_ERROR(sink(info, AsBytes(chunk)));
  }
  return info;
}

Result<storage::ListPage> MapBackend::List(const CallContext& ctx,
                                           const storage::ListRequest& request) {
  MB_RETURN_IF_ERROR(ctx.Check());
  storage::ListPage page;
  const std::string& after = std::max(request.token, request.start_after);
  const size_t limit = std::min(page_size, request.max_keys);
  std::string last;
  for (const auto& [key, content] : objects) {
    if (!key.starts_with(request.prefix) || key <= after) continue;
    const size_t slash = request.delimiter.empty()
                             ? std::string::npos
                             : key.find(request.delimiter, request.prefix.size());
    const std::string entry = slash == std::string::npos ? key : key.substr(0, slash + 1);
    if (slash != std::string::npos && after.starts_with(entry)) continue;
    const bool repeated =
        slash != std::string::npos && !page.prefixes.empty() && page.prefixes.back() == entry;
    if (!repeated && page.objects.size() + page.prefixes.size() == limit) {
      page.next_token = last;
      return page;
    }
    last = key;
    if (slash == std::string::npos) {
      page.objects.push_back(InfoOf(key, content));
    } else if (!repeated) {
      page.prefixes.push_back(entry);
    }
  }
  return page;
}

Result<storage::ObjectInfo> MapBackend::Put(const CallContext& ctx, const std::string& key,
                                            ByteView body, const storage::PutOptions& options) {
  MB_RETURN_IF_ERROR(Change(ctx, "put " + key));
  if (options.crc32c != Crc32c(body)) return DataLossError("wrong or no checksum");
  objects[key] = AsText(body);
  return Stat(ctx, key);
}

Result<std::unique_ptr<storage::Upload>> MapBackend::StartUpload(
    const CallContext& ctx, const std::string& key, const storage::StartUploadOptions&) {
  MB_RETURN_IF_ERROR(ctx.Check());
  return std::unique_ptr<storage::Upload>(std::make_unique<MapUpload>(*this, key));
}

Status MapBackend::Delete(const CallContext& ctx, const std::string& key) {
  MB_RETURN_IF_ERROR(Change(ctx, "delete " + key));
  objects.erase(key);
  return Status::Ok();
}

Result<std::vector<storage::DeleteFailure>> MapBackend::DeleteMany(
    const CallContext& ctx, const std::vector<std::string>& keys) {
  std::vector<storage::DeleteFailure> failures;
  for (const std::string& key : keys) {
    if (key == undeletable_key) {
      failures.push_back({key, Status(Code::kPermissionDenied, "locked")});
      continue;
    }
    MB_RETURN_IF_ERROR(Delete(ctx, key));
  }
  return failures;
}

}  // namespace milvus_backup::meta::testing
