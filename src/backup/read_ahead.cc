#include "read_ahead.h"

#include "milvus_backup/base/checksum.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// Objects fetched at once: enough to hide the latency of a service behind the compression.
constexpr size_t kWidth = 8;
/// Objects that wait for their turn, so that listings of empty ones are not held whole.
constexpr size_t kMostWaiting = 64;
/// Larger objects are not held.
constexpr uint64_t kMostAhead = 4 * kMiB;

Status Changed(const storage::ObjectInfo& object) {
  return Status(Code::kAborted, object.key + " changed while it was read")
      .WithOrigin(Origin::kStorage)
      .WithAdvice("run the same command again");
}

}  // namespace

ReadAhead::ReadAhead(const CallContext& ctx, storage::Backend& backend, size_t memory_bytes)
    : ctx_(ctx), backend_(backend), memory_bytes_(memory_bytes), tasks_(kWidth, ctx.stop) {}

bool ReadAhead::HasRoom(uint64_t size) const {
  if (queue_.empty()) return true;
  if (queue_.size() >= kMostWaiting) return false;
  return size > kMostAhead || held_bytes_ + size <= memory_bytes_;
}

void ReadAhead::Add(storage::ObjectInfo object) {
  auto item = std::make_shared<Item>();  // shared with the task that loads it
  item->object = std::move(object);
  item->ahead = item->object.size <= kMostAhead;
  queue_.push_back(item);
  if (!item->ahead) return;
  held_bytes_ += item->object.size;
  const bool taken = tasks_.Submit([this, item](const std::stop_token& stop) {
    Load({stop, ctx_.deadline}, *item);
    return Status::Ok();
  });
  if (!taken) {
    item->status = CancelledError();
    item->done = true;
  }
}

void ReadAhead::Load(const CallContext& ctx, Item& item) {
  item.bytes = std::make_unique_for_overwrite<std::byte[]>(item.object.size);
  size_t filled = 0;
  Status status = Read(ctx, item.object, [&](ByteView chunk) {
    std::memcpy(item.bytes.get() + filled, chunk.data(), chunk.size());
    filled += chunk.size();
    return Status::Ok();
  });
  const std::scoped_lock lock(mutex_);
  item.status = std::move(status);
  item.done = true;
  loaded_.notify_all();
}

Status ReadAhead::Read(const CallContext& ctx, const storage::ObjectInfo& object,
                       const std::function<Status(ByteView)>& sink) const {
  uint64_t left = object.size;
  uint32_t crc = 0;
  Status unwritten;
  const auto read =
      backend_.Read(ctx, object.key, {.if_match = object.etag, .expected_bytes = object.size},
                    [&](const storage::ReadInfo& info, ByteView chunk) {
                      if (info.object_size != object.size || chunk.size() > left) {
                        return Changed(object);
                      }
                      left -= chunk.size();
                      crc = ExtendCrc32c(crc, chunk);
                      unwritten = sink(chunk);
                      return unwritten;
                    });
  MB_RETURN_IF_ERROR(unwritten);
  if (!read.ok()) return read.status().Annotate("reading " + object.key);
  if (left > 0 || read->object_size != object.size) return Changed(object);
  if (!read->crc32c || *read->crc32c == crc) return Status::Ok();
  return DataLossError(object.key + " has other bytes than its storage's checksum says")
      .WithOrigin(Origin::kStorage);
}

Status ReadAhead::Take(const std::function<Status(ByteView)>& sink) {
  const std::shared_ptr<Item> item = std::move(queue_.front());
  queue_.pop_front();
  if (!item->ahead) return Read(ctx_, item->object, sink);
  held_bytes_ -= item->object.size;
  {
    std::unique_lock lock(mutex_);
    // A task that a stop has dropped is never done.
    if (!loaded_.wait(lock, ctx_.stop, [&] { return item->done; })) return CancelledError();
  }
  MB_RETURN_IF_ERROR(item->status);
  return sink({item->bytes.get(), item->object.size});
}

}  // namespace milvus_backup::backup
