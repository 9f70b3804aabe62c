#include "milvus_backup/service/services.h"

#include "milvus_backup/service/metrics.h"
#include "milvus_backup/storage/open.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

namespace milvus_backup::service {
namespace {

using config::StorageKind;
using config::StorageSettings;

storage::S3Provider ProviderOf(const std::string& name) {
  if (name == "s3") return storage::S3Provider::kAws;
  if (name == "aliyun") return storage::S3Provider::kAliyun;
  if (name == "tencent") return storage::S3Provider::kTencent;
  if (name == "hwc") return storage::S3Provider::kHuawei;
  if (name == "gcp") return storage::S3Provider::kGcs;
  return storage::S3Provider::kMinio;
}

storage::S3Options ToS3Options(const StorageSettings& settings) {
  storage::S3Options options;
  options.provider = ProviderOf(settings.provider);
  options.address = settings.address;
  options.port = static_cast<uint16_t>(settings.port);
  options.use_ssl = settings.use_ssl;
  options.ca_file = settings.ca_cert_path;
  if (settings.signs_bodies) options.payload_signing = storage::PayloadSigning::kAlways;
  options.region = settings.region;
  options.bucket = settings.bucket;
  options.access_key = Secret(settings.access_key);
  options.secret_key = settings.secret_key;
  options.session_token = settings.session_token;
  options.credentials_from_environment = settings.use_iam;
  options.anonymous =
      !settings.use_iam && settings.access_key.empty() && settings.secret_key.empty();
  options.key_names = {.address = settings.keys.address,
                       .port = settings.keys.port,
                       .use_ssl = settings.keys.use_ssl,
                       .ca_file = settings.keys.ca_cert_path,
                       .region = settings.keys.region,
                       .access_key = settings.keys.access_key,
                       .secret_key = settings.keys.secret_key,
                       .bucket = settings.keys.bucket};
  return options;
}

storage::OpenOptions Counted() {
  const StorageCounts& counts = ProcessStorageCounts();
  storage::OpenOptions options;
  options.metrics = counts.calls;
  options.tries = counts.tries;
  return options;
}

bool SamePlaceForMilvus(const StorageSettings& milvus, const StorageSettings& backup) {
  if (milvus.kind != backup.kind) return false;
  if (milvus.kind == StorageKind::kLocal) {
    // A Milvus that sees its own directory elsewhere, as one in a container does, sees that of the
    // backups only where the configuration says so.
    return milvus.milvus_path.empty() || !backup.milvus_path.empty();
  }
  return milvus.address == backup.address && milvus.port == backup.port &&
         milvus.use_ssl == backup.use_ssl && milvus.provider == backup.provider &&
         milvus.bucket == backup.bucket;
}

}  // namespace

Result<std::unique_ptr<storage::Backend>> OpenBucket(const StorageSettings& settings,
                                                     const std::string& bucket) {
  storage::S3Options options = ToS3Options(settings);
  options.bucket = bucket;
  return storage::OpenS3(options, Counted());
}

Result<std::unique_ptr<storage::Backend>> OpenPlace(const StorageSettings& settings,
                                                    backup::Place& place) {
  place.root_key = settings.keys.root_path;
  std::unique_ptr<storage::Backend> backend;
  if (settings.kind == StorageKind::kLocal) {
    const std::string directory = std::filesystem::absolute(settings.root_path).string();
    MB_ASSIGN_OR_RETURN(backend, storage::OpenLocal({.root = directory}, Counted()));
    place.milvus_prefix = (settings.milvus_path.empty() ? directory : settings.milvus_path) + "/";
    place.bucket_key = place.root_key;
  } else {
    MB_ASSIGN_OR_RETURN(backend, OpenBucket(settings, settings.bucket));
    place.root = settings.root_path;
    place.bucket_key = settings.keys.bucket;
  }
  place.backend = backend.get();
  return backend;
}

Result<StorageSettings> BackupStorageCalled(const config::Config& config, const std::string& name) {
  if (name.empty()) return config.backup_storage;
  return config::FindStorage(config, name);
}

Result<std::unique_ptr<Services>> Services::Create(const CallContext& ctx,
                                                   const config::Config& config, Needs needs) {
  auto services = std::make_unique<Services>();
  backup::Site& site = services->site_;
  MB_ASSIGN_OR_RETURN(services->backup_backend_,
                      OpenPlace(config.backup_storage, site.backup_storage));
  if (needs == Needs::kBackupStorage) return services;
  MB_ASSIGN_OR_RETURN(services->milvus_backend_,
                      OpenPlace(config.milvus_storage, site.milvus_storage));
  auto client = milvus::Connect(ctx, config.milvus);
  if (!client.ok()) {
    return client.status().Annotate(
        fmt::format("connecting to Milvus at {}:{}", config.milvus.address, config.milvus.port));
  }
  services->client_ = *std::move(client);
  site.client = services->client_.get();
  site.copy.concurrency = static_cast<size_t>(config.parallelism.copy_data);
  site.copy.server_copy_threshold = config.multipart_copy_threshold_mib * kMiB;
  site.copy.force_streaming = config.cross_storage;
  site.parallel_collections = static_cast<size_t>(config.parallelism.backup_collection);
  site.parallel_imports = static_cast<size_t>(config.parallelism.import_job);
  site.backup_visible_to_milvus =
      !config.cross_storage && SamePlaceForMilvus(config.milvus_storage, config.backup_storage);
  site.keep_temp_files = config.keep_temp_files;
  if (config.gc_pause.enable) site.gc_pause = {.address = config.gc_pause.address};
  return services;
}

}  // namespace milvus_backup::service
