/// The limits a copy keeps, asked at every request and every portion of a body. Thread-safe.
#pragma once

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/storage/limit_backend.h"

#include <cstdint>
#include <functional>
#include <utility>

namespace milvus_backup::transfer {

/// Bytes read and bytes written are limited each for itself: together they are one stream.
class Pace final : public CallPacer {
 public:
  /// 0 means no bound. `on_throttled` is called when a service asks for fewer calls.
  Pace(uint64_t bytes_per_s, uint64_t requests_per_s, std::function<void()> on_throttled,
       Clock& clock = Clock::Real())
      : read_({.bytes_per_second = bytes_per_s}, clock),
        write_({.bytes_per_second = bytes_per_s}, clock),
        requests_({.bytes_per_second = requests_per_s}, clock),
        on_throttled_(std::move(on_throttled)) {}

  bool limits_bytes() const override { return write_.limits_bytes(); }
  Status BeforeRequest(const CallContext& ctx) override { return requests_.Pass(ctx, 1); }
  Status BeforeBytes(const CallContext& ctx, uint64_t bytes) override {
    return write_.Pass(ctx, bytes);
  }
  void OnThrottled() override { on_throttled_(); }

  /// Wait until `bytes` that have been read are paid for.
  Status AfterRead(const CallContext& ctx, uint64_t bytes) { return read_.Pass(ctx, bytes); }

 private:
  storage::RequestLimiter read_;
  storage::RequestLimiter write_;
  storage::RequestLimiter requests_;
  const std::function<void()> on_throttled_;
};

}  // namespace milvus_backup::transfer
