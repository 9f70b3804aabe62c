#include "services.h"

#include "milvus_backup/storage/open.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

namespace milvus_backup::cli {
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

// `minio.` + `address`, or `minio.backup` + `Address`.
std::string KeyName(const StorageSettings& settings, std::string name) {
  if (settings.key_prefix.back() != '.') name[0] = static_cast<char>(name[0] - 'a' + 'A');
  return settings.key_prefix + name;
}

storage::S3Options ToS3Options(const StorageSettings& settings) {
  storage::S3Options options;
  options.provider = ProviderOf(settings.provider);
  options.address = settings.address;
  options.port = static_cast<uint16_t>(settings.port);
  options.use_ssl = settings.use_ssl;
  options.ca_file = settings.ca_cert_path;
  options.region = settings.region;
  options.bucket = settings.bucket;
  options.access_key = Secret(settings.access_key);
  options.secret_key = settings.secret_key;
  options.session_token = settings.session_token;
  options.credentials_from_environment = settings.use_iam;
  options.anonymous =
      !settings.use_iam && settings.access_key.empty() && settings.secret_key.empty();
  options.key_names = {.address = KeyName(settings, "address"),
                       .port = KeyName(settings, "port"),
                       .use_ssl = KeyName(settings, "useSSL"),
                       .ca_file = KeyName(settings, "caCertPath"),
                       .region = KeyName(settings, "region"),
                       .access_key = KeyName(settings, "accessKeyID"),
                       .secret_key = KeyName(settings, "secretAccessKey"),
                       .bucket = KeyName(settings, "bucketName")};
  return options;
}

Result<std::unique_ptr<storage::Backend>> Open(const StorageSettings& settings,
                                               backup::Place& place) {
  place.root_key = KeyName(settings, "rootPath");
  std::unique_ptr<storage::Backend> backend;
  if (settings.kind == StorageKind::kLocal) {
    const std::string directory = std::filesystem::absolute(settings.root_path).string();
    MB_ASSIGN_OR_RETURN(backend, storage::OpenLocal({.root = directory}));
    place.milvus_prefix = directory + "/";
    place.bucket_key = place.root_key;
  } else {
    MB_ASSIGN_OR_RETURN(backend, storage::OpenS3(ToS3Options(settings)));
    place.root = settings.root_path;
    place.bucket_key = KeyName(settings, "bucketName");
  }
  place.backend = backend.get();
  return backend;
}

bool SamePlaceForMilvus(const StorageSettings& a, const StorageSettings& b) {
  if (a.kind != b.kind) return false;
  if (a.kind == StorageKind::kLocal) return true;
  return a.address == b.address && a.port == b.port && a.use_ssl == b.use_ssl &&
         a.provider == b.provider && a.bucket == b.bucket;
}

}  // namespace

Result<std::unique_ptr<Services>> Services::Create(const CallContext& ctx,
                                                   const config::Config& config, Needs needs) {
  auto services = std::make_unique<Services>();
  backup::Site& site = services->site_;
  MB_ASSIGN_OR_RETURN(services->backup_backend_, Open(config.backup_storage, site.backup_storage));
  if (needs == Needs::kBackupStorage) return services;
  MB_ASSIGN_OR_RETURN(services->milvus_backend_, Open(config.milvus_storage, site.milvus_storage));
  auto client = milvus::Connect(ctx, config.milvus);
  if (!client.ok()) {
    return client.status().Annotate(
        fmt::format("connecting to Milvus at {}:{}", config.milvus.address, config.milvus.port));
  }
  services->client_ = *std::move(client);
  site.client = services->client_.get();
  site.progress = &services->progress_;
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

}  // namespace milvus_backup::cli
