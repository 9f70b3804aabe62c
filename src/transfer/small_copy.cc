#include "machinery_internal.h"
#include "small_copy_internal.h"

#include "milvus_backup/base/log.h"

namespace milvus_backup::transfer {
namespace {

/// Larger ones gain nothing, and would keep a loop from the others while they are hashed.
constexpr uint64_t kMost = 64 * kKiB;
/// Of a service that asks for fewer requests and does not tell how long.
constexpr std::chrono::milliseconds kThrottledWait{500};

}  // namespace

bool SmallCopy::Suits(const CopyBatch& batch, const CopyItem& item) {
  const CopyEngine& engine = batch.engine_;
  const CopyOptions& options = engine.options_;
  const bool is_limited = options.bandwidth_bytes_per_s > 0 || options.requests_per_s > 0;
  const bool is_plain = batch.existing_ == Existing::kOverwrite && !batch.server_side_ &&
                        !is_limited && !engine.keeps_bytes_ && batch.source_.starts_calls() &&
                        batch.destination_.starts_calls();
  return is_plain && item.size > 0 && item.size <= kMost &&
         AnswersMayProve(item, {}, batch.destination_.caps(), options.check) &&
         (batch.ledger_ == nullptr || !batch.ledger_->Find(item.destination_key));
}

void SmallCopy::Submit(CopyBatch& batch, CopyItem item) {
  {
    const std::scoped_lock lock(batch.mutex_);
    ++batch.running_;
  }
  batch.engine_.machinery_->lane().SubmitToLoop(
      [small = std::make_shared<SmallCopy>(batch, std::move(item))](Lane::Seat seat) {
        small->Begin(std::move(seat));
      });
}

void SmallCopy::Begin(Lane::Seat seat) {
  start_ = std::chrono::steady_clock::now();
  seat_ = std::move(seat);
  if (batch_.stopping()) return End(CancelledError(), false);
  CopyEngine& engine = batch_.engine_;
  std::optional<ByteBound::Permit> permit = engine.machinery_->pace().TryBeginObject(item_.size);
  std::optional<Buffer> buffer;
  if (permit && !engine.keeps_bytes_) buffer = engine.budget_.TryAcquire(item_.size);
  if (!buffer) return LeaveToThread(false);
  permit_ = *std::move(permit);
  loaded_.buffer = *std::move(buffer);
  fill_.emplace(item_, storage::ByteRange{0, item_.size}, loaded_);
  const auto self = shared_from_this();
  batch_.source_.StartRead(
      seat_.requests(), batch_.Context(), item_.source_key, fill_->options(),
      [self](const storage::ReadInfo& info, ByteView chunk) -> Status {
        MB_RETURN_IF_ERROR(self->fill_->Check(info, chunk));
        self->fill_->Store(chunk);
        return Status::Ok();
      },
      [self](const Result<storage::ReadInfo>& read) { self->OnRead(read); });
}

void SmallCopy::OnRead(const Result<storage::ReadInfo>& read) {
  if (Status status = read.ok() ? fill_->End(*read) : read.status(); !status.ok()) {
    return OnError(status, true);
  }
  const bool is_other = item_.crc32c && *item_.crc32c != loaded_.crc32c;
  if (is_other || IsBelied(loaded_) || batch_.stopping()) return LeaveToThread(false);
  const auto self = shared_from_this();
  batch_.destination_.StartPut(
      seat_.requests(), batch_.Context(), item_.destination_key, loaded_.buffer.view(),
      {.crc32c = loaded_.crc32c, .on_sent = [this] { loaded_.buffer = Buffer(); }},
      [self](const Result<storage::ObjectInfo>& written) { self->OnWritten(written); });
}

void SmallCopy::OnWritten(const Result<storage::ObjectInfo>& written) {
  if (!written.ok()) return OnError(written.status(), false);
  CopyEngine& engine = batch_.engine_;
  if (!IsProvedByAnswers(item_, loaded_, *written, batch_.destination_.caps(),
                         engine.options_.check)) {
    engine.keeps_bytes_ = true;
    return LeaveToThread(true);
  }
  if (engine.progress_ != nullptr) engine.progress_->bytes_done += item_.size;
  End(Status::Ok(), false);
}

void SmallCopy::OnError(const Status& status, bool unread) {
  const RetryClass retry = status.retry_class();
  if (retry != RetryClass::kTransient && retry != RetryClass::kThrottled) {
    return End(status, unread);
  }
  log::Debug("left to a thread key={} error={}", item_.source_key, status.ToString());
  if (retry == RetryClass::kTransient) return LeaveToThread(false);
  batch_.engine_.machinery_->pace().OnThrottled();
  LeaveToThread(false, status.retry_after().value_or(kThrottledWait));
}

void SmallCopy::End(const Status& status, bool unread) {
  batch_.Finish(item_, status, {.unread = unread});
  batch_.EndCounted(start_, CopyBatch::Effort{.bytes = item_.size});
}

void SmallCopy::LeaveToThread(bool wrote, std::chrono::milliseconds wait) {
  loaded_ = {};
  permit_ = {};
  batch_.engine_.machinery_->lane().Spawn(1, [&batch = batch_, item = item_, wrote, wait](size_t) {
    Clock::Real().SleepFor(wait, batch.stop_.get_token());
    batch.RunCounted(
        [&](const CallContext& ctx, size_t) { return batch.CopyOne(ctx, item, wrote); }, 0);
  });
}

}  // namespace milvus_backup::transfer
