#include "storage_text_internal.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/checksum.h"
#include "milvus_backup/meta/layout.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace milvus_backup::meta {
namespace {

constexpr uint64_t kReadBytes = 4 * kMiB;
constexpr uint64_t kPartBytes = 8 * kMiB;
/// A text longer than this gets room for a whole part at once instead of by doubling.
constexpr size_t kLongText = kMiB;

/// Collects a text and sends it off part by part.
class ObjectWriter {
 public:
  ObjectWriter(const CallContext& ctx, storage::Backend& backend, std::string key)
      : ctx_(ctx),
        backend_(backend),
        key_(std::move(key)),
        part_bytes_(std::max(kPartBytes, backend.caps().min_part)) {}

  Status Append(std::string_view text) {
    if (buffer_.size() >= kLongText) buffer_.reserve(part_bytes_ + kLongText);
    buffer_ += text;
    // The last part is left to Finish: an object of exactly one part needs no upload.
    while (buffer_.size() > part_bytes_) {
      MB_RETURN_IF_ERROR(SendPart(std::string_view(buffer_).substr(0, part_bytes_)));
      buffer_.erase(0, part_bytes_);
    }
    return Status::Ok();
  }

  Status Finish() {
    if (upload_ == nullptr) {
      const ByteView body = AsBytes(buffer_);
      const auto put = backend_.Put(ctx_, key_, body, {.crc32c = Crc32c(body)});
      return put.ok() ? Status::Ok() : put.status();
    }
    MB_RETURN_IF_ERROR(SendPart(buffer_));
    const auto object = upload_->Complete(ctx_, parts_);
    return object.ok() ? Status::Ok() : object.status();
  }

 private:
  Status SendPart(std::string_view text) {
    if (upload_ == nullptr) {
      MB_ASSIGN_OR_RETURN(upload_, backend_.StartUpload(ctx_, key_, {.part_size = part_bytes_}));
    }
    const auto number = static_cast<uint32_t>(parts_.size() + 1);
    const ByteView body = AsBytes(text);
    MB_ASSIGN_OR_RETURN(storage::PartInfo part,
                        upload_->UploadPart(ctx_, number, body, Crc32c(body)));
    parts_.push_back(std::move(part));
    return Status::Ok();
  }

  const CallContext& ctx_;
  storage::Backend& backend_;
  std::string key_;
  uint64_t part_bytes_;
  std::string buffer_;
  std::unique_ptr<storage::Upload> upload_;
  std::vector<storage::PartInfo> parts_;
};

}  // namespace

TextSource ObjectSource(const CallContext& ctx, storage::Backend& backend, const std::string& key) {
  struct Progress {
    uint64_t next = 0;
    bool complete = false;
    std::string etag;
    std::string text;
  };
  return [ctx, &backend, key, at = Progress()]() mutable -> Result<std::string_view> {
    at.text.clear();
    if (at.complete) return std::string_view();
    const storage::ReadOptions options{
        .offset = at.next, .length = kReadBytes, .if_match = at.etag};
    const auto keep = [&](const storage::ReadInfo& info, ByteView chunk) {
      if (at.text.empty()) at.text.reserve(std::min(kReadBytes, info.object_size - at.next));
      at.text += AsText(chunk);
      return Status::Ok();
    };
    Result<storage::ReadInfo> info = backend.Read(ctx, key, options, keep);
    if (!info.ok()) return std::move(info).status().Annotate("reading " + key);
    at.next += at.text.size();
    at.etag = info->etag;
    at.complete = at.next >= info->object_size;
    if (at.text.empty() && !at.complete) return DataLossError("reading " + key + ": no bytes came");
    return std::string_view(at.text);
  };
}

Status WriteObject(const CallContext& ctx, storage::Backend& backend, const std::string& key,
                   const std::function<Status(const TextSink&)>& encode) {
  ObjectWriter writer(ctx, backend, key);
  Status status = encode([&](std::string_view text) { return writer.Append(text); });
  if (status.ok()) status = writer.Finish();
  return status.ok() ? status : std::move(status).Annotate("writing " + key);
}

Status BackupNotFound(const std::string& backup_dir) {
  return NotFoundError("backup " + BackupName(backup_dir) + " not found");
}

}  // namespace milvus_backup::meta
