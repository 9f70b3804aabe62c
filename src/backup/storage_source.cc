#include "storage_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace milvus_backup::backup {
namespace {

/// Footers of logs take a few hundred bytes, those of packed files some kilobytes.
constexpr uint64_t kTailBytes = 64 * kKiB;

}  // namespace

void StorageSource::Stretch::Slide(uint64_t offset, size_t room) {
  const size_t kept = end() - offset;
  const std::byte* from = bytes.get() + (offset - begin);
  if (room > capacity) {
    auto larger = std::make_unique_for_overwrite<std::byte[]>(room);
    if (kept > 0) std::memcpy(larger.get(), from, kept);
    bytes = std::move(larger);
    capacity = room;
  } else if (kept > 0) {
    std::memmove(bytes.get(), from, kept);
  }
  begin = offset;
  size = kept;
}

void StorageSource::Stretch::Restart(uint64_t offset, size_t room) {
  begin = offset;
  size = 0;
  Slide(offset, room);
}

Result<std::unique_ptr<StorageSource>> StorageSource::Open(const CallContext& ctx,
                                                           storage::Backend& backend,
                                                           std::string key, Options options) {
  std::unique_ptr<StorageSource> source(
      new StorageSource(ctx, backend, std::move(key), std::move(options)));
  MB_RETURN_IF_ERROR(source->OpenFirst());
  return source;
}

Status StorageSource::OpenFirst() {
  bool is_first = true;
  const storage::Sink sink = [&](const storage::ReadInfo& info, ByteView chunk) {
    if (is_first) window_.Restart(0, std::min<uint64_t>(info.object_size, options_.window_bytes));
    is_first = false;
    if (chunk.size() > window_.capacity - window_.size) {
      return InternalError("the storage sent more bytes than were asked for");
    }
    std::memcpy(window_.bytes.get() + window_.size, chunk.data(), chunk.size());
    window_.size += chunk.size();
    return Status::Ok();
  };
  MB_ASSIGN_OR_RETURN(
      const storage::ReadInfo info,
      backend_.Read(ctx_, key_, {.offset = 0, .length = options_.window_bytes}, sink));
  size_ = info.object_size;
  etag_ = info.etag;
  if (window_.size != std::min<uint64_t>(size_, options_.window_bytes)) {
    return DataLossError(
               fmt::format("{}: the storage sent {} bytes of {}", key_, window_.size, size_))
        .WithOrigin(Origin::kStorage);
  }
  Feed();
  return Status::Ok();
}

Status StorageSource::Fetch(Stretch& stretch, size_t length) {
  MB_CHECK(length <= stretch.capacity - stretch.size);
  const size_t wanted = stretch.size + length;
  const storage::Sink sink = [&](const storage::ReadInfo&, ByteView chunk) {
    if (chunk.size() > wanted - stretch.size) {
      return InternalError("the storage sent more bytes than were asked for");
    }
    std::memcpy(stretch.bytes.get() + stretch.size, chunk.data(), chunk.size());
    stretch.size += chunk.size();
    return Status::Ok();
  };
  MB_RETURN_IF_ERROR(
      backend_
          .Read(ctx_, key_, {.offset = stretch.end(), .length = length, .if_match = etag_}, sink)
          .status());
  if (stretch.size == wanted) return Status::Ok();
  return DataLossError(
             fmt::format("{}: the storage sent {} bytes too few", key_, wanted - stretch.size))
      .WithOrigin(Origin::kStorage);
}

void StorageSource::Feed() {
  if (fed_ < window_.begin || fed_ >= window_.end()) return;
  if (options_.on_bytes) options_.on_bytes(window_.View(fed_, window_.end() - fed_));
  fed_ = window_.end();
}

Result<ByteView> StorageSource::View(uint64_t offset, size_t length) {
  MB_CHECK(offset <= size_ && length <= size_ - offset);
  if (window_.Holds(offset, length)) return window_.View(offset, length);
  if (tail_.bytes && tail_.Holds(offset, length)) return tail_.View(offset, length);
  const uint64_t tail_begin = size_ - std::min(size_, kTailBytes);
  if (offset >= tail_begin && offset > window_.end()) {
    tail_.Restart(tail_begin, size_ - tail_begin);
    MB_RETURN_IF_ERROR(Fetch(tail_, size_ - tail_begin));
    return tail_.View(offset, length);
  }
  const size_t room = std::min<uint64_t>(std::max(length, options_.window_bytes), size_ - offset);
  if (offset >= window_.begin && offset <= window_.end()) {
    window_.Slide(offset, room);
  } else {
    window_.Restart(offset, room);
  }
  MB_RETURN_IF_ERROR(Fetch(window_, room - window_.size));
  Feed();
  return window_.View(offset, length);
}

Status StorageSource::ReadRest() {
  while (fed_ < size_) {
    // Not by View: what the tail holds has not been handed on.
    const size_t length = std::min<uint64_t>(options_.window_bytes, size_ - fed_);
    window_.Restart(fed_, length);
    MB_RETURN_IF_ERROR(Fetch(window_, length));
    Feed();
  }
  return Status::Ok();
}

}  // namespace milvus_backup::backup
