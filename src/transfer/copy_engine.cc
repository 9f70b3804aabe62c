#include "milvus_backup/transfer/copy_engine.h"

#include "large_copy_internal.h"
#include "machinery_internal.h"
#include "small_copy_internal.h"
#include "transfer_internal.h"

#include "milvus_backup/base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace milvus_backup::transfer {
namespace {

/// Tries of an object whose bytes turn out damaged.
constexpr int kMaxAttempts = 3;
/// A wait for a buffer that tells of a full budget; shorter ones are the lock's.
constexpr std::chrono::milliseconds kNoticeableWait{1};
constexpr std::chrono::seconds kCleanUpTime{5};
/// Objects that may not be read before it is taken for the credentials' fault.
constexpr size_t kMostRefused = 20;
/// Objects in a row that fail with errors that may concern one object only, before it is taken for
/// the trouble of all.
constexpr size_t kMostInTrouble = 20;

/// The same write may succeed, if its bytes were there.
bool MayBeRepeated(const Status& status) {
  const RetryClass retry = status.retry_class();
  return retry == RetryClass::kTransient || retry == RetryClass::kThrottled ||
         retry == RetryClass::kExhausted;
}

}  // namespace

Status CopySummary::ToStatus() const {
  if (failures.empty()) return Status::Ok();
  // A cancellation that followed from another failure says nothing.
  const auto first = std::ranges::find_if(
      failures, [](const CopyFailure& f) { return f.status.code() != Code::kCancelled; });
  const CopyFailure& shown = first == failures.end() ? failures.front() : *first;
  Status status = shown.status.Annotate("copying " + shown.source_key);
  if (failure_count == 1) return status;
  return std::move(status).Annotate(fmt::format("{} objects failed, the first", failure_count));
}

CopyEngine::CopyEngine(CopyOptions options, Progress* progress)
    : options_(options),
      progress_(progress),
      budget_(options.memory_bytes),
      machinery_(std::make_unique<Machinery>(options_)) {}

CopyEngine::~CopyEngine() = default;

size_t CopyEngine::width() const { return machinery_->width(); }

size_t CopyEngine::workers() const { return std::as_const(*machinery_).lane().peak(); }

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

CallContext CopyBatch::Context() const {
  return {.stop = cut_.get_token(), .pacer = &engine_.machinery_->pace()};
}

void CopyBatch::RunCounted(const IndexedWork& work, size_t index) {
  const auto start = std::chrono::steady_clock::now();
  const std::optional<Effort> effort = work(Context(), index);
  EndCounted(start, effort);
}

void CopyBatch::EndCounted(std::chrono::steady_clock::time_point start,
                           std::optional<Effort> effort) {
  if (effort) {
    const auto now = std::chrono::steady_clock::now();
    engine_.machinery_->OnDone({.now = now,
                                .latency = now - start - effort->waited,
                                .bytes = effort->bytes,
                                .waited_for_memory = effort->waited >= kNoticeableWait});
  }
  // Notified under the lock: the batch may be destroyed as soon as the count is seen to be zero.
  const std::scoped_lock lock(mutex_);
  if (--running_ == 0) idle_.notify_all();
}

// The lane knows no stop token: every task runs, finds its batch stopped and accounts for itself,
// so that no object is forgotten.
void CopyBatch::Submit(Work work) {
  {
    const std::scoped_lock lock(mutex_);
    ++running_;
  }
  engine_.machinery_->lane().Submit([this, work = std::move(work)] {
    RunCounted([&work](const CallContext& ctx, size_t) { return work(ctx); }, 0);
  });
}

void CopyBatch::Spawn(size_t count, IndexedWork work) {
  {
    const std::scoped_lock lock(mutex_);
    running_ += count;
  }
  // Shared by the calls of the series.
  auto shared = std::make_shared<const IndexedWork>(std::move(work));
  engine_.machinery_->lane().Spawn(count,
                                   [this, shared](size_t index) { RunCounted(*shared, index); });
}

Status CopyBatch::Add(CopyItem item) {
  if (stopping()) return CancelledError();
  if (engine_.progress_ != nullptr) {
    ++engine_.progress_->objects_planned;
    engine_.progress_->bytes_planned += item.size;
  }
  if (GoesInParts(item)) {
    auto large = std::make_shared<LargeCopy>(*this, std::move(item), server_side_, 1);
    Submit([large](const CallContext& ctx) {
      large->Begin(ctx);
      return std::nullopt;
    });
  } else if (SmallCopy::Suits(*this, item)) {
    SmallCopy::Submit(*this, std::move(item));
  } else {
    Submit([this, item = std::move(item)](const CallContext& ctx) {
      return CopyOne(ctx, item, false);
    });
  }
  return Status::Ok();
}

bool CopyBatch::GoesInParts(const CopyItem& item) const {
  const storage::Capabilities& caps = destination_.caps();
  if (server_side_) {
    return item.size >= std::min(engine_.options_.server_copy_threshold, caps.max_copy);
  }
  return ChoosePartSize(item, engine_.options_.part_size, caps, 0, engine_.budget_.limit())
      .has_value();
}

bool CopyBatch::IsSettled(const CallContext& ctx, const CopyItem& item) {
  if (existing_ == Existing::kOverwrite) return false;
  Pace& pace = engine_.machinery_->pace();
  const Result<bool> equal = IsAlreadyThere(ctx, {source_, engine_.budget_, pace},
                                            {destination_, engine_.budget_, pace}, item);
  if (!equal.ok()) {
    Finish(item, equal.status(), {.unread = true});
    return true;
  }
  if (!*equal && existing_ == Existing::kKeepOrRefuse) {
    const Result<storage::ObjectInfo> there = destination_.Stat(ctx, item.destination_key);
    if (!there.ok() && there.status().code() == Code::kNotFound) return false;
    Finish(item, AlreadyExistsError("an object with other bytes is there"), {});
    return true;
  }
  if (!*equal) return false;
  if (Status status = DropRecorded(ctx, item.destination_key); !status.ok()) {
    Finish(item, status, {});
    return true;
  }
  if (engine_.progress_ != nullptr) {
    ++engine_.progress_->objects_done;
    engine_.progress_->bytes_done += item.size;
  }
  const std::scoped_lock lock(mutex_);
  ++summary_.kept_objects;
  return true;
}

Status CopyBatch::DropRecorded(const CallContext& ctx, const std::string& key) {
  if (ledger_ == nullptr) return Status::Ok();
  const std::optional<UploadLedger::Entry> entry = ledger_->Find(key);
  if (!entry) return Status::Ok();
  const auto upload = destination_.ResumeUpload(ctx, entry->key, entry->upload_id);
  if (upload.ok()) {
    MB_RETURN_IF_ERROR((*upload)->Abort(ctx));
  } else if (upload.status().code() != Code::kNotFound) {
    return upload.status();
  }
  return ledger_->Forget(ctx, key);
}

std::optional<CopyBatch::Effort> CopyBatch::CopyOne(const CallContext& ctx, const CopyItem& item,
                                                    bool wrote) {
  Effort effort{.bytes = item.size};
  if (stopping()) {
    if (wrote) Discard(item);
    Finish(item, CancelledError(), {});
    return std::nullopt;
  }
  if (IsSettled(ctx, item)) return effort;
  if (Status status = DropRecorded(ctx, item.destination_key); !status.ok()) {
    Finish(item, status, {});
    return effort;
  }
  if (server_side_) {
    bool second_read = false;
    Status status = CopyServerSide(ctx, item, second_read);
    const bool refused =
        status.code() == Code::kPermissionDenied || status.code() == Code::kUnimplemented;
    if (!refused) {
      if (status.ok() && engine_.progress_ != nullptr) engine_.progress_->bytes_done += item.size;
      Finish(item, status, {.server_side = true, .second_read = second_read});
      // The size of what the service copies by itself says nothing of the time it takes.
      effort.bytes = 0;
      return effort;
    }
    if (server_side_.exchange(false)) {
      log::Warn("the storage refuses to copy by itself, streaming instead: {}", status.ToString());
    }
  }
  Outcome outcome;
  const Status status = StreamWhole(ctx, item, effort, outcome, wrote);
  if (!status.ok() && wrote) Discard(item);
  if (status.ok() && engine_.progress_ != nullptr) engine_.progress_->bytes_done += item.size;
  Finish(item, status, outcome);
  return effort;
}

Status CopyBatch::CopyServerSide(const CallContext& ctx, const CopyItem& item, bool& second_read) {
  MB_RETURN_IF_ERROR(ctx.Check());
  const storage::CopySource source{&source_, item.source_key, item.size, item.etag};
  MB_ASSIGN_OR_RETURN(const storage::ObjectInfo copied,
                      destination_.Copy(ctx, source, item.destination_key));
  if (!engine_.options_.check) return Status::Ok();
  Pace& pace = engine_.machinery_->pace();
  Status proof = ProveServerCopy(ctx, {source_, engine_.budget_, pace},
                                 {destination_, engine_.budget_, pace}, item, copied, second_read);
  if (!proof.ok()) Discard(item);
  return proof;
}

void CopyBatch::Discard(const CopyItem& item) {
  const CallContext clean_up{.deadline = std::chrono::steady_clock::now() + kCleanUpTime};
  destination_.Delete(clean_up, item.destination_key)
      .IgnoreError("the object is reported as failed in any case");
}

Result<storage::ObjectInfo> CopyBatch::PutWhole(const CallContext& ctx, const CopyItem& item,
                                                LoadedRange& loaded, bool lets_go) {
  MB_ASSIGN_OR_RETURN(const InTurn::Turn turn, engine_.machinery_->pace().BeginWrite(ctx));
  storage::PutOptions options{.crc32c = loaded.crc32c};
  if (lets_go) options.on_sent = [&loaded] { loaded.buffer = Buffer(); };
  return destination_.Put(ctx, item.destination_key, loaded.buffer.view(), options);
}

Status CopyBatch::StreamWhole(const CallContext& ctx, const CopyItem& item, Effort& effort,
                              Outcome& outcome, bool& is_unproved) {
  const auto start = std::chrono::steady_clock::now();
  MB_ASSIGN_OR_RETURN(const ByteBound::Permit permit,
                      engine_.machinery_->pace().BeginObject(ctx, item.size));
  effort.waited = std::chrono::steady_clock::now() - start;
  if (stopping()) return CancelledError();
  return StreamProved(ctx, item, effort, outcome, is_unproved);
}

Status CopyBatch::StreamProved(const CallContext& ctx, const CopyItem& item, Effort& effort,
                               Outcome& outcome, bool& is_unproved) {
  SourceReader reader{source_, engine_.budget_, engine_.machinery_->pace()};
  const storage::Capabilities& caps = destination_.caps();
  const bool check = engine_.options_.check;
  // Most objects are proved by what the services say of them, so their memory need not wait for the
  // last answer. One for which that is not enough is read again, and its bytes are kept.
  bool lets_go = item.size > 0 && !engine_.keeps_bytes_;
  for (int attempt = 1;; ++attempt) {
    MB_RETURN_IF_ERROR(ctx.Check());
    outcome.unread = true;
    MB_ASSIGN_OR_RETURN(LoadedRange loaded, reader.Load(ctx, item, {0, item.size}));
    outcome.unread = false;
    effort.waited += loaded.waited;
    if (stopping()) return CancelledError();
    if (item.crc32c && *item.crc32c != loaded.crc32c) {
      if (attempt < kMaxAttempts) continue;
      return OtherThanManifest();
    }
    const Result<storage::ObjectInfo> put =
        PutWhole(ctx, item, loaded, lets_go && AnswersMayProve(item, loaded, caps, check));
    const bool let_go = item.size > 0 && loaded.buffer.size() == 0;
    if (!put.ok() && (!let_go || !MayBeRepeated(put.status()))) return put.status();
    if (put.ok() && IsProvedByAnswers(item, loaded, *put, caps, check)) return Status::Ok();
    is_unproved = is_unproved || put.ok();
    if (let_go) {
      lets_go = false;
      if (put.ok()) {
        engine_.keeps_bytes_ = true;
        outcome.second_read = true;
      }
      --attempt;
      continue;
    }
    SourceReader written{destination_, engine_.budget_, engine_.machinery_->pace()};
    Status proof = ProveWritten(ctx, written, item, loaded, *put);
    if (proof.ok() && check) {
      proof = ProveRead(ctx, reader, item, std::move(loaded), *put, outcome.second_read);
    }
    if (proof.ok()) return proof;
    if (proof.code() != Code::kDataLoss || attempt == kMaxAttempts || stopping()) return proof;
    log::Warn("copy again key={} error={}", item.source_key, proof.ToString());
  }
}

void CopyBatch::Finish(const CopyItem& item, const Status& status, const Outcome& outcome) {
  if (engine_.progress_ != nullptr) ++engine_.progress_->objects_done;
  if (status.ok() || status.code() == Code::kCancelled) {
    log::Debug("copied key={} size={} status={}", item.source_key, item.size, status.ToString());
  } else {
    log::Warn("not copied key={} error={}", item.source_key, status.ToString());
  }
  const size_t width = status.ok() ? 0 : engine_.width();
  const std::scoped_lock lock(mutex_);
  if (status.ok()) {
    in_trouble_ = 0;
    ++summary_.objects;
    summary_.bytes += item.size;
    summary_.server_side_objects += outcome.server_side ? 1 : 0;
    summary_.second_reads += outcome.second_read ? 1 : 0;
    summary_.reused_bytes += outcome.reused_bytes;
    return;
  }
  bool ends = IsHopeless(status);
  if (storage::MayConcernOneObject(status)) {
    // When nothing waits any more an end would only hide the names of those that are on their way.
    ends = ++in_trouble_ >= kMostInTrouble && running_ > width;
  }
  if (outcome.unread && status.code() == Code::kPermissionDenied) {
    ++refused_;
    ends = refused_ >= kMostRefused && summary_.objects + summary_.kept_objects == 0;
  }
  ++summary_.failure_count;
  if (summary_.failures.size() < kMostFailures) {
    summary_.failures.push_back({item.source_key, status});
  } else if (ends && status.code() != Code::kCancelled) {
    summary_.failures.back() = {item.source_key, status};
  }
  if (!ends) return;
  summary_.given_up = true;
  stop_.request_stop();
}

CopySummary CopyBatch::Wait() {
  AwaitIdle();
  const std::scoped_lock lock(mutex_);
  return summary_;
}

}  // namespace milvus_backup::transfer
