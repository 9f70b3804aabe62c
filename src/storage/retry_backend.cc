#include "milvus_backup/storage/retry_backend.h"

#include "milvus_backup/base/log.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

namespace milvus_backup::storage {
namespace {

/// Services date uploads to the second or finer.
constexpr std::chrono::seconds kDatePrecision{1};

/// Between half of `bound` and all of it: from zero on, one of many calls that wait for a service
/// to come back would soon be through with its tries.
std::chrono::milliseconds Jitter(std::chrono::milliseconds bound) {
  thread_local std::minstd_rand random(std::random_device{}());
  std::uniform_int_distribution<std::chrono::milliseconds::rep> even(bound.count() / 2,
                                                                     bound.count());
  return std::chrono::milliseconds(even(random));
}

Status Exhausted(Status status, uint32_t tries) {
  return std::move(status)
      .WithRetry(RetryClass::kExhausted)
      .Annotate("gave up after " + std::to_string(tries) + " tries");
}

/// How many bytes a read delivers when it is done.
uint64_t Expected(const ReadOptions& options, const ReadInfo& info) {
  const uint64_t rest = info.object_size - std::min(options.offset, info.object_size);
  return std::min(options.length.value_or(rest), rest);
}

}  // namespace

/// The tries of one call.
class RetryBackend::Attempts {
 public:
  Attempts(const RetryBackend& backend, const CallContext& ctx, const CallInfo& info)
      : backend_(backend), ctx_(ctx), info_(info), start_(backend.clock_.Now()) {}

  /// OK after the wait for the next try; else the error to return.
  Status Next(const Status& error);
  /// The call has moved on: count from zero again.
  void Restart() {
    tries_ = 1;
    start_ = backend_.clock_.Now();
  }

 private:
  std::chrono::milliseconds Wait(const Status& error) const;

  const RetryBackend& backend_;
  const CallContext& ctx_;
  const CallInfo& info_;
  std::chrono::steady_clock::time_point start_;
  uint32_t tries_ = 1;
  uint32_t damaged_ = 0;
};

std::chrono::milliseconds RetryBackend::Attempts::Wait(const Status& error) const {
  const RetryOptions& options = backend_.options_;
  const auto first =
      error.retry_class() == RetryClass::kThrottled ? options.throttled_wait : options.first_wait;
  const uint32_t doublings = std::min(tries_ - 1, 20U);
  const auto bound = std::min(first * (1U << doublings), options.max_wait);
  return error.retry_after().value_or(std::chrono::milliseconds(0)) + Jitter(bound);
}

Status RetryBackend::Attempts::Next(const Status& error) {
  const RetryClass retry = error.retry_class();
  if (retry != RetryClass::kTransient && retry != RetryClass::kThrottled) return error;
  if (retry == RetryClass::kThrottled && ctx_.pacer != nullptr) ctx_.pacer->OnThrottled();
  const RetryOptions& options = backend_.options_;
  if (tries_ >= options.max_tries) return Exhausted(error, tries_);
  if (error.code() == Code::kDataLoss && ++damaged_ > options.max_integrity_retries) {
    return Exhausted(error, tries_);
  }
  const std::chrono::milliseconds wait = Wait(error);
  const auto resume = backend_.clock_.Now() + wait;
  if (resume - start_ > options.max_total) return Exhausted(error, tries_);
  // Waiting for a try that may not be made any more would only hide the reason.
  if (ctx_.deadline && resume >= *ctx_.deadline) return error;
  if (error.code() == Code::kDataLoss) {
    log::Warn("storage retry method={} key={} try={} error={}", MethodName(info_.method), info_.key,
              tries_, error.ToString());
  } else {
    log::Debug("storage retry method={} key={} try={} wait_ms={} error={}",
               MethodName(info_.method), info_.key, tries_, wait.count(), error.ToString());
  }
  if (!backend_.clock_.SleepFor(wait, ctx_.stop)) return CancelledError();
  ++tries_;
  return Status::Ok();
}

Status RetryBackend::Around(const CallContext& ctx, const CallInfo& info, CallRef call) {
  Attempts attempts(*this, ctx, info);
  for (;;) {
    Status status = call();
    if (status.ok()) return status;
    MB_RETURN_IF_ERROR(attempts.Next(status));
  }
}

Result<ReadInfo> RetryBackend::Read(const CallContext& ctx, const std::string& key,
                                    const ReadOptions& options, const Sink& sink) {
  const CallInfo info{Method::kRead, key, 0};
  Attempts attempts(*this, ctx, info);
  std::optional<ReadInfo> first;
  uint64_t delivered = 0;
  bool sink_failed = false;
  const Sink counting = [&](const ReadInfo& seen, ByteView chunk) {
    if (!first) first = seen;
    Status status = sink(*first, chunk);
    sink_failed = !status.ok();
    delivered += chunk.size();
    return status;
  };
  for (uint64_t before = 0;; before = delivered) {
    ReadOptions rest = options;
    rest.offset += delivered;
    if (rest.length) *rest.length -= delivered;
    if (delivered > 0) rest.if_match = first->etag;
    Result<ReadInfo> result = inner().Read(ctx, key, rest, counting);
    if (result.ok()) return first ? *first : *std::move(result);
    Status error = std::move(result).status();
    if (sink_failed) return error;
    if (first && delivered >= Expected(options, *first)) return *first;
    // Without an ETag nothing proves that the rest belongs to the same object.
    if (delivered > 0 && first->etag.empty()) return error;
    if (delivered > before) attempts.Restart();
    MB_RETURN_IF_ERROR(attempts.Next(error));
  }
}

Result<ObjectInfo> RetryBackend::Put(const CallContext& ctx, const std::string& key, ByteView body,
                                     const PutOptions& options) {
  bool uncertain = false;
  std::optional<Status> let_go;
  bool body_is_gone = false;
  PutOptions watched = options;
  if (options.on_sent) {
    watched.on_sent = [&] {
      body_is_gone = true;
      options.on_sent();
    };
  }
  Result<ObjectInfo> result =
      Through<ObjectInfo>(ctx, {Method::kPut, key, body.size()}, [&]() -> Result<ObjectInfo> {
        // The wait was the caller's, who has to get the body again.
        if (let_go) return std::move(*let_go).WithRetry(RetryClass::kExhausted);
        Result<ObjectInfo> put = inner().Put(ctx, key, body, watched);
        if (!put.ok() && body_is_gone) let_go = put.status();
        if (!put.ok() && put.status().retry_class() == RetryClass::kTransient) uncertain = true;
        return put;
      });
  const bool lost = !result.ok() && options.if_absent && uncertain && !body_is_gone &&
                    result.status().code() == Code::kAlreadyExists;
  if (!lost) return result;
  // An earlier try may have written it, its answer lost: the bytes tell.
  uint64_t compared = 0;
  const Result<ReadInfo> read =
      Read(ctx, key, {}, [&](const ReadInfo& info, ByteView chunk) -> Status {
        if (info.object_size != body.size() ||
            std::memcmp(chunk.data(), body.data() + compared, chunk.size()) != 0) {
          return AlreadyExistsError(key);
        }
        compared += chunk.size();
        return Status::Ok();
      });
  if (!read.ok() || compared != body.size()) return result;
  return Stat(ctx, key);
}

Result<std::unique_ptr<Upload>> RetryBackend::StartUpload(const CallContext& ctx,
                                                          const std::string& key,
                                                          const StartUploadOptions& options) {
  const auto begun = clock_.Now();
  bool uncertain = false;
  MB_ASSIGN_OR_RETURN(std::unique_ptr<Upload> upload,
                      Through<std::unique_ptr<Upload>>(ctx, {Method::kStartUpload, key, 0}, [&] {
                        auto started = inner().StartUpload(ctx, key, options);
                        if (started.status().retry_class() == RetryClass::kTransient)
                          uncertain = true;
                        return started;
                      }));
  if (uncertain) {
    const Status aborted = AbortLostUploads(ctx, key, upload->upload_id(), clock_.Now() - begun);
    if (!aborted.ok()) {
      log::Warn("storage an upload may be left key={} error={}", key, aborted.ToString());
    }
  }
  return Intercept(key, std::move(upload));
}

Status RetryBackend::AbortLostUploads(const CallContext& ctx, const std::string& key,
                                      const std::string& kept, std::chrono::nanoseconds took) {
  MB_ASSIGN_OR_RETURN(const std::vector<UploadInfo> uploads, ListUploads(ctx, key));
  const auto own = std::ranges::find(uploads, kept, &UploadInfo::upload_id);
  // Without the service's date nothing tells them from what another run has written down and is
  // going to go on with.
  if (own == uploads.end() || own->initiated.time_since_epoch().count() == 0) return Status::Ok();
  const auto earliest = own->initiated - took - kDatePrecision;
  for (const UploadInfo& upload : uploads) {
    if (upload.upload_id == kept) continue;
    if (upload.initiated < earliest || upload.initiated > own->initiated) continue;
    const auto lost = ResumeUpload(ctx, key, upload.upload_id);
    if (lost.status().code() == Code::kNotFound) continue;
    MB_RETURN_IF_ERROR(lost.status());
    MB_RETURN_IF_ERROR((*lost)->Abort(ctx));
  }
  return Status::Ok();
}

Result<std::vector<DeleteFailure>> RetryBackend::DeleteMany(const CallContext& ctx,
                                                            const std::vector<std::string>& keys) {
  const CallInfo info{Method::kDeleteMany, {}, 0};
  Attempts attempts(*this, ctx, info);
  std::vector<DeleteFailure> permanent;
  std::vector<std::string> left = keys;
  for (;;) {
    Result<std::vector<DeleteFailure>> result = inner().DeleteMany(ctx, left);
    if (!result.ok()) {
      MB_RETURN_IF_ERROR(attempts.Next(result.status()));
      continue;
    }
    Status again;
    std::vector<DeleteFailure> transient;
    for (DeleteFailure& failure : *result) {
      const RetryClass retry = failure.status.retry_class();
      const bool retriable = retry == RetryClass::kTransient || retry == RetryClass::kThrottled;
      if (retriable) again = failure.status;
      (retriable ? transient : permanent).push_back(std::move(failure));
    }
    if (transient.empty()) return permanent;
    if (!attempts.Next(again).ok()) {
      MB_RETURN_IF_ERROR(ctx.Check());
      std::move(transient.begin(), transient.end(), std::back_inserter(permanent));
      return permanent;
    }
    left.clear();
    for (DeleteFailure& failure : transient) left.push_back(std::move(failure.key));
  }
}

}  // namespace milvus_backup::storage
