#include "milvus_backup/storage/open.h"

#include "milvus_backup/storage/s3_backend.h"

#include <utility>

namespace milvus_backup::storage {

std::unique_ptr<Backend> Wrap(std::unique_ptr<Backend> backend, const OpenOptions& options,
                              Clock& clock) {
  if (options.limiter) {
    backend = std::make_unique<LimitBackend>(std::move(backend), options.limiter);
  }
  if (options.tries) {
    backend = std::make_unique<MetricsBackend>(std::move(backend), options.tries, clock);
  }
  backend = std::make_unique<RetryBackend>(std::move(backend), options.retry, clock);
  if (options.metrics) {
    backend = std::make_unique<MetricsBackend>(std::move(backend), options.metrics, clock);
  }
  return backend;
}

Result<std::unique_ptr<Backend>> OpenS3(const S3Options& s3, const OpenOptions& options) {
  MB_ASSIGN_OR_RETURN(std::unique_ptr<Backend> backend, CreateS3Backend(s3));
  return Wrap(std::move(backend), options);
}

Result<std::unique_ptr<Backend>> OpenLocal(const LocalOptions& local, const OpenOptions& options) {
  MB_ASSIGN_OR_RETURN(std::unique_ptr<Backend> backend, CreateLocalBackend(local));
  return Wrap(std::move(backend), options);
}

}  // namespace milvus_backup::storage
