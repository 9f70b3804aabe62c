#include "support/test_backends.h"

#include "support/fake_s3.h"
#include "support/faulty_backend.h"
#include "support/temp_dir.h"

#include "milvus_backup/storage/limit_backend.h"
#include "milvus_backup/storage/local_backend.h"
#include "milvus_backup/storage/memory_backend.h"
#include "milvus_backup/storage/metrics_backend.h"
#include "milvus_backup/storage/open.h"
#include "milvus_backup/storage/prefix_backend.h"
#include "milvus_backup/storage/retry_backend.h"
#include "milvus_backup/storage/s3_backend.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <utility>

namespace milvus_backup::testing {
namespace {

using namespace storage;  // NOLINT(google-build-using-namespace): this file is about nothing else

std::string Env(const std::string& name) {
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? std::string() : std::string(value);
}

OpenedBackend Must(Result<std::unique_ptr<Backend>> first, Result<std::unique_ptr<Backend>> second,
                   std::shared_ptr<void> keep_alive) {
  OpenedBackend opened;
  opened.keep_alive = std::move(keep_alive);
  EXPECT_TRUE(first.ok()) << (first.ok() ? "" : first.status().ToString());
  EXPECT_TRUE(second.ok()) << (second.ok() ? "" : second.status().ToString());
  if (!first.ok() || !second.ok()) {
    opened.skip = "the backend cannot be opened";
    return opened;
  }
  opened.backend = *std::move(first);
  opened.neighbour = *std::move(second);
  for (Backend* backend : {opened.backend.get(), opened.neighbour.get()}) {
    const Status status = backend->CreateContainer({});
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  return opened;
}

OpenedBackend OpenMemory(
    const std::function<std::unique_ptr<Backend>(std::unique_ptr<Backend>)>& wrap = nullptr) {
  std::unique_ptr<Backend> backend = MakeMemoryBackend();
  if (wrap) backend = wrap(std::move(backend));
  return Must(std::move(backend), MakeMemoryBackend(), nullptr);
}

OpenedBackend OpenLocalDirectory() {
  auto directory = std::make_shared<TempDir>();
  return Must(CreateLocalBackend({.root = directory->path() + "/a"}),
              CreateLocalBackend({.root = directory->path() + "/b"}), directory);
}

auto Reopener(const S3Options& options) {
  return [options](const std::function<void(S3Options&)>& change) {
    S3Options changed = options;
    change(changed);
    return OpenS3(changed);
  };
}

OpenedBackend OpenFake(bool wrapped) {
  auto server = std::make_shared<FakeS3>();
  S3Options options = server->OptionsFor("bucket-a");
  S3Options other = server->OptionsFor("bucket-b");
  OpenedBackend opened = wrapped ? Must(OpenS3(options), OpenS3(other), server)
                                 : Must(CreateS3Backend(options), CreateS3Backend(other), server);
  opened.reopen = Reopener(options);
  return opened;
}

/// A running server described by MB_TEST_<NAME>_ADDRESS, _PORT, _ACCESS_KEY, _SECRET_KEY, _BUCKET
/// and, for TLS, _CA; what is not set is taken from `fallback`.
OpenedBackend OpenServer(const std::string& name, const std::string& fallback) {
  const std::string prefix = "MB_TEST_" + name + "_";
  const auto value = [&](const std::string& what) {
    const std::string own = Env(prefix + what);
    return own.empty() ? Env("MB_TEST_" + fallback + "_" + what) : own;
  };
  OpenedBackend opened;
  if (Env(prefix + "ADDRESS").empty() || Env(prefix + "PORT").empty()) {
    opened.skip = prefix + "ADDRESS and " + prefix + "PORT are not set: no such server here";
    return opened;
  }
  S3Options options;
  options.address = Env(prefix + "ADDRESS");
  options.port = static_cast<uint16_t>(std::stoi(Env(prefix + "PORT")));
  options.access_key = Secret(value("ACCESS_KEY"));
  options.secret_key = Secret(value("SECRET_KEY"));
  options.bucket = value("BUCKET");
  if (options.bucket.empty()) options.bucket = "mb-conformance";
  options.ca_file = Env(prefix + "CA");
  options.use_ssl = !options.ca_file.empty();
  S3Options other = options;
  other.bucket += "-b";
  opened = Must(OpenS3(options), OpenS3(other), nullptr);
  opened.reopen = Reopener(options);
  return opened;
}

std::vector<BackendCase> WrapperCases() {
  const auto wrapped = [](std::string name, auto wrap) {
    return BackendCase{.name = std::move(name), .open = [wrap] { return OpenMemory(wrap); }};
  };
  return {
      wrapped("RetryOverMemory",
              [](std::unique_ptr<Backend> inner) -> std::unique_ptr<Backend> {
                return std::make_unique<RetryBackend>(std::move(inner), RetryOptions{});
              }),
      wrapped("LimitOverMemory",
              [](std::unique_ptr<Backend> inner) -> std::unique_ptr<Backend> {
                const LimitOptions options{.max_requests = 3, .bytes_per_second = 4 * kGiB};
                return std::make_unique<LimitBackend>(std::move(inner),
                                                      std::make_shared<RequestLimiter>(options));
              }),
      wrapped("MetricsOverMemory",
              [](std::unique_ptr<Backend> inner) -> std::unique_ptr<Backend> {
                return std::make_unique<MetricsBackend>(std::move(inner),
                                                        std::make_shared<StorageMetrics>());
              }),
      wrapped("PrefixOverMemory",
              [](std::unique_ptr<Backend> inner) -> std::unique_ptr<Backend> {
                return MakePrefixBackend(std::move(inner), "some/where/");
              }),
      wrapped("FaultyOverMemory",
              [](std::unique_ptr<Backend> inner) -> std::unique_ptr<Backend> {
                return std::make_unique<FaultyBackend>(std::move(inner));
              }),
      wrapped("AllOverMemory",
              [](std::unique_ptr<Backend> inner) -> std::unique_ptr<Backend> {
                OpenOptions options;
                options.limiter = std::make_shared<RequestLimiter>(LimitOptions{.max_requests = 4});
                options.metrics = std::make_shared<StorageMetrics>();
                return MakePrefixBackend(Wrap(std::move(inner), options), "p/");
              }),
  };
}

}  // namespace

std::vector<BackendCase> AllBackendCases() {
  std::vector<BackendCase> cases = {
      {.name = "Memory", .open = [] { return OpenMemory(); }},
      {.name = "Local", .open = OpenLocalDirectory, .any_key = false, .verifies_checksums = false},
      {.name = "S3OnFake", .open = [] { return OpenFake(false); }, .checks_credentials = true},
      {.name = "S3OnFakeWrapped",
       .open = [] { return OpenFake(true); },
       .checks_credentials = true},
      {.name = "Minio",
       .open = [] { return OpenServer("MINIO", "MINIO"); },
       .any_key = false,
       .checks_credentials = true},
      {.name = "MinioTls",
       .open = [] { return OpenServer("MINIO_TLS", "MINIO"); },
       .any_key = false,
       .checks_credentials = true},
      {.name = "Versitygw",
       .open = [] { return OpenServer("VERSITYGW", "VERSITYGW"); },
       .any_key = false,
       .checks_credentials = true},
      {.name = "Moto",
       .open = [] { return OpenServer("MOTO", "MOTO"); },
       .checks_parts = false,
       .guards_copies = false,
       .verifies_checksums = false},
  };
  for (BackendCase& wrapper : WrapperCases()) cases.push_back(std::move(wrapper));
  return cases;
}

}  // namespace milvus_backup::testing
