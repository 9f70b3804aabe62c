#include "support/faulty_backend.h"

#include <utility>

namespace milvus_backup::testing {

using storage::CallInfo;
using storage::CallRef;
using storage::Method;

Status TransientError(const std::string& text) {
  return Status(Code::kUnavailable, text)
      .WithRetry(RetryClass::kTransient)
      .WithOrigin(Origin::kStorage);
}

Status ThrottledError(const std::string& text) {
  return Status(Code::kUnavailable, text)
      .WithRetry(RetryClass::kThrottled)
      .WithService("SlowDown", 503, "")
      .WithOrigin(Origin::kStorage);
}

void FaultyBackend::Plan(Method method, Fault fault) {
  const std::scoped_lock lock(mutex_);
  plans_.at(static_cast<size_t>(method)).push_back({std::move(fault), 0});
}

void FaultyBackend::FailCallNumber(uint64_t index, Status error) {
  const std::scoped_lock lock(mutex_);
  failing_call_ = index;
  failing_error_ = std::move(error);
}

bool FaultyBackend::AllHit() const { return NotHit().empty(); }

std::string FaultyBackend::NotHit() const {
  const std::scoped_lock lock(mutex_);
  std::string text;
  for (size_t i = 0; i < plans_.size(); ++i) {
    for (const Planned& planned : plans_[i]) {
      const bool done =
          planned.fault.times == kAlways ? planned.hits > 0 : planned.hits == planned.fault.times;
      if (!done) text += std::string(storage::MethodName(static_cast<Method>(i))) + " ";
    }
  }
  if (failing_call_) text += "call number " + std::to_string(*failing_call_);
  return text;
}

std::optional<Fault> FaultyBackend::Take(Method method) {
  const uint64_t number = calls_.fetch_add(1);
  const std::scoped_lock lock(mutex_);
  if (failing_call_ && *failing_call_ == number) {
    failing_call_.reset();
    Fault fault;
    fault.error = failing_error_;
    return fault;
  }
  for (Planned& planned : plans_.at(static_cast<size_t>(method))) {
    if (planned.hits >= planned.fault.times) continue;
    if (planned.fault.skip > 0) {
      --planned.fault.skip;
      return std::nullopt;
    }
    ++planned.hits;
    return planned.fault;
  }
  return std::nullopt;
}

Status FaultyBackend::Before(const CallContext& ctx, const Fault& fault) {
  if (fault.delay.count() > 0 && !clock_.SleepFor(fault.delay, ctx.stop)) return CancelledError();
  if (fault.callback) fault.callback();
  return Status::Ok();
}

Status FaultyBackend::Around(const CallContext& ctx, const CallInfo& info, CallRef call) {
  MB_RETURN_IF_ERROR(ctx.Check());
  const std::optional<Fault> fault = Take(info.method);
  if (!fault) return call();
  MB_RETURN_IF_ERROR(Before(ctx, *fault));
  if (fault->error.ok()) return call();
  if (fault->after_call) call().IgnoreError("the answer is to be lost");
  return fault->error;
}

Result<storage::ReadInfo> FaultyBackend::Read(const CallContext& ctx, const std::string& key,
                                              const storage::ReadOptions& options,
                                              const storage::Sink& sink) {
  MB_RETURN_IF_ERROR(ctx.Check());
  const std::optional<Fault> fault = Take(Method::kRead);
  if (!fault) return inner().Read(ctx, key, options, sink);
  MB_RETURN_IF_ERROR(Before(ctx, *fault));
  if (fault->error.ok()) return inner().Read(ctx, key, options, sink);
  if (!fault->after_bytes) return fault->error;
  uint64_t left = *fault->after_bytes;
  const Result<storage::ReadInfo> cut =
      inner().Read(ctx, key, options, [&](const storage::ReadInfo& info, ByteView chunk) -> Status {
        const ByteView part = chunk.first(std::min<uint64_t>(left, chunk.size()));
        left -= part.size();
        if (!part.empty()) MB_RETURN_IF_ERROR(sink(info, part));
        return part.size() == chunk.size() ? Status::Ok() : fault->error;
      });
  return cut.ok() ? fault->error : cut.status();
}

}  // namespace milvus_backup::testing
