#include "milvus_backup/storage/metrics_backend.h"

namespace milvus_backup::storage {
namespace {

// That an object is not there is often what a caller wants to know.
bool IsAnswer(Method method, const Status& status) {
  const bool asks = method == Method::kStat || method == Method::kRead;
  return status.ok() || (asks && status.code() == Code::kNotFound);
}

}  // namespace

void StorageMetrics::Add(Method method, bool ok, uint64_t bytes, std::chrono::nanoseconds time) {
  Counters& counters = counters_.at(static_cast<size_t>(method));
  counters.calls.fetch_add(1, std::memory_order_relaxed);
  if (!ok) counters.errors.fetch_add(1, std::memory_order_relaxed);
  if (bytes > 0) counters.bytes.fetch_add(bytes, std::memory_order_relaxed);
  counters.nanoseconds.fetch_add(time.count(), std::memory_order_relaxed);
}

MethodCounts StorageMetrics::Of(Method method) const {
  const Counters& counters = counters_.at(static_cast<size_t>(method));
  return {counters.calls.load(std::memory_order_relaxed),
          counters.errors.load(std::memory_order_relaxed),
          counters.bytes.load(std::memory_order_relaxed),
          std::chrono::nanoseconds(counters.nanoseconds.load(std::memory_order_relaxed))};
}

MethodCounts StorageMetrics::Total() const {
  MethodCounts total;
  for (size_t i = 0; i < kMethodCount; ++i) {
    const MethodCounts counts = Of(static_cast<Method>(i));
    total.calls += counts.calls;
    total.errors += counts.errors;
    total.bytes += counts.bytes;
    total.time += counts.time;
  }
  return total;
}

Status MetricsBackend::Around(const CallContext& ctx, const CallInfo& info, CallRef call) {
  static_cast<void>(ctx);
  const auto start = clock_.Now();
  Status status = call();
  metrics_->Add(info.method, IsAnswer(info.method, status), status.ok() ? info.body_size : 0,
                clock_.Now() - start);
  return status;
}

Result<ReadInfo> MetricsBackend::Read(const CallContext& ctx, const std::string& key,
                                      const ReadOptions& options, const Sink& sink) {
  const auto start = clock_.Now();
  uint64_t bytes = 0;
  Result<ReadInfo> result =
      inner().Read(ctx, key, options, [&](const ReadInfo& info, ByteView chunk) {
        bytes += chunk.size();
        return sink(info, chunk);
      });
  metrics_->Add(Method::kRead, IsAnswer(Method::kRead, result.status()), bytes,
                clock_.Now() - start);
  return result;
}

void MetricsBackend::StartRead(RequestLoop& loop, const CallContext& ctx, const std::string& key,
                               const ReadOptions& options, Sink sink, ReadDone done) {
  auto bytes = std::make_shared<uint64_t>(0);
  inner().StartRead(
      loop, ctx, key, options,
      [bytes, sink = std::move(sink)](const ReadInfo& info, ByteView chunk) {
        *bytes += chunk.size();
        return sink(info, chunk);
      },
      [this, bytes, start = clock_.Now(), done = std::move(done)](Result<ReadInfo> read) {
        metrics_->Add(Method::kRead, IsAnswer(Method::kRead, read.status()), *bytes,
                      clock_.Now() - start);
        done(std::move(read));
      });
}

void MetricsBackend::StartPut(RequestLoop& loop, const CallContext& ctx, const std::string& key,
                              ByteView body, const PutOptions& options, PutDone done) {
  inner().StartPut(loop, ctx, key, body, options,
                   [this, size = body.size(), start = clock_.Now(),
                    done = std::move(done)](Result<ObjectInfo> put) {
                     metrics_->Add(Method::kPut, put.ok(), put.ok() ? size : 0,
                                   clock_.Now() - start);
                     done(std::move(put));
                   });
}

}  // namespace milvus_backup::storage
