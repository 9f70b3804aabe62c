/// Repeats calls whose error says that this may help. Thread-safe.
#pragma once

#include "milvus_backup/base/clock.h"
#include "milvus_backup/storage/intercepting_backend.h"

#include <chrono>
#include <cstdint>
#include <memory>

namespace milvus_backup::storage {

struct RetryOptions {
  /// Tries of one call, the first included.
  /// With the waits below they outlast any outage of half a minute.
  uint32_t max_tries = 14;
  /// Upper bound of the wait before the second try; doubles with every further one.
  std::chrono::milliseconds first_wait{200};
  /// The same where the service asked for fewer calls.
  std::chrono::milliseconds throttled_wait{1'000};
  std::chrono::milliseconds max_wait{10'000};
  /// No try is started later than this after the first one.
  std::chrono::milliseconds max_total{180'000};
  /// Tries after bytes were refused as damaged.
  uint32_t max_integrity_retries = 2;
};

/// Waits are drawn evenly between half their upper bound and all of it ("equal jitter"); a
/// service's own retry-after is waited for in addition. An error that is left is kExhausted.
///
/// Read resumes behind the last byte delivered, guarded by the ETag of the first try: a byte is
/// never delivered twice, an object that changed meanwhile is kAborted. Progress starts the count
/// of tries anew. A Put that has let its body go is not repeated: after the wait its error is
/// kExhausted, and the caller may come with the body again. A conditional Put that finds its key
/// after a try with unknown outcome succeeds when the object's bytes are the ones it wanted to
/// write. A StartUpload that succeeds after a try with unknown outcome aborts what that try may
/// have started: other uploads of exactly the key that were begun between the first try and the
/// last, by the dates of the service. Two writers of one key at a time are the callers' to prevent.
class RetryBackend final : public InterceptingBackend {
 public:
  /// `clock` must outlive the backend.
  RetryBackend(std::unique_ptr<Backend> inner, RetryOptions options, Clock& clock = Clock::Real())
      : InterceptingBackend(std::move(inner)), options_(options), clock_(clock) {}

  Result<ReadInfo> Read(const CallContext& ctx, const std::string& key, const ReadOptions& options,
                        const Sink& sink) override;
  Result<ObjectInfo> Put(const CallContext& ctx, const std::string& key, ByteView body,
                         const PutOptions& options) override;
  /// Started calls are made once: whoever gets an error of one tries again with Read or Put.
  bool starts_calls() const override { return inner().starts_calls(); }
  void StartRead(RequestLoop& loop, const CallContext& ctx, const std::string& key,
                 const ReadOptions& options, Sink sink, ReadDone done) override {
    inner().StartRead(loop, ctx, key, options, std::move(sink), std::move(done));
  }
  void StartPut(RequestLoop& loop, const CallContext& ctx, const std::string& key, ByteView body,
                const PutOptions& options, PutDone done) override {
    inner().StartPut(loop, ctx, key, body, options, std::move(done));
  }
  Result<std::unique_ptr<Upload>> StartUpload(const CallContext& ctx, const std::string& key,
                                              const StartUploadOptions& options) override;
  Result<std::vector<DeleteFailure>> DeleteMany(const CallContext& ctx,
                                                const std::vector<std::string>& keys) override;

 protected:
  Status Around(const CallContext& ctx, const CallInfo& info, CallRef call) override;

 private:
  class Attempts;

  /// `kept` is the upload that was started in the end, `took` the time of all tries.
  Status AbortLostUploads(const CallContext& ctx, const std::string& key, const std::string& kept,
                          std::chrono::nanoseconds took);

  const RetryOptions options_;
  Clock& clock_;
};

}  // namespace milvus_backup::storage
