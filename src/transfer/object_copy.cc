#include "transfer_internal.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/transfer/part_size.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace milvus_backup::transfer {
namespace {

/// S3 clients, Milvus' own among them, cut what is larger, so few objects with a plain MD5 are.
constexpr uint64_t kMostWhole = 16 * kMiB;
/// Reads of an object whose bytes turn out damaged.
constexpr int kMaxDamagedTries = 3;

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

/// What the item becomes, to be read.
CopyItem CopyOf(const CopyItem& item) {
  return {.source_key = item.destination_key,
          .destination_key = {},
          .size = item.size,
          .etag = {},
          .crc32c = item.crc32c,
          .md5 = item.md5};
}

uint64_t DivideUp(uint64_t value, uint64_t step) { return (value + step - 1) / step; }

}  // namespace

Status SourceChanged(const CopyItem& item) {
  return Status(Code::kAborted, fmt::format("{} changed while it was read", item.source_key))
      .WithOrigin(Origin::kStorage);
}

storage::ReadOptions RangeFill::options() const {
  storage::ReadOptions options{
      .offset = range_.offset, .if_match = item_.etag, .expected_bytes = range_.length};
  // Asked for without a range, a service tells the checksum of the whole object.
  if (range_.length != item_.size) options.length = range_.length;
  return options;
}

Status RangeFill::Check(const storage::ReadInfo& info, ByteView chunk) const {
  const bool fits = info.object_size == item_.size && chunk.size() <= range_.length - filled_;
  return fits ? Status::Ok() : SourceChanged(item_);
}

void RangeFill::Store(ByteView chunk) {
  std::memcpy(loaded_.buffer.data() + filled_, chunk.data(), chunk.size());
  loaded_.crc32c = ExtendCrc32c(loaded_.crc32c, chunk);
  filled_ += chunk.size();
}

Status RangeFill::End(const storage::ReadInfo& info) const {
  if (filled_ != range_.length || info.object_size != item_.size) return SourceChanged(item_);
  loaded_.etag = info.etag;
  loaded_.etag_is_md5 = info.etag_is_md5;
  loaded_.stored_crc32c = info.crc32c;
  return Status::Ok();
}

bool IsBelied(const LoadedRange& loaded) {
  return loaded.stored_crc32c && *loaded.stored_crc32c != loaded.crc32c;
}

Status SourceReader::LoadOnce(const CallContext& ctx, const CopyItem& item,
                              const storage::ByteRange& range, LoadedRange& loaded) {
  RangeFill fill(item, range, loaded);
  ByteBound::Permit permit;
  if (loaded.buffer.size() == 0) {
    const auto start = std::chrono::steady_clock::now();
    MB_ASSIGN_OR_RETURN(permit, pace.Announce(ctx, range.length));
    loaded.waited += std::chrono::steady_clock::now() - start;
  }
  const storage::Sink sink = [&](const storage::ReadInfo& info, ByteView chunk) -> Status {
    MB_RETURN_IF_ERROR(fill.Check(info, chunk));
    if (loaded.buffer.size() == 0) {
      const auto start = std::chrono::steady_clock::now();
      MB_ASSIGN_OR_RETURN(loaded.buffer, budget.Acquire(ctx, range.length));
      loaded.waited += std::chrono::steady_clock::now() - start;
      permit.End();
    }
    fill.Store(chunk);
    return pace.AfterRead(ctx, chunk.size());
  };
  MB_ASSIGN_OR_RETURN(const storage::ReadInfo info,
                      source.Read(ctx, item.source_key, fill.options(), sink));
  return fill.End(info);
}

Result<LoadedRange> SourceReader::Load(const CallContext& ctx, const CopyItem& item,
                                       const storage::ByteRange& range) {
  if (range.length == 0) return LoadedRange();
  // A slow stream must not wait half-read for its buffer: services give it up.
  if (pace.limits_bytes()) {
    MB_ASSIGN_OR_RETURN(Reserved reserved, Reserve(ctx, range.length));
    return LoadInto(ctx, item, range, std::move(reserved));
  }
  MB_ASSIGN_OR_RETURN(const InTurn::Turn turn, pace.BeginRead(ctx));
  return LoadProved(ctx, item, range, LoadedRange());
}

Result<SourceReader::Reserved> SourceReader::Reserve(const CallContext& ctx, uint64_t length) {
  MB_ASSIGN_OR_RETURN(InTurn::Turn turn, pace.BeginRead(ctx));
  const auto start = std::chrono::steady_clock::now();
  MB_ASSIGN_OR_RETURN(Buffer buffer, budget.Acquire(ctx, length));
  return Reserved{std::move(turn), std::move(buffer), std::chrono::steady_clock::now() - start};
}

Result<LoadedRange> SourceReader::LoadInto(const CallContext& ctx, const CopyItem& item,
                                           const storage::ByteRange& range, Reserved reserved) {
  const InTurn::Turn turn = std::move(reserved.turn);
  LoadedRange loaded;
  loaded.buffer = std::move(reserved.buffer);
  loaded.waited = reserved.waited;
  return LoadProved(ctx, item, range, std::move(loaded));
}

Result<LoadedRange> SourceReader::LoadProved(const CallContext& ctx, const CopyItem& item,
                                             const storage::ByteRange& range, LoadedRange loaded) {
  for (int tries = 1;; ++tries) {
    MB_RETURN_IF_ERROR(LoadOnce(ctx, item, range, loaded));
    if (!IsBelied(loaded)) return loaded;
    Status damaged = DataLossError(
                         "the bytes read are not those of the checksum that the source "
                         "storage keeps")
                         .WithOrigin(Origin::kStorage);
    if (tries == kMaxDamagedTries) return damaged;
    log::Warn("read again key={} error={}", item.source_key, damaged.ToString());
  }
}

Result<uint32_t> SourceReader::Crc32cOf(const CallContext& ctx, const CopyItem& item) {
  uint32_t crc = 0;
  std::optional<Md5Hasher> md5;
  if (item.md5 && !item.crc32c) md5.emplace();
  const storage::Sink sink = [&](const storage::ReadInfo&, ByteView chunk) {
    crc = ExtendCrc32c(crc, chunk);
    if (md5) md5->Add(chunk);
    return pace.AfterRead(ctx, chunk.size());
  };
  MB_RETURN_IF_ERROR(source.Read(ctx, item.source_key, {.if_match = item.etag}, sink).status());
  if (item.crc32c && *item.crc32c != crc) return OtherThanManifest();
  if (md5 && md5->Finish() != *item.md5) return OtherThanManifest();
  return crc;
}

Status OtherThanEtag() {
  return DataLossError("the bytes read do not have the MD5 that the source storage states as ETag")
      .WithOrigin(Origin::kStorage);
}

Status OtherThanManifest() {
  return DataLossError("its bytes are not those that the manifest of the backup speaks of")
      .WithOrigin(Origin::kStorage)
      .WithAdvice("restore this object from another copy of the backup");
}

Status ProveServerCopy(const CallContext& ctx, SourceReader source, SourceReader destination,
                       const CopyItem& item, const storage::ObjectInfo& copied, bool& second_read) {
  if (!item.has_hash()) return Status::Ok();
  // The copy is of the object with this ETag: the service was asked for no other.
  if (item.md5 && (IsPlainEtagOf(item.etag, *item.md5) || IsPlainEtagOf(copied.etag, *item.md5))) {
    return Status::Ok();
  }
  std::optional<uint32_t> stated = copied.crc32c;
  if (item.crc32c && !stated) {
    MB_ASSIGN_OR_RETURN(const storage::ObjectInfo info, source.source.Stat(ctx, item.source_key));
    if (!item.etag.empty() && info.etag != item.etag) return SourceChanged(item);
    stated = info.crc32c;
  }
  if (item.crc32c && stated) {
    return *stated == *item.crc32c ? Status::Ok() : OtherThanManifest();
  }
  second_read = true;
  return destination.Crc32cOf(ctx, CopyOf(item)).status();
}

Result<bool> IsAlreadyThere(const CallContext& ctx, SourceReader source, SourceReader destination,
                            const CopyItem& item) {
  const Result<storage::ObjectInfo> there = destination.source.Stat(ctx, item.destination_key);
  if (!there.ok() && there.status().code() == Code::kNotFound) return false;
  MB_RETURN_IF_ERROR(there.status());
  if (there->size != item.size) return false;
  if (item.has_hash()) {
    if (item.crc32c && there->crc32c) return *item.crc32c == *there->crc32c;
    if (item.md5 && IsPlainEtagOf(there->etag, *item.md5)) return true;
    const Result<uint32_t> read = destination.Crc32cOf(ctx, CopyOf(item));
    if (!read.ok() && read.status().code() != Code::kDataLoss) return read.status();
    return read.ok();
  }
  if (EtagsProveEqual(item.etag, there->etag)) return true;
  MB_ASSIGN_OR_RETURN(const storage::ObjectInfo here, source.source.Stat(ctx, item.source_key));
  if (here.size != item.size) return SourceChanged(item);
  if (here.crc32c && there->crc32c) return *here.crc32c == *there->crc32c;
  if (EtagsProveEqual(here.etag, there->etag)) return true;
  MB_ASSIGN_OR_RETURN(const uint32_t theirs,
                      destination.Crc32cOf(ctx, {.source_key = item.destination_key}));
  if (there->crc32c && *there->crc32c != theirs) return false;
  MB_ASSIGN_OR_RETURN(const uint32_t ours, source.Crc32cOf(ctx, item));
  return ours == theirs;
}

bool AnswersMayProve(const CopyItem& item, const LoadedRange& loaded,
                     const storage::Capabilities& caps, bool reads) {
  const bool has_md5 = item.md5 || LooksLikeMd5(item.etag.empty() ? loaded.etag : item.etag);
  const bool is_written = caps.repeats_checksums || has_md5;
  return is_written && (!reads || item.crc32c || has_md5 || loaded.stored_crc32c);
}

bool IsProvedByAnswers(const CopyItem& item, const LoadedRange& loaded,
                       const storage::ObjectInfo& stored, const storage::Capabilities& caps,
                       bool reads) {
  if (item.size == 0) return true;
  const std::string& etag = item.etag.empty() ? loaded.etag : item.etag;
  const bool is_same = EtagsProveEqual(etag, stored.etag);
  const bool is_written = stored.crc32c
                              ? *stored.crc32c == loaded.crc32c
                              : is_same || (item.md5 && IsPlainEtagOf(stored.etag, *item.md5)) ||
                                    (!LooksLikeMd5(stored.etag) && !caps.repeats_checksums);
  if (!is_written || !reads || item.crc32c) return is_written;
  return item.md5 ? IsPlainEtagOf(stored.etag, *item.md5) : loaded.stored_crc32c || is_same;
}

Status ProveWritten(const CallContext& ctx, SourceReader destination, const CopyItem& item,
                    const LoadedRange& loaded, const storage::ObjectInfo& stored) {
  // A service that answers with the checksum has compared it with what arrived.
  if (stored.crc32c && *stored.crc32c == loaded.crc32c) return Status::Ok();
  if (!stored.crc32c) {
    const std::string& etag = item.etag.empty() ? loaded.etag : item.etag;
    const bool is_settled =
        LooksLikeMd5(stored.etag)
            ? EtagsProveEqual(etag, stored.etag) || IsEtagOf(stored.etag, loaded.buffer.view())
            : !destination.source.caps().repeats_checksums || item.size == 0;
    if (is_settled) return Status::Ok();
  }
  // Either the bytes were damaged on their way, or this service says nothing of them: its ETags
  // (encrypted buckets) may look like hashes or not.
  MB_ASSIGN_OR_RETURN(const uint32_t there,
                      destination.Crc32cOf(ctx, {.source_key = item.destination_key}));
  if (there == loaded.crc32c) return Status::Ok();
  return DataLossError("the destination holds other bytes than were sent")
      .WithOrigin(Origin::kStorage);
}

Status ProveRead(const CallContext& ctx, SourceReader source, const CopyItem& item,
                 LoadedRange loaded, const storage::ObjectInfo& stored, bool& second_read) {
  // The item's checksum, and a stored one, were compared when the object was read.
  if (item.size == 0 || item.crc32c) return Status::Ok();
  if (item.md5) {
    const bool equal =
        IsPlainEtagOf(stored.etag, *item.md5) || Md5(loaded.buffer.view()) == *item.md5;
    return equal ? Status::Ok() : OtherThanManifest();
  }
  if (loaded.stored_crc32c) return Status::Ok();
  const std::string& etag = item.etag.empty() ? loaded.etag : item.etag;
  if (EtagsProveEqual(etag, stored.etag) || IsEtagOf(etag, loaded.buffer.view())) {
    return Status::Ok();
  }
  // Reading it again could give the same wrong bytes.
  if (loaded.etag_is_md5) return OtherThanEtag();
  loaded.buffer = Buffer();
  second_read = true;
  MB_ASSIGN_OR_RETURN(const uint32_t again, source.Crc32cOf(ctx, item));
  if (again == loaded.crc32c) return Status::Ok();
  return DataLossError("two reads of the source gave different bytes").WithOrigin(Origin::kStorage);
}

bool EtagsProveEqual(std::string_view a, std::string_view b) {
  return ParseEtag(a).is_hash && std::ranges::equal(a, b, [](char x, char y) {
           const auto lower = [](char c) {
             return c >= 'A' && c <= 'F' ? static_cast<char>(c + 32) : c;
           };
           return lower(x) == lower(y);
         });
}

bool IsPlainEtagOf(std::string_view etag, const Md5Digest& md5) {
  return EtagsProveEqual(etag, HexEncode(md5));
}

bool LooksLikeMd5(std::string_view etag) {
  const ParsedEtag parsed = ParseEtag(etag);
  return parsed.is_hash && parsed.parts == 0;
}

uint64_t PartsOfEtag(std::string_view etag) { return ParseEtag(etag).parts; }

bool IsEtagOf(std::string_view etag, ByteView bytes) {
  const ParsedEtag parsed = ParseEtag(etag);
  if (!parsed.is_hash || parsed.parts > 1) return false;
  const std::string md5 = HexEncode(Md5(bytes));
  return EtagsProveEqual(etag, parsed.parts == 0 ? md5 : EtagOfParts({md5}));
}

std::string EtagOfParts(const std::vector<std::string>& part_md5s) {
  std::string digests;
  for (const std::string& md5 : part_md5s) {
    if (!LooksLikeMd5(md5)) return {};
    for (size_t i = 0; i < md5.size(); i += 2) {
      uint8_t byte = 0;
      std::from_chars(md5.data() + i, md5.data() + i + 2, byte, 16);
      digests.push_back(static_cast<char>(byte));
    }
  }
  return HexEncode(Md5(AsBytes(digests))) + "-" + std::to_string(part_md5s.size());
}

std::optional<uint64_t> ChoosePartSize(const CopyItem& item, uint64_t preferred,
                                       const storage::Capabilities& caps, uint64_t first_part,
                                       uint64_t max_buffer) {
  // Part sizes that S3 clients use by default; minio-go, and so Milvus itself, cuts at 16 MiB.
  constexpr std::array<uint64_t, 9> kUsualMiB = {16, 5, 8, 10, 15, 32, 64, 100, 128};
  if (const uint64_t parts = PartsOfEtag(item.etag); parts > 0 && item.size > 0) {
    const auto fits = [&](uint64_t size) {
      return size > 0 && DivideUp(item.size, size) == parts && size >= caps.min_part &&
             size <= caps.max_part && std::min(size, item.size) <= max_buffer;
    };
    if (fits(first_part)) return first_part;
    for (const uint64_t mib : kUsualMiB) {
      if (first_part == 0 && fits(mib * kMiB)) return mib * kMiB;
    }
  }
  // Sent whole it gets the ETag of the source, which proves it; in parts it has to be hashed here.
  const uint64_t most_whole = std::min({kMostWhole, caps.max_put, max_buffer / 2});
  if (!item.has_hash() && LooksLikeMd5(item.etag) && item.size <= most_whole) return std::nullopt;
  return PartSizeFor(item.size, preferred, caps);
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
