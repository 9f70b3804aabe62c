#include "transfer_internal.h"

#include "milvus_backup/base/checksum.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace milvus_backup::transfer {
namespace {

bool IsHex(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

struct ParsedEtag {
  bool is_hash = false;
  /// Parts of a multipart upload; 0 for a plain MD5.
  uint64_t parts = 0;
};

ParsedEtag ParseEtag(std::string_view etag) {
  constexpr size_t kMd5Digits = 32;
  if (etag.size() < kMd5Digits || !IsHex(etag.substr(0, kMd5Digits))) return {};
  if (etag.size() == kMd5Digits) return {true, 0};
  if (etag[kMd5Digits] != '-') return {};
  const std::string_view count = etag.substr(kMd5Digits + 1);
  uint64_t parts = 0;
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), parts);
  if (error != std::errc() || end != count.data() + count.size() || parts == 0) return {};
  return {true, parts};
}

uint64_t DivideUp(uint64_t value, uint64_t step) { return (value + step - 1) / step; }

}  // namespace

Status SourceChanged(const CopyItem& item) {
  return Status(Code::kAborted, fmt::format("{} changed while it was read", item.source_key))
      .WithOrigin(Origin::kStorage);
}

Result<LoadedRange> LoadRange(const CallContext& ctx, storage::Backend& source,
                              MemoryBudget& budget, const CopyItem& item,
                              const storage::ByteRange& range) {
  LoadedRange loaded;
  if (range.length == 0) return loaded;
  MB_ASSIGN_OR_RETURN(loaded.buffer, budget.Acquire(ctx, range.length));
  size_t filled = 0;
  const storage::Sink sink = [&](const storage::ReadInfo& info, ByteView chunk) -> Status {
    if (info.object_size != item.size || chunk.size() > range.length - filled)
      return SourceChanged(item);
    std::memcpy(loaded.buffer.data() + filled, chunk.data(), chunk.size());
    loaded.crc32c = ExtendCrc32c(loaded.crc32c, chunk);
    filled += chunk.size();
    return Status::Ok();
  };
  storage::ReadOptions options{
      .offset = range.offset, .length = range.length, .if_match = item.etag};
  MB_ASSIGN_OR_RETURN(const storage::ReadInfo info,
                      source.Read(ctx, item.source_key, options, sink));
  if (filled != range.length || info.object_size != item.size) return SourceChanged(item);
  loaded.etag = info.etag;
  return loaded;
}

Result<uint32_t> ReadCrc32c(const CallContext& ctx, storage::Backend& source,
                            const CopyItem& item) {
  uint32_t crc = 0;
  const storage::Sink sink = [&](const storage::ReadInfo&, ByteView chunk) {
    crc = ExtendCrc32c(crc, chunk);
    return Status::Ok();
  };
  MB_RETURN_IF_ERROR(source.Read(ctx, item.source_key, {.if_match = item.etag}, sink).status());
  return crc;
}

Result<bool> IsAlreadyThere(const CallContext& ctx, storage::Backend& source,
                            storage::Backend& destination, const CopyItem& item) {
  const Result<storage::ObjectInfo> there = destination.Stat(ctx, item.destination_key);
  if (!there.ok() && there.status().code() == Code::kNotFound) return false;
  MB_RETURN_IF_ERROR(there.status());
  if (there->size != item.size) return false;
  if (EtagsProveEqual(item.etag, there->etag)) return true;
  MB_ASSIGN_OR_RETURN(const storage::ObjectInfo here, source.Stat(ctx, item.source_key));
  if (here.size != item.size) return SourceChanged(item);
  if (here.crc32c && there->crc32c) return *here.crc32c == *there->crc32c;
  if (EtagsProveEqual(here.etag, there->etag)) return true;
  MB_ASSIGN_OR_RETURN(const uint32_t theirs,
                      ReadCrc32c(ctx, destination, {.source_key = item.destination_key}));
  if (there->crc32c && *there->crc32c != theirs) return false;
  MB_ASSIGN_OR_RETURN(const uint32_t ours, ReadCrc32c(ctx, source, item));
  return ours == theirs;
}

bool EtagsProveEqual(std::string_view a, std::string_view b) {
  return ParseEtag(a).is_hash && std::ranges::equal(a, b, [](char x, char y) {
           const auto lower = [](char c) {
             return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c;
           };
           return lower(x) == lower(y);
         });
}

std::optional<uint64_t> ChoosePartSize(const CopyItem& item, uint64_t preferred,
                                       const storage::Capabilities& caps) {
  // Part sizes that S3 clients use by default; minio-go, and so Milvus itself, cuts at 16 MiB.
  constexpr std::array<uint64_t, 9> kUsualMiB = {16, 5, 8, 10, 15, 32, 64, 100, 128};
  if (const ParsedEtag etag = ParseEtag(item.etag); etag.parts > 0 && item.size > 0) {
    for (const uint64_t mib : kUsualMiB) {
      const uint64_t size = mib * kMiB;
      if (DivideUp(item.size, size) == etag.parts && size >= caps.min_part) return size;
    }
  }
  const uint64_t part = std::clamp(preferred, caps.min_part, caps.max_part);
  if (item.size <= std::min(part, caps.max_put)) return std::nullopt;
  const uint64_t needed = DivideUp(item.size, caps.max_parts);
  return std::max(part, DivideUp(needed, kMiB) * kMiB);
}

bool IsHopeless(const Status& status) {
  switch (status.code()) {
    case Code::kCancelled:
    case Code::kUnauthenticated:
    case Code::kPermissionDenied:
    case Code::kResourceExhausted:
    case Code::kUnavailable:
      return true;
    default:
      return status.service_code() == "NoSuchBucket";
  }
}

}  // namespace milvus_backup::transfer
