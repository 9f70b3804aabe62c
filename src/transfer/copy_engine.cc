#include "milvus_backup/transfer/copy_engine.h"

#include "transfer_internal.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace milvus_backup::transfer {
namespace {

/// Part size of server-side copies: large, because no byte passes through us.
constexpr uint64_t kServerPartSize = 64 * kMiB;
constexpr size_t kDefaultWidth = 128;

}  // namespace

Status CopySummary::ToStatus() const {
  if (failures.empty()) return Status::Ok();
  // A cancellation that followed from another failure says nothing.
  const auto first = std::ranges::find_if(
      failures, [](const CopyFailure& f) { return f.status.code() != Code::kCancelled; });
  const CopyFailure& shown = first == failures.end() ? failures.front() : *first;
  Status status = shown.status.Annotate("copying " + shown.source_key);
  if (failures.size() == 1) return status;
  return std::move(status).Annotate(fmt::format("{} objects failed, the first", failures.size()));
}

// The lane knows no stop token: every task runs, finds its batch stopped and accounts for itself,
// so that no object is forgotten.
CopyEngine::CopyEngine(CopyOptions options, Progress* progress)
    : options_(options),
      progress_(progress),
      budget_(options.memory_bytes),
      lane_(options.concurrency == 0 ? kDefaultWidth : options.concurrency, std::stop_token()) {}

/// An object that is copied in parts. The tasks of its parts own it together; the last one to end
/// completes or aborts the upload.
class LargeCopy {
 public:
  LargeCopy(CopyBatch& batch, CopyItem item, std::unique_ptr<storage::Upload> upload,
            uint64_t part_size, bool server_side)
      : batch_(batch),
        item_(std::move(item)),
        upload_(std::move(upload)),
        part_size_(part_size),
        server_side_(server_side),
        parts_((item_.size + part_size - 1) / part_size),
        remaining_(parts_.size()) {}

  size_t part_count() const { return parts_.size(); }

  void CopyPart(const CallContext& ctx, size_t index) {
    if (batch_.stop_.stop_requested()) Fail(CancelledError());
    if (!failed_) {
      if (Status status = TryPart(ctx, index); !status.ok()) Fail(std::move(status));
    }
    if (--remaining_ == 0) End(ctx);
  }

 private:
  Status TryPart(const CallContext& ctx, size_t index) {
    MB_RETURN_IF_ERROR(ctx.Check());
    const uint64_t offset = index * part_size_;
    const storage::ByteRange range{offset, std::min(part_size_, item_.size - offset)};
    const auto number = static_cast<uint32_t>(index + 1);
    if (server_side_) {
      const storage::CopySource source{&batch_.source_, item_.source_key, item_.size, item_.etag};
      MB_ASSIGN_OR_RETURN(parts_[index], upload_->CopyPart(ctx, number, source, range));
      parts_[index].size = range.length;
    } else {
      MB_ASSIGN_OR_RETURN(const LoadedRange loaded,
                          LoadRange(ctx, batch_.source_, batch_.engine_.budget_, item_, range));
      MB_ASSIGN_OR_RETURN(parts_[index],
                          upload_->UploadPart(ctx, number, loaded.buffer.view(), loaded.crc32c));
      parts_[index].crc32c = loaded.crc32c;
      parts_[index].size = range.length;
    }
    parts_[index].number = number;
    if (batch_.engine_.progress_ != nullptr) batch_.engine_.progress_->bytes_done += range.length;
    return Status::Ok();
  }

  void Fail(Status status) {
    const std::scoped_lock lock(mutex_);
    if (!failed_.exchange(true)) failure_ = std::move(status);
  }

  void End(const CallContext& ctx) {
    bool second_read = false;
    Status status = failed_ ? failure_ : Publish(ctx, second_read);
    // Destroying an upload that was not completed aborts it.
    upload_.reset();
    batch_.Finish(item_, status, server_side_, second_read);
  }

  Status Publish(const CallContext& ctx, bool& second_read) {
    MB_ASSIGN_OR_RETURN(const storage::ObjectInfo stored, upload_->Complete(ctx, parts_));
    if (server_side_ || EtagsProveEqual(item_.etag, stored.etag)) return Status::Ok();
    second_read = true;
    uint32_t sent = 0;
    for (const storage::PartInfo& part : parts_) {
      sent = CombineCrc32c(sent, part.crc32c.value_or(0), part.size);
    }
    MB_ASSIGN_OR_RETURN(const uint32_t again, ReadCrc32c(ctx, batch_.source_, item_));
    if (again == sent) return Status::Ok();
    return DataLossError("two reads of the source gave different bytes")
        .WithOrigin(Origin::kStorage);
  }

  CopyBatch& batch_;
  const CopyItem item_;
  std::unique_ptr<storage::Upload> upload_;
  const uint64_t part_size_;
  const bool server_side_;
  std::vector<storage::PartInfo> parts_;
  std::atomic<size_t> remaining_;
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  Status failure_;
};

CopyBatch::CopyBatch(CopyEngine& engine, storage::Backend& source, storage::Backend& destination,
                     std::stop_token stop, Existing existing, UploadLedger* ledger)
    : engine_(engine),
      source_(source),
      destination_(destination),
      existing_(existing),
      ledger_(ledger),
      on_parent_stop_(std::move(stop), [this] { stop_.request_stop(); }),
      server_side_(!engine.options_.force_streaming && destination.CanCopyFrom(source)) {}

CopyBatch::~CopyBatch() {
  stop_.request_stop();
  AwaitIdle();
}

void CopyBatch::AwaitIdle() {
  const auto idle = [this] { return running_ == 0; };
  std::unique_lock lock(mutex_);
  // Returns on a stop as well: the time of grace starts with it.
  idle_.wait(lock, stop_.get_token(), idle);
  if (idle() || idle_.wait_for(lock, kGrace, idle)) return;
  cut_.request_stop();
  idle_.wait(lock, idle);
}

void CopyBatch::Submit(std::function<void(const CallContext&)> work) {
  {
    const std::scoped_lock lock(mutex_);
    ++running_;
  }
  const bool taken = engine_.lane_.Submit([this, work = std::move(work)](const std::stop_token&) {
    work({cut_.get_token(), {}});
    // Notified under the lock: the batch may be destroyed as soon as the count is seen to be zero.
    const std::scoped_lock lock(mutex_);
    if (--running_ == 0) idle_.notify_all();
    return Status::Ok();
  });
  MB_CHECK(taken);
}

Status CopyBatch::Add(CopyItem item) {
  if (stop_.stop_requested()) return CancelledError();
  if (engine_.progress_ != nullptr) {
    ++engine_.progress_->objects_planned;
    engine_.progress_->bytes_planned += item.size;
  }
  if (GoesInParts(item)) return StartLarge(std::move(item), server_side_);
  Submit([this, item = std::move(item)](const CallContext& ctx) { CopyOne(ctx, item); });
  return Status::Ok();
}

bool CopyBatch::GoesInParts(const CopyItem& item) const {
  const storage::Capabilities& caps = destination_.caps();
  if (server_side_) {
    return item.size >= std::min(engine_.options_.server_copy_threshold, caps.max_copy);
  }
  return ChoosePartSize(item, engine_.options_.part_size, caps).has_value();
}

bool CopyBatch::IsSettled(const CallContext& ctx, const CopyItem& item) {
  if (existing_ == Existing::kOverwrite) return false;
  const Result<bool> equal = IsAlreadyThere(ctx, source_, destination_, item);
  if (!equal.ok()) {
    Finish(item, equal.status(), false, false);
    return true;
  }
  if (!*equal && existing_ == Existing::kKeepOrRefuse) {
    const Result<storage::ObjectInfo> there = destination_.Stat(ctx, item.destination_key);
    if (!there.ok() && there.status().code() == Code::kNotFound) return false;
    Finish(item, AlreadyExistsError("an object with other bytes is there"), false, false);
    return true;
  }
  if (!*equal) return false;
  if (engine_.progress_ != nullptr) {
    ++engine_.progress_->objects_done;
    engine_.progress_->bytes_done += item.size;
  }
  const std::scoped_lock lock(mutex_);
  ++summary_.kept_objects;
  return true;
}

Status CopyBatch::FindEtag(const CallContext& ctx, CopyItem& item) {
  if (!item.etag.empty()) return Status::Ok();
  MB_ASSIGN_OR_RETURN(storage::ObjectInfo object, source_.Stat(ctx, item.source_key));
  if (object.size != item.size) return SourceChanged(item);
  item.etag = std::move(object.etag);
  return Status::Ok();
}

Status CopyBatch::StartLarge(CopyItem item, bool server_side) {
  const CallContext ctx{cut_.get_token(), {}};
  if (IsSettled(ctx, item)) return Status::Ok();
  if (Status status = FindEtag(ctx, item); !status.ok()) {
    Finish(item, status, server_side, false);
    return stop_.stop_requested() ? CancelledError() : Status::Ok();
  }
  const storage::Capabilities& caps = destination_.caps();
  const uint64_t part_size =
      server_side ? std::max(kServerPartSize, item.size / caps.max_parts + 1)
                  : ChoosePartSize(item, engine_.options_.part_size, caps).value_or(item.size);
  auto upload = destination_.StartUpload(ctx, item.destination_key,
                                         {.part_size = part_size, .copies_parts = server_side});
  if (!upload.ok()) {
    Finish(item, upload.status(), server_side, false);
    return stop_.stop_requested() ? CancelledError() : Status::Ok();
  }
  // Shared by the tasks of its parts.
  auto large = std::make_shared<LargeCopy>(*this, item, *std::move(upload), part_size, server_side);
  for (size_t index = 0; index < large->part_count(); ++index) {
    Submit([large, index](const CallContext& part) { large->CopyPart(part, index); });
  }
  return Status::Ok();
}

void CopyBatch::CopyOne(const CallContext& ctx, const CopyItem& item) {
  if (stop_.stop_requested()) return Finish(item, CancelledError(), false, false);
  if (IsSettled(ctx, item)) return;
  if (server_side_) {
    Status status = CopyServerSide(ctx, item);
    const bool refused =
        status.code() == Code::kPermissionDenied || status.code() == Code::kUnimplemented;
    if (!refused) {
      if (status.ok() && engine_.progress_ != nullptr) engine_.progress_->bytes_done += item.size;
      Finish(item, status, true, false);
      return;
    }
    if (server_side_.exchange(false)) {
      log::Warn("the storage refuses to copy by itself, streaming instead: {}", status.ToString());
    }
  }
  if (Status status = StreamWhole(ctx, item); !status.ok()) Finish(item, status, false, false);
}

Status CopyBatch::CopyServerSide(const CallContext& ctx, const CopyItem& item) {
  MB_RETURN_IF_ERROR(ctx.Check());
  const storage::CopySource source{&source_, item.source_key, item.size, item.etag};
  return destination_.Copy(ctx, source, item.destination_key).status();
}

Status CopyBatch::StreamWhole(const CallContext& ctx, const CopyItem& item) {
  MB_RETURN_IF_ERROR(ctx.Check());
  MB_ASSIGN_OR_RETURN(LoadedRange loaded,
                      LoadRange(ctx, source_, engine_.budget_, item, {0, item.size}));
  MB_ASSIGN_OR_RETURN(
      const storage::ObjectInfo stored,
      destination_.Put(ctx, item.destination_key, loaded.buffer.view(), {.crc32c = loaded.crc32c}));
  loaded.buffer = Buffer();
  const std::string& etag = item.etag.empty() ? loaded.etag : item.etag;
  const bool second_read = item.size > 0 && !EtagsProveEqual(etag, stored.etag);
  if (second_read) {
    MB_ASSIGN_OR_RETURN(const uint32_t again, ReadCrc32c(ctx, source_, item));
    if (again != loaded.crc32c) {
      return DataLossError("two reads of the source gave different bytes")
          .WithOrigin(Origin::kStorage);
    }
  }
  if (engine_.progress_ != nullptr) engine_.progress_->bytes_done += item.size;
  Finish(item, Status::Ok(), false, second_read);
  return Status::Ok();
}

void CopyBatch::Finish(const CopyItem& item, const Status& status, bool server_side,
                       bool second_read) {
  if (engine_.progress_ != nullptr) ++engine_.progress_->objects_done;
  log::Debug("copied key={} size={} status={}", item.source_key, item.size, status.ToString());
  const std::scoped_lock lock(mutex_);
  if (status.ok()) {
    ++summary_.objects;
    summary_.bytes += item.size;
    summary_.server_side_objects += server_side ? 1 : 0;
    summary_.second_reads += second_read ? 1 : 0;
    return;
  }
  summary_.failures.push_back({item.source_key, status});
  if (IsHopeless(status)) stop_.request_stop();
}

CopySummary CopyBatch::Wait() {
  AwaitIdle();
  const std::scoped_lock lock(mutex_);
  return summary_;
}

}  // namespace milvus_backup::transfer
