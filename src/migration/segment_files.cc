#include "segment_files.h"

#include "local_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <limits>
#include <span>
#include <utility>

namespace milvus_backup::migration {
namespace {

static_assert(std::endian::native == std::endian::little, "the files are little-endian");

constexpr uint64_t kOffsetBytes = 4;
/// More rows than any server puts into a segment (index_file_size is at most 4 GiB), and what a
/// deleted offset, an int32, can name.
constexpr uint64_t kMaxRows = std::numeric_limits<int32_t>::max();

std::string KeyOf(const Store& tables, const Table& table, const Segment& segment,
                  const std::string& name) {
  return fmt::format("{}{}/{}/{}", tables.prefix, table.id, segment.id, name);
}

/// Read the count of a file and hold it against the size of the file.
Result<SourceFile> OpenFile(const CallContext& ctx, const Store& tables, std::string key) {
  std::array<std::byte, kFrameBytes> head{};
  size_t got = 0;
  auto read = tables.backend->Read(ctx, key, {.offset = 0, .length = kFrameBytes},
                                   [&](const storage::ReadInfo&, ByteView chunk) {
                                     std::memcpy(head.data() + got, chunk.data(), chunk.size());
                                     got += chunk.size();
                                     return Status::Ok();
                                   });
  if (!read.ok()) return read.status().Annotate("reading " + key);
  if (got < kFrameBytes) {
    return DataLossError(fmt::format("{} has {} bytes, not even the 8 of its length", key, got));
  }
  uint64_t payload = 0;
  std::memcpy(&payload, head.data(), sizeof(payload));
  if (read->object_size - kFrameBytes != payload) {
    return DataLossError(
        fmt::format("{} says it holds {} bytes and holds {}: it is {}", key, payload,
                    read->object_size - kFrameBytes,
                    payload > read->object_size - kFrameBytes ? "cut off" : "damaged"));
  }
  return SourceFile{.key = std::move(key), .payload_bytes = payload, .etag = read->etag};
}

/// Takes the bytes of `deleted_docs` as they come.
class OffsetReader {
 public:
  OffsetReader(const std::string& key, RowSet& rows) : key_(key), rows_(rows) {}

  Status Take(ByteView bytes) {
    for (const std::byte byte : bytes) {
      number_ |= std::to_integer<uint32_t>(byte) << (8 * filled_);
      if (++filled_ < kOffsetBytes) continue;
      MB_RETURN_IF_ERROR(Add(static_cast<int32_t>(number_)));
      number_ = 0;
      filled_ = 0;
    }
    return Status::Ok();
  }

 private:
  Status Add(int32_t offset) {
    if (offset < 0 || static_cast<uint64_t>(offset) >= rows_.rows()) {
      return DataLossError(
          fmt::format("{} names row {} of a segment that has {}", key_, offset, rows_.rows()));
    }
    rows_.Add(static_cast<uint64_t>(offset));
    return Status::Ok();
  }

  const std::string& key_;
  RowSet& rows_;
  uint32_t number_ = 0;
  uint32_t filled_ = 0;
};

Status ReadDeleted(const CallContext& ctx, const Store& tables, std::string key,
                   SegmentFiles& files) {
  auto file = OpenFile(ctx, tables, key);
  if (file.status().code() == Code::kNotFound) {
    // A segment that never saw a delete may come without.
    files.deleted_docs.key = std::move(key);
    return Status::Ok();
  }
  MB_RETURN_IF_ERROR(file.status());
  files.deleted_docs = *std::move(file);
  if (files.deleted_docs.payload_bytes % kOffsetBytes != 0) {
    return DataLossError(fmt::format("{} holds {} bytes, no whole number of offsets", key,
                                     files.deleted_docs.payload_bytes));
  }
  if (files.deleted_docs.payload_bytes == 0) return Status::Ok();
  OffsetReader reader(files.deleted_docs.key, files.deleted);
  return tables.backend
      ->Read(ctx, key, {.offset = kFrameBytes, .if_match = files.deleted_docs.etag},
             [&](const storage::ReadInfo&, ByteView chunk) { return reader.Take(chunk); })
      .status();
}

}  // namespace

Result<SegmentFiles> OpenSegment(const CallContext& ctx, const Store& tables, const Table& table,
                                 const Segment& segment) {
  SegmentFiles files;
  MB_ASSIGN_OR_RETURN(files.vectors,
                      OpenFile(ctx, tables, KeyOf(tables, table, segment, segment.id + ".rv")));
  MB_ASSIGN_OR_RETURN(files.ids,
                      OpenFile(ctx, tables, KeyOf(tables, table, segment, segment.id + ".uid")));
  const uint64_t id_rows = files.ids.payload_bytes / kIdBytes;
  if (files.ids.payload_bytes % kIdBytes != 0 || id_rows > kMaxRows) {
    return DataLossError(fmt::format("{} holds {} bytes, no number of ids that a segment can have",
                                     files.ids.key, files.ids.payload_bytes));
  }
  if (files.vectors.payload_bytes != id_rows * table.vector_bytes()) {
    return DataLossError(fmt::format(
        "{} holds {} bytes, but the {} ids of {} need {} with dimension {}: the dimension of the "
        "meta is wrong, or the files do not belong together",
        files.vectors.key, files.vectors.payload_bytes, id_rows, files.ids.key,
        id_rows * table.vector_bytes(), table.dim));
  }
  files.deleted = RowSet(id_rows);
  MB_RETURN_IF_ERROR(
      ReadDeleted(ctx, tables, KeyOf(tables, table, segment, "deleted_docs"), files));
  return files;
}

namespace {

/// Finds the bytes of rows that are not skipped, wherever the blocks that come are cut.
class LiveBytes {
 public:
  LiveBytes(const RowSet& skipped, uint64_t row_bytes, uint64_t first_row)
      : skipped_(skipped), row_bytes_(row_bytes), position_(first_row * row_bytes) {}

  /// Pass over rows that are skipped, and over what is left of one. Returns where in the payload
  /// the next byte lies.
  uint64_t SkipDead() {
    const uint64_t row = position_ / row_bytes_;
    if (skipped_.Has(row)) position_ = skipped_.NextOut(row) * row_bytes_;
    return position_;
  }

  /// Call `take` for each stretch of them in `bytes`, which follow those of the call before.
  template <typename Take>
  Status Split(ByteView bytes, Take take) {
    while (!bytes.empty()) {
      const uint64_t row = position_ / row_bytes_;
      const bool skips = skipped_.Has(row);
      const uint64_t end = (skips ? skipped_.NextOut(row) : skipped_.NextIn(row)) * row_bytes_;
      const size_t count = std::min<uint64_t>(bytes.size(), end - position_);
      if (!skips) MB_RETURN_IF_ERROR(take(bytes.first(count)));
      bytes = bytes.subspan(count);
      position_ += count;
    }
    return Status::Ok();
  }

 private:
  const RowSet& skipped_;
  const uint64_t row_bytes_;
  /// In the payload, of the next byte.
  uint64_t position_;
};

/// Reads a block of `count` bytes at `offset` of the payload and hands on what is live of it.
using ReadBlock = std::function<Status(uint64_t offset, uint64_t count)>;

/// Blocks of at most `most()` bytes that begin with a byte that is live.
Status ReadBlocks(const CallContext& ctx, uint64_t offset, uint64_t end, LiveBytes& live,
                  const std::function<uint64_t()>& most, const ReadBlock& read) {
  while (offset < end) {
    MB_RETURN_IF_ERROR(ctx.Check());
    offset = live.SkipDead();
    if (offset >= end) break;
    const uint64_t count = std::min(most(), end - offset);
    MB_CHECK(count > 0);
    MB_RETURN_IF_ERROR(read(offset, count));
    offset += count;
  }
  return Status::Ok();
}

Status CopyInto(const RowStream& stream, ByteView bytes) {
  while (!bytes.empty()) {
    const std::span<std::byte> room = stream.room();
    MB_CHECK(!room.empty());
    const size_t count = std::min(bytes.size(), room.size());
    std::memcpy(room.data(), bytes.data(), count);
    MB_RETURN_IF_ERROR(stream.filled(count));
    bytes = bytes.subspan(count);
  }
  return Status::Ok();
}

Status StreamFromStorage(const CallContext& ctx, const Store& tables, const SourceFile& file,
                         const RowStream& stream, uint64_t offset, uint64_t end, LiveBytes live) {
  const auto take = [&](ByteView run) { return CopyInto(stream, run); };
  const auto most = [&] { return stream.block_bytes; };
  return ReadBlocks(ctx, offset, end, live, most, [&](uint64_t at, uint64_t count) -> Status {
    uint64_t got = 0;
    const auto read = tables.backend->Read(
        ctx, file.key, {.offset = kFrameBytes + at, .length = count, .if_match = file.etag},
        [&](const storage::ReadInfo&, ByteView chunk) {
          got += chunk.size();
          return live.Split(chunk, take);
        });
    if (!read.ok()) return read.status().Annotate("reading " + file.key);
    if (got != count) return DataLossError(fmt::format("{} ended early", file.key));
    return Status::Ok();
  });
}

/// The file that was looked at, opened for good.
Result<LocalFile> OpenSame(const CallContext& ctx, const Store& tables, const SourceFile& file) {
  auto opened =
      LocalFile::Open(tables.local_root + "/" + file.key, "the directory of the old tables");
  // Asked for once it is open: what is put in its place after that is another file.
  const auto now = tables.backend->Stat(ctx, file.key);
  const Code code = now.status().code();
  if (code == Code::kNotFound || (now.ok() && now->etag != file.etag)) {
    return Status(Code::kAborted, file.key + " has changed since it was looked at")
        .WithOrigin(Origin::kStorage);
  }
  MB_RETURN_IF_ERROR(now.status());
  return opened;
}

/// Not through the storage: that reads into memory which it takes anew at every call, so that each
/// page of it is a fault, and from there every byte would be copied once more.
Status StreamFromDisk(const CallContext& ctx, const Store& tables, const SourceFile& file,
                      const RowStream& stream, uint64_t offset, uint64_t end, LiveBytes live) {
  MB_ASSIGN_OR_RETURN(const LocalFile opened, OpenSame(ctx, tables, file));
  const auto most = [&] { return std::min<uint64_t>(stream.block_bytes, stream.room().size()); };
  return ReadBlocks(ctx, offset, end, live, most, [&](uint64_t at, uint64_t count) -> Status {
    const std::span<std::byte> room = stream.room().first(count);
    MB_RETURN_IF_ERROR(opened.ReadAt(kFrameBytes + at, room));
    // Live rows move up to close the gaps.
    uint64_t kept = 0;
    MB_RETURN_IF_ERROR(live.Split(room, [&](ByteView run) {
      std::byte* const to = room.data() + kept;
      if (to != run.data()) std::memmove(to, run.data(), run.size());
      kept += run.size();
      return Status::Ok();
    }));
    return stream.filled(kept);
  });
}

}  // namespace

Status StreamRows(const CallContext& ctx, const Store& tables, const SourceFile& file,
                  const RowSet& skipped, uint64_t first_row, uint64_t end_row,
                  const RowStream& stream) {
  const LiveBytes live(skipped, stream.row_bytes, first_row);
  const uint64_t offset = first_row * stream.row_bytes;
  const uint64_t end = end_row * stream.row_bytes;
  return tables.local_root.empty() ? StreamFromStorage(ctx, tables, file, stream, offset, end, live)
                                   : StreamFromDisk(ctx, tables, file, stream, offset, end, live);
}

}  // namespace milvus_backup::migration
