/// Counts what passes through. Thread-safe; costs a few atomic additions per call, none per chunk.
#pragma once

#include "milvus_backup/base/clock.h"
#include "milvus_backup/storage/intercepting_backend.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

namespace milvus_backup::storage {

struct MethodCounts {
  uint64_t calls = 0;
  /// Without reads and stats that were told that there is no such object.
  uint64_t errors = 0;
  /// Of object bodies, in either direction.
  uint64_t bytes = 0;
  /// Sum over all calls.
  std::chrono::nanoseconds time{0};
};

/// Counters that one or more backends add to.
class StorageMetrics {
 public:
  void Add(Method method, bool ok, uint64_t bytes, std::chrono::nanoseconds time);
  /// Values of this moment; each is right by itself, together they may be a call apart.
  MethodCounts Of(Method method) const;
  MethodCounts Total() const;

 private:
  struct Counters {
    std::atomic<uint64_t> calls{0};
    std::atomic<uint64_t> errors{0};
    std::atomic<uint64_t> bytes{0};
    std::atomic<int64_t> nanoseconds{0};
  };
  std::array<Counters, kMethodCount> counters_;
};

class MetricsBackend final : public InterceptingBackend {
 public:
  /// `metrics` is owned by all that count into or read from it; `clock` must outlive the backend.
  MetricsBackend(std::unique_ptr<Backend> inner, std::shared_ptr<StorageMetrics> metrics,
                 Clock& clock = Clock::Real())
      : InterceptingBackend(std::move(inner)), metrics_(std::move(metrics)), clock_(clock) {}

  Result<ReadInfo> Read(const CallContext& ctx, const std::string& key, const ReadOptions& options,
                        const Sink& sink) override;

  bool starts_calls() const override { return inner().starts_calls(); }
  void StartRead(RequestLoop& loop, const CallContext& ctx, const std::string& key,
                 const ReadOptions& options, Sink sink, ReadDone done) override;
  void StartPut(RequestLoop& loop, const CallContext& ctx, const std::string& key, ByteView body,
                const PutOptions& options, PutDone done) override;

 protected:
  Status Around(const CallContext& ctx, const CallInfo& info, CallRef call) override;

 private:
  const std::shared_ptr<StorageMetrics> metrics_;
  Clock& clock_;
};

}  // namespace milvus_backup::storage
