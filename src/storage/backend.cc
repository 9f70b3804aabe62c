#include "milvus_backup/storage/backend.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/net/http_client.h"
#include "milvus_backup/storage/object_stream.h"

#include <utility>

namespace milvus_backup::storage {

void Backend::StartRead(RequestLoop&, const CallContext&, const std::string&, const ReadOptions&,
                        Sink, ReadDone) {
  MB_CHECK(starts_calls());
}

void Backend::StartPut(RequestLoop&, const CallContext&, const std::string&, ByteView,
                       const PutOptions&, PutDone) {
  MB_CHECK(starts_calls());
}

Status Backend::CheckDeletable(const CallContext& ctx, const std::string& prefix) {
  static_cast<void>(prefix);
  return ctx.Check();
}

Status Backend::RemoveRemains(const CallContext& ctx, const std::string& prefix) {
  static_cast<void>(prefix);
  return ctx.Check();
}

Status Backend::RemoveDeadWrites(const CallContext& ctx, const std::string& prefix) {
  static_cast<void>(prefix);
  return ctx.Check();
}

Result<uint64_t> Backend::FirstPartSize(const CallContext& ctx, const std::string& key,
                                        const std::string& if_match) {
  static_cast<void>(if_match);
  MB_RETURN_IF_ERROR(ctx.Check());
  return UnimplementedError("the storage does not tell how " + key + " was uploaded")
      .WithOrigin(Origin::kStorage);
}

const Backend& Innermost(const Backend& backend) {
  const Backend* innermost = &backend;
  while (const Backend* inner = innermost->Unwrap()) innermost = inner;
  return *innermost;
}

bool MayConcernOneObject(const Status& status) {
  if (status.code() != Code::kUnavailable) return false;
  const std::string& service = status.service_code();
  return status.http_status() != 0 || service == kDiskError || service == net::kTruncated ||
         service == net::kConnectionLost;
}

Status ForEachObject(const CallContext& ctx, Backend& backend, const std::string& prefix,
                     const std::function<Status(const ObjectInfo&)>& visit) {
  return ForEachObject(ctx, backend, KeyRange{.prefix = prefix}, visit);
}

Status ForEachObject(const CallContext& ctx, Backend& backend, const KeyRange& range,
                     const std::function<Status(const ObjectInfo&)>& visit) {
  ObjectStream stream(ctx, backend, range);
  for (;;) {
    MB_ASSIGN_OR_RETURN(const ObjectInfo* object, stream.Next());
    if (object == nullptr) return Status::Ok();
    MB_RETURN_IF_ERROR(visit(*object));
  }
}

Status AbortUploads(const CallContext& ctx, Backend& backend, const std::string& key,
                    const std::string& kept) {
  MB_ASSIGN_OR_RETURN(const std::vector<UploadInfo> uploads, backend.ListUploads(ctx, key));
  for (const UploadInfo& upload : uploads) {
    if (!kept.empty() && upload.upload_id == kept) continue;
    auto open = backend.ResumeUpload(ctx, key, upload.upload_id);
    if (!open.ok() && open.status().code() == Code::kNotFound) continue;
    MB_RETURN_IF_ERROR(open.status());
    MB_RETURN_IF_ERROR((*open)->Abort(ctx));
  }
  return Status::Ok();
}

Result<std::string> ReadAll(const CallContext& ctx, Backend& backend, const std::string& key,
                            size_t max_bytes) {
  std::string text;
  const Sink sink = [&](const ReadInfo& info, ByteView chunk) -> Status {
    if (info.object_size > max_bytes) {
      return {Code::kOutOfRange, key + " is larger than " + std::to_string(max_bytes) + " bytes"};
    }
    if (text.empty()) text.reserve(info.object_size);
    text.append(AsText(chunk));
    return Status::Ok();
  };
  MB_ASSIGN_OR_RETURN(const ReadInfo info, backend.Read(ctx, key, {}, sink));
  if (text.size() != info.object_size) {
    return DataLossError(key + ": read " + std::to_string(text.size()) + " of " +
                         std::to_string(info.object_size) + " bytes")
        .WithOrigin(Origin::kStorage);
  }
  return text;
}

}  // namespace milvus_backup::storage
