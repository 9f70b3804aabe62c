#include "large_copy_internal.h"
#include "machinery_internal.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace milvus_backup::transfer {
namespace {

/// Part size of server-side copies: large, because no byte passes through us.
constexpr uint64_t kServerPartSize = 64 * kMiB;
constexpr int kMaxAttempts = 3;
/// For cleaning up after a call whose own context may have ended.
constexpr std::chrono::seconds kCleanUpTime{5};

CallContext CleanUpContext() {
  return {.deadline = std::chrono::steady_clock::now() + kCleanUpTime};
}

Status ReadsDiffer() {
  return DataLossError("two reads of the source gave different bytes").WithOrigin(Origin::kStorage);
}

}  // namespace

SourceReader LargeCopy::reader() const {
  return {batch_.source_, batch_.engine_.budget_, batch_.engine_.machinery_->pace()};
}

storage::ByteRange LargeCopy::RangeOf(size_t index) const {
  const uint64_t offset = index * part_size_;
  return {offset, std::min(part_size_, item_.size - offset)};
}

void LargeCopy::Begin(const CallContext& ctx) {
  CopyBatch::Outcome outcome{.server_side = server_side_};
  if (batch_.stopping()) return batch_.Finish(item_, CancelledError(), outcome);
  if (attempt_ == 1 && batch_.IsSettled(ctx, item_)) return;
  if (Status status = Open(ctx); !status.ok()) {
    Release(status);
    outcome.unread = unread_;
    return batch_.Finish(item_, status, outcome);
  }
  for (size_t index = 0; index < parts_.size(); ++index) {
    if (!parts_[index].done) missing_.push_back(index);
  }
  if (missing_.size() == parts_.size()) {
    Result<bool> wants = WantsMd5(ctx);
    if (!wants.ok()) {
      Release(wants.status());
      outcome.unread = unread_;
      return batch_.Finish(item_, wants.status(), outcome);
    }
    hashes_ = *wants;
  }
  remaining_ = missing_.size();
  if (missing_.empty()) return End(ctx);
  batch_.Spawn(missing_.size(),
               [self = shared_from_this()](const CallContext& part_ctx, size_t index) {
                 return self->CopyPart(part_ctx, self->missing_[index]);
               });
}

Status LargeCopy::Open(const CallContext& ctx) {
  MB_RETURN_IF_ERROR(FindSource(ctx));
  MB_RETURN_IF_ERROR(ChooseLayout(ctx));
  parts_.resize(std::max<uint64_t>(1, (item_.size + part_size_ - 1) / part_size_));
  UploadLedger* const ledger = batch_.ledger_;
  if (ledger != nullptr) MB_RETURN_IF_ERROR(Resume(ctx, *ledger));
  if (upload_ != nullptr) return Status::Ok();
  MB_ASSIGN_OR_RETURN(upload_, batch_.destination_.StartUpload(
                                   ctx, item_.destination_key,
                                   {.part_size = part_size_, .copies_parts = server_side_}));
  if (ledger == nullptr) return Status::Ok();
  return ledger->Note(ctx, {.key = item_.destination_key,
                            .upload_id = upload_->upload_id(),
                            .source_etag = item_.etag,
                            .source_size = item_.size,
                            .part_size = part_size_});
}

// Parts must come from one version of the source, so its ETag has to be known.
Status LargeCopy::FindSource(const CallContext& ctx) {
  if (!item_.etag.empty()) return Status::Ok();
  Result<storage::ObjectInfo> object = batch_.source_.Stat(ctx, item_.source_key);
  if (!object.ok()) return OfSource(std::move(object).status());
  if (object->size != item_.size) return SourceChanged(item_);
  item_.etag = std::move(object->etag);
  return Status::Ok();
}

Status LargeCopy::ChooseLayout(const CallContext& ctx) {
  const storage::Capabilities& caps = batch_.destination_.caps();
  if (server_side_) {
    part_size_ = std::max(kServerPartSize, item_.size / caps.max_parts + 1);
    return Status::Ok();
  }
  uint64_t first_part = 0;
  const uint64_t parts = PartsOfEtag(item_.etag);
  if (parts == 1) first_part = std::max(item_.size, caps.min_part);
  if (parts > 1) {
    const Result<uint64_t> told = batch_.source_.FirstPartSize(ctx, item_.source_key, item_.etag);
    if (told.ok()) {
      first_part = *told;
    } else if (told.status().code() != Code::kUnimplemented) {
      return OfSource(told.status());
    }
  }
  const CopyOptions& options = batch_.engine_.options_;
  part_size_ =
      ChoosePartSize(item_, options.part_size, caps, first_part, batch_.engine_.budget_.limit())
          .value_or(std::max(item_.size, caps.min_part));
  return Status::Ok();
}

Status LargeCopy::Resume(const CallContext& ctx, UploadLedger& ledger) {
  const std::optional<UploadLedger::Entry> entry = ledger.Find(item_.destination_key);
  if (!entry) return Status::Ok();
  const bool same_source = attempt_ == 1 && !entry->source_etag.empty() &&
                           entry->source_etag == item_.etag && entry->source_size == item_.size &&
                           entry->part_size == part_size_;
  if (!same_source) return batch_.DropRecorded(ctx, item_.destination_key);
  auto upload = batch_.destination_.ResumeUpload(ctx, entry->key, entry->upload_id);
  if (!upload.ok() && upload.status().code() == Code::kNotFound) {
    return ledger.Forget(ctx, item_.destination_key);
  }
  MB_RETURN_IF_ERROR(upload.status());
  upload_ = *std::move(upload);
  MB_ASSIGN_OR_RETURN(const std::vector<storage::PartInfo> found, upload_->ListParts(ctx));
  TakeParts(found);
  return Status::Ok();
}

void LargeCopy::TakeParts(const std::vector<storage::PartInfo>& found) {
  for (const storage::PartInfo& info : found) {
    if (info.number == 0 || info.number > parts_.size()) continue;
    const uint64_t size = RangeOf(info.number - 1).length;
    if (info.size != size) continue;
    parts_[info.number - 1] = {info, LooksLikeMd5(info.etag) ? info.etag : std::string(), true};
    reused_bytes_ += size;
  }
  counted_bytes_ += reused_bytes_;
  if (batch_.engine_.progress_ != nullptr) batch_.engine_.progress_->bytes_done += reused_bytes_;
}

std::optional<CopyBatch::Effort> LargeCopy::CopyPart(const CallContext& ctx, size_t index) {
  CopyBatch::Effort effort;
  if (batch_.stopping()) Fail(CancelledError());
  if (!failed_) {
    if (Status status = TryPart(ctx, index, effort); !status.ok()) Fail(std::move(status));
  }
  if (--remaining_ == 0) End(ctx);
  return effort;
}

Status LargeCopy::TryPart(const CallContext& ctx, size_t index, CopyBatch::Effort& effort) {
  MB_RETURN_IF_ERROR(ctx.Check());
  const storage::ByteRange range = RangeOf(index);
  const auto number = static_cast<uint32_t>(index + 1);
  Part& part = parts_[index];
  if (server_side_) {
    const storage::CopySource source{&batch_.source_, item_.source_key, item_.size, item_.etag};
    MB_ASSIGN_OR_RETURN(part.info, upload_->CopyPart(ctx, number, source, range));
  } else {
    Result<LoadedRange> read = LoadPart(ctx, index);
    if (!read.ok()) return OfSource(std::move(read).status());
    const LoadedRange loaded = *std::move(read);
    effort.waited = loaded.waited;
    if (batch_.stopping()) return CancelledError();
    {
      MB_ASSIGN_OR_RETURN(const InTurn::Turn turn,
                          batch_.engine_.machinery_->pace().BeginWrite(ctx));
      MB_ASSIGN_OR_RETURN(part.info,
                          upload_->UploadPart(ctx, number, loaded.buffer.view(), loaded.crc32c));
    }
    part.info.crc32c = loaded.crc32c;
    part.md5 = part.info.etag;
    // A destination without MD5s cannot be compared with an ETag of the source; these bytes can.
    if (hashes_) MB_RETURN_IF_ERROR(HashInTurn(index, loaded));
    const bool wants_md5 = batch_.engine_.options_.check && PartsOfEtag(item_.etag) > 0;
    if (wants_md5 && !LooksLikeMd5(part.md5)) part.md5 = HexEncode(Md5(loaded.buffer.view()));
  }
  part.info.number = number;
  part.info.size = range.length;
  part.done = true;
  effort.bytes = range.length;
  counted_bytes_ += range.length;
  if (batch_.engine_.progress_ != nullptr) batch_.engine_.progress_->bytes_done += range.length;
  return Status::Ok();
}

Result<LoadedRange> LargeCopy::LoadPart(const CallContext& ctx, size_t index) {
  SourceReader source = reader();
  const storage::ByteRange range = RangeOf(index);
  if (!hashes_) return source.Load(ctx, item_, range);
  std::unique_lock lock(turn_mutex_);
  MB_RETURN_IF_ERROR(AwaitTurn(lock, next_buffer_, index));
  lock.unlock();
  MB_ASSIGN_OR_RETURN(SourceReader::Reserved reserved, source.Reserve(ctx, range.length));
  lock.lock();
  ++next_buffer_;
  turn_changed_.notify_all();
  lock.unlock();
  MB_ASSIGN_OR_RETURN(LoadedRange loaded, source.LoadInto(ctx, item_, range, std::move(reserved)));
  if (!loaded.etag_is_md5) etag_is_md5_ = false;
  return loaded;
}

Status LargeCopy::HashInTurn(size_t index, const LoadedRange& loaded) {
  std::unique_lock lock(turn_mutex_);
  MB_RETURN_IF_ERROR(AwaitTurn(lock, next_hash_, index));
  lock.unlock();
  md5_.Add(loaded.buffer.view());
  lock.lock();
  ++next_hash_;
  turn_changed_.notify_all();
  return Status::Ok();
}

Status LargeCopy::AwaitTurn(std::unique_lock<std::mutex>& lock, const size_t& next, size_t index) {
  turn_changed_.wait(lock, batch_.stop_.get_token(),
                     [&] { return next == index || failed_.load(); });
  return next == index && !failed_ ? Status::Ok() : CancelledError();
}

void LargeCopy::Fail(Status status) {
  {
    const std::scoped_lock lock(mutex_);
    if (!failed_.exchange(true)) failure_ = std::move(status);
  }
  const std::scoped_lock lock(turn_mutex_);
  turn_changed_.notify_all();
}

void LargeCopy::End(const CallContext& ctx) {
  Status status = failed_ ? failure_ : Publish(ctx);
  if (status.ok()) {
    upload_.reset();
    if (batch_.ledger_ != nullptr) {
      // The object is there; an entry that stays costs the next run one look.
      batch_.ledger_->Forget(CleanUpContext(), item_.destination_key)
          .IgnoreError("the copy has succeeded");
    }
  } else {
    const bool again = ShouldTryAgain(status);
    Release(status);
    if (again) {
      log::Warn("copy again key={} error={}", item_.source_key, status.ToString());
      if (batch_.engine_.progress_ != nullptr) {
        batch_.engine_.progress_->bytes_done -= counted_bytes_;
      }
      auto next = std::make_shared<LargeCopy>(batch_, item_, server_side_, attempt_ + 1);
      return batch_.Spawn(1, [next](const CallContext& next_ctx, size_t) {
        next->Begin(next_ctx);
        return std::nullopt;
      });
    }
  }
  batch_.Finish(item_, status,
                {.server_side = server_side_,
                 .second_read = second_read_,
                 .reused_bytes = status.ok() ? reused_bytes_ : 0,
                 .unread = unread_});
}

bool LargeCopy::ShouldTryAgain(const Status& failure) const {
  if (batch_.stopping() || attempt_ >= kMaxAttempts) return false;
  // Damaged bytes may be whole the next time, and parts of an earlier run may have been its fault.
  return failure.code() == Code::kDataLoss ||
         (reused_bytes_ > 0 && failure.retry_class() == RetryClass::kNever &&
          failure.code() != Code::kAborted && failure.code() != Code::kCancelled);
}

void LargeCopy::Release(const Status& failure) {
  if (upload_ == nullptr) return;
  const bool may_go_on =
      batch_.ledger_ != nullptr &&
      (failure.code() == Code::kCancelled || failure.code() == Code::kDeadlineExceeded ||
       failure.code() == Code::kUnavailable || failure.retry_class() == RetryClass::kExhausted);
  if (may_go_on) {
    upload_->Detach();
    upload_.reset();
    return;
  }
  const Status aborted = upload_->Abort(CleanUpContext());
  upload_.reset();
  // An entry whose upload may still exist stays, so that the next run looks for it.
  if (!aborted.ok() || batch_.ledger_ == nullptr) {
    aborted.IgnoreError("the destructor has tried again and logged it");
    return;
  }
  batch_.ledger_->Forget(CleanUpContext(), item_.destination_key)
      .IgnoreError("the entry names an upload that is gone, which the next run finds out");
}

std::optional<uint32_t> LargeCopy::SentCrc32c() const {
  uint32_t sent = 0;
  for (const Part& part : parts_) {
    if (!part.info.crc32c) return std::nullopt;
    sent = CombineCrc32c(sent, *part.info.crc32c, part.info.size);
  }
  return sent;
}

Status LargeCopy::OfSource(Status status) {
  if (status.code() == Code::kPermissionDenied) unread_ = true;
  return status;
}

Status LargeCopy::AskForChecksum(const CallContext& ctx) {
  const Result<storage::ObjectInfo> source = batch_.source_.Stat(ctx, item_.source_key);
  if (!source.ok()) return OfSource(source.status());
  if (source->etag != item_.etag) return SourceChanged(item_);
  source_crc32c_ = source->crc32c;
  return Status::Ok();
}

Result<bool> LargeCopy::WantsMd5(const CallContext& ctx) {
  if (server_side_ || !batch_.engine_.options_.check || item_.crc32c) return false;
  if (item_.md5) return true;
  if (!LooksLikeMd5(item_.etag)) return false;
  MB_RETURN_IF_ERROR(AskForChecksum(ctx));
  return !source_crc32c_;
}

Result<bool> LargeCopy::IsProved(const CallContext& ctx) {
  const std::optional<uint32_t> sent = SentCrc32c();
  if (item_.crc32c && sent) {
    if (*item_.crc32c == *sent) return true;
    return OtherThanManifest();
  }
  if (hashes_) {
    const Md5Digest md5 = md5_.Finish();
    if (item_.md5) return md5 == *item_.md5 ? Result<bool>(true) : OtherThanManifest();
    if (IsPlainEtagOf(item_.etag, md5)) return true;
    if (etag_is_md5_) return OtherThanEtag();
  }
  if (item_.has_hash()) return false;
  std::vector<std::string> md5s;
  for (const Part& part : parts_) md5s.push_back(part.md5);
  if (EtagsProveEqual(item_.etag, EtagOfParts(md5s))) return true;
  if (!sent) return false;
  if (!source_crc32c_) MB_RETURN_IF_ERROR(AskForChecksum(ctx));
  if (!source_crc32c_) return false;
  if (*source_crc32c_ == *sent) return true;
  return DataLossError("the bytes read are not those of the checksum that the source storage keeps")
      .WithOrigin(Origin::kStorage);
}

Status LargeCopy::Publish(const CallContext& ctx) {
  std::vector<storage::PartInfo> infos;
  for (const Part& part : parts_) infos.push_back(part.info);
  bool proved = server_side_ || !batch_.engine_.options_.check;
  if (!proved) {
    MB_ASSIGN_OR_RETURN(proved, IsProved(ctx));
  }
  if (!proved) {
    second_read_ = true;
    MB_RETURN_IF_ERROR(CompareBySecondRead(ctx));
  }
  MB_ASSIGN_OR_RETURN(const storage::ObjectInfo made, upload_->Complete(ctx, infos));
  if (!batch_.engine_.options_.check) return Status::Ok();
  const SourceReader destination = {batch_.destination_, batch_.engine_.budget_,
                                    batch_.engine_.machinery_->pace()};
  Status proof = server_side_
                     ? ProveServerCopy(ctx, reader(), destination, item_, made, second_read_)
                     : ProveParts(ctx, destination, infos);
  if (!proof.ok()) batch_.Discard(item_);
  return proof;
}

Status LargeCopy::ProveParts(const CallContext& ctx, SourceReader destination,
                             const std::vector<storage::PartInfo>& parts) {
  if (std::ranges::all_of(parts, &storage::PartInfo::proved)) return Status::Ok();
  second_read_ = true;
  MB_ASSIGN_OR_RETURN(const uint32_t there,
                      destination.Crc32cOf(ctx, {.source_key = item_.destination_key}));
  const std::optional<uint32_t> sent = SentCrc32c();
  if (sent && *sent == there) return Status::Ok();
  return DataLossError("the destination holds other bytes than were sent")
      .WithOrigin(Origin::kStorage);
}

Status LargeCopy::CompareBySecondRead(const CallContext& ctx) {
  const std::optional<uint32_t> sent = SentCrc32c();
  if (!sent) {
    // Of parts that an earlier run has sent nothing is known: send them all.
    return DataLossError("parts of an earlier run cannot be proved").WithOrigin(Origin::kStorage);
  }
  MB_ASSIGN_OR_RETURN(const uint32_t again, reader().Crc32cOf(ctx, item_));
  return again == *sent ? Status::Ok() : ReadsDiffer();
}

}  // namespace milvus_backup::transfer
