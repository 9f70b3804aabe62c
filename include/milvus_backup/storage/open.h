/// Backends as the program uses them: the service below, bounded, retried and counted.
#pragma once

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"
#include "milvus_backup/storage/limit_backend.h"
#include "milvus_backup/storage/local_backend.h"
#include "milvus_backup/storage/metrics_backend.h"
#include "milvus_backup/storage/retry_backend.h"
#include "milvus_backup/storage/s3_options.h"

#include <memory>

namespace milvus_backup::storage {

struct OpenOptions {
  RetryOptions retry;
  /// Shared by the backends of one endpoint; null means no bounds. Owned by all of them.
  std::shared_ptr<RequestLimiter> limiter;
  /// Of calls as their callers see them. Null counts nothing. Owned by all that use it.
  std::shared_ptr<StorageMetrics> metrics;
  /// The same of every try.
  std::shared_ptr<StorageMetrics> tries;
};

/// Metrics(Retry(Metrics(Limit(backend)))): a retry that waits holds no slot. `clock` must outlive
/// the backend.
std::unique_ptr<Backend> Wrap(std::unique_ptr<Backend> backend, const OpenOptions& options,
                              Clock& clock = Clock::Real());

/// As CreateS3Backend, wrapped. Sends nothing.
Result<std::unique_ptr<Backend>> OpenS3(const S3Options& s3, const OpenOptions& options = {});
/// As CreateLocalBackend, wrapped.
Result<std::unique_ptr<Backend>> OpenLocal(const LocalOptions& local,
                                           const OpenOptions& options = {});

}  // namespace milvus_backup::storage
