#include "archive_objects.h"

#include "content_check.h"

#include "milvus_backup/transfer/part_size.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

Status OtherBytes(const std::string& key) {
  return DataLossError(fmt::format("{} has other bytes in the archive than the manifest says", key))
      .WithAdvice("nothing was imported; export the backup again");
}

/// A multipart upload of bytes that come in order.
class PartUpload {
 public:
  /// `writing` is for the parts themselves.
  PartUpload(const CallContext& ctx, CallContext writing, storage::Upload& upload,
             MemoryBudget& budget, uint64_t part_size, size_t parallel)
      : ctx_(ctx),
        writing_(std::move(writing)),
        upload_(upload),
        budget_(budget),
        part_size_(part_size),
        tasks_(parallel, ctx.stop) {}

  /// `left`: bytes of the object that are still to come, these included.
  Status Add(ByteView bytes, uint64_t left) {
    while (!bytes.empty()) {
      if (filled_ == 0) {
        MB_ASSIGN_OR_RETURN(buffer_, budget_.Acquire(ctx_, std::min(part_size_, left)));
      }
      const size_t taken = std::min(bytes.size(), buffer_.size() - filled_);
      std::memcpy(buffer_.data() + filled_, bytes.data(), taken);
      filled_ += taken;
      left -= taken;
      bytes = bytes.subspan(taken);
      if (filled_ == buffer_.size()) MB_RETURN_IF_ERROR(Send());
    }
    return Status::Ok();
  }

  /// The parts, by number.
  Result<std::vector<storage::PartInfo>> Finish() {
    MB_RETURN_IF_ERROR(tasks_.Wait());
    std::ranges::sort(parts_, {}, &storage::PartInfo::number);
    return std::move(parts_);
  }

 private:
  Status Send() {
    // Shared because tasks must be copyable; the task is its only owner.
    auto body = std::make_shared<Buffer>(std::move(buffer_));
    filled_ = 0;
    const uint32_t number = ++sent_;
    const bool taken = tasks_.Submit([this, number, body](const std::stop_token&) -> Status {
      MB_ASSIGN_OR_RETURN(storage::PartInfo part,
                          upload_.UploadPart(writing_, number, body->view(), Crc32c(body->view())));
      const std::scoped_lock lock(mutex_);
      parts_.push_back(std::move(part));
      return Status::Ok();
    });
    if (taken) return Status::Ok();
    Status why = tasks_.Wait();
    return why.ok() ? CancelledError() : why;
  }

  const CallContext& ctx_;
  const CallContext writing_;
  storage::Upload& upload_;
  MemoryBudget& budget_;
  const uint64_t part_size_;
  Buffer buffer_;
  size_t filled_ = 0;
  uint32_t sent_ = 0;
  std::mutex mutex_;
  std::vector<storage::PartInfo> parts_;
  TaskGroup tasks_;  // last: its threads use what is above
};

}  // namespace

ArrivingObjects::ArrivingObjects(const CallContext& ctx, storage::Backend& backend,
                                 CopyMarker& marker, const ImportOptions& options)
    : ctx_(ctx),
      backend_(backend),
      marker_(marker),
      options_(options),
      budget_(options.memory_bytes),
      grace_(ctx.stop),
      puts_(options.parallel, ctx.stop) {}

Status ArrivingObjects::Take(ArchiveReader& reader, const ArrivingObject& object) {
  const auto part_size = transfer::PartSizeFor(object.size, options_.part_size, backend_.caps());
  if (!part_size) return TakeWhole(reader, object);
  if (*part_size > std::min<uint64_t>(backend_.caps().max_part, budget_.limit())) {
    return DataLossError(fmt::format("{} in the archive claims {} bytes, more than any backup's",
                                     object.key, object.size));
  }
  return TakeInParts(reader, object, *part_size);
}

Status ArrivingObjects::TakeWhole(ArchiveReader& reader, const ArrivingObject& object) {
  MB_ASSIGN_OR_RETURN(Buffer buffer, budget_.Acquire(ctx_, object.size));
  ContentCheck check(object.hash);
  size_t filled = 0;
  MB_RETURN_IF_ERROR(reader.Read([&](ByteView bytes) {
    check.Add(bytes);
    std::memcpy(buffer.data() + filled, bytes.data(), bytes.size());
    filled += bytes.size();
    return Status::Ok();
  }));
  if (!check.IsRight()) return OtherBytes(object.key);
  // Shared because tasks must be copyable; the task is its only owner.
  auto body = std::make_shared<Buffer>(std::move(buffer));
  const bool taken = puts_.Submit(
      [this, body, key = object.key, crc = check.crc32c()](const std::stop_token&) -> Status {
        const auto put = backend_.Put(Writing(), key, body->view(), {.crc32c = crc});
        if (!put.ok()) return put.status().Annotate("writing " + key);
        CountDone(body->size());
        return Status::Ok();
      });
  if (taken) return Status::Ok();
  Status why = Finish();
  return why.ok() ? CancelledError() : why;
}

Status ArrivingObjects::TakeInParts(ArchiveReader& reader, const ArrivingObject& object,
                                    uint64_t part_size) {
  MB_RETURN_IF_ERROR(marker_.Announce(ctx_, {object.key}));
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<storage::Upload> upload,
                      backend_.StartUpload(Writing(), object.key, {.part_size = part_size}));
  MB_RETURN_IF_ERROR(marker_.Note(ctx_, {.key = object.key,
                                         .upload_id = upload->upload_id(),
                                         .source_size = object.size,
                                         .part_size = part_size}));
  PartUpload parts(ctx_, Writing(), *upload, budget_, part_size, options_.parallel);
  ContentCheck check(object.hash);
  uint64_t left = object.size;
  MB_RETURN_IF_ERROR(reader.Read([&](ByteView bytes) {
    check.Add(bytes);
    const uint64_t before = std::exchange(left, left - bytes.size());
    return parts.Add(bytes, before);
  }));
  auto sent = parts.Finish();
  if (!sent.ok()) return sent.status().Annotate("writing " + object.key);
  if (!check.IsRight()) return OtherBytes(object.key);
  MB_RETURN_IF_ERROR(ctx_.Check());
  MB_RETURN_IF_ERROR(upload->Complete(Writing(), *sent)
                         .status()
                         .Annotate("completing the upload of " + object.key));
  CountDone(object.size);
  return marker_.Forget(ctx_, object.key);
}

Status ArrivingObjects::Finish() { return puts_.Wait(); }

void ArrivingObjects::CountDone(uint64_t size) {
  if (options_.progress == nullptr) return;
  ++options_.progress->objects_done;
  options_.progress->bytes_done += size;
}

}  // namespace milvus_backup::backup
