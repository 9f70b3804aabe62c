#include "milvus_backup/config/config.h"

#include "parameters.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <utility>

namespace milvus_backup::config {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxCount = 100000;

Status ConfigError(std::string message) {
  return InvalidArgumentError(std::move(message)).WithOrigin(Origin::kConfig);
}

Result<std::string> FindFile(const LoadOptions& options) {
  const fs::path given(options.path);
  std::vector<fs::path> candidates = {given};
  if (const auto directory = options.environment("MILVUSCONF")) {
    candidates.push_back(fs::path(*directory) / given.filename());
  }
  candidates.push_back(fs::path("configs") / given.filename());
  std::string tried;
  for (const fs::path& candidate : candidates) {
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored)) return candidate.string();
    tried += (tried.empty() ? "" : ", ") + candidate.string();
  }
  return ConfigError(fmt::format("no configuration file found; tried {}", tried))
      .WithAdvice("name it with --config, or start from the sample configs/backup.yaml");
}

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file.good()) return ConfigError(fmt::format("cannot read {}", path));
  return std::move(text).str();
}

// Names the reference tool accepts; what is not listed is not a provider.
struct Provider {
  std::string_view alias;
  std::string_view name;
};
constexpr Provider kProviders[] = {
    {"local", "local"}, {"minio", "minio"},   {"s3", "s3"},           {"aws", "s3"},
    {"ali", "aliyun"},  {"aliyun", "aliyun"}, {"alibaba", "aliyun"},  {"alicloud", "aliyun"},
    {"tc", "tencent"},  {"hwc", "hwc"},       {"tencent", "tencent"}, {"gcp", "gcp"},
};

Result<std::string> NormaliseProvider(const std::string& text, const std::string& key) {
  const std::string lower = ToLower(text);
  for (const Provider& provider : kProviders) {
    if (lower == provider.alias) return std::string(provider.name);
  }
  if (lower == "azure" || lower == "gcpnative") {
    return ConfigError(fmt::format("{} is '{}': this kind of storage is not built yet", key, text))
        .WithAdvice("use its S3 dialect where it has one");
  }
  return ConfigError(
      fmt::format("{} is '{}'; use local, minio, s3, aws, gcp, aliyun, tencent or hwc", key, text));
}

std::string TrimSlashes(std::string path, StorageKind kind) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (kind == StorageKind::kS3) path.erase(0, path.find_first_not_of('/'));
  return path == "/" && kind == StorageKind::kS3 ? "" : path;
}

Status LoadLog(Resolver& resolver, log::Options& log) {
  const std::string level = resolver.Text({{"log.level"}, "", "info"});
  MB_ASSIGN_OR_RETURN(log.level, log::ParseLevel(level));
  MB_ASSIGN_OR_RETURN(log.console, resolver.Bool({{"log.console"}, "", "true"}));
  log.path = resolver.Text({{"log.file.filename", "log.file.rootPath"}, "", "logs/backup.log"});
  MB_ASSIGN_OR_RETURN(const int64_t max_size,
                      resolver.Integer({{"log.file.maxSize"}, "", "300"}, 0, 1 << 20));
  log.max_size_mib = static_cast<uint64_t>(max_size);
  MB_ASSIGN_OR_RETURN(const int64_t backups,
                      resolver.Integer({{"log.file.maxBackups"}, "", "0"}, 0, kMaxCount));
  log.max_backups = static_cast<uint64_t>(backups);
  return Status::Ok();
}

Status LoadMilvus(Resolver& resolver, milvus::ClientOptions& milvus) {
  milvus.address = resolver.Text({{"milvus.address"}, "MILVUS_ADDRESS", "localhost"});
  MB_ASSIGN_OR_RETURN(const int64_t port,
                      resolver.Integer({{"milvus.port"}, "MILVUS_PORT", "19530"}, 1, 65535));
  milvus.port = static_cast<int>(port);
  milvus.user = resolver.Text({{"milvus.user"}, "MILVUS_USER", ""});
  milvus.password = Secret(resolver.Text({{"milvus.password"}, "MILVUS_PASSWORD", "", true}));
  MB_ASSIGN_OR_RETURN(const int64_t mode,
                      resolver.Integer({{"milvus.tlsMode"}, "MILVUS_TLS_MODE", "0"}, 0, 2));
  milvus.tls_mode = static_cast<milvus::TlsMode>(mode);
  milvus.ca_cert_path = resolver.Text({{"milvus.caCertPath"}, "MILVUS_CA_CERT_PATH", ""});
  milvus.server_name = resolver.Text({{"milvus.serverName"}, "MILVUS_SERVER_NAME", ""});
  milvus.mtls_cert_path = resolver.Text({{"milvus.mtlsCertPath"}, "MILVUS_MTLS_CERT_PATH", ""});
  milvus.mtls_key_path = resolver.Text({{"milvus.mtlsKeyPath"}, "MILVUS_MTLS_KEY_PATH", ""});
  return milvus.Validate();
}

Status LoadMilvusStorage(Resolver& resolver, StorageSettings& storage) {
  MB_ASSIGN_OR_RETURN(
      storage.provider,
      NormaliseProvider(
          resolver.Text(
              {{"storage.storageType", "minio.storageType", "minio.cloudProvider"}, "", "minio"}),
          "minio.storageType"));
  storage.kind = storage.provider == "local" ? StorageKind::kLocal : StorageKind::kS3;
  storage.address = resolver.Text({{"minio.address"}, "MINIO_ADDRESS", "localhost"});
  MB_ASSIGN_OR_RETURN(const int64_t port,
                      resolver.Integer({{"minio.port"}, "MINIO_PORT", "9000"}, 1, 65535));
  storage.port = static_cast<int>(port);
  storage.region = resolver.Text({{"minio.region"}, "MINIO_REGION", ""});
  storage.access_key =
      resolver.Text({{"minio.accessKeyID"}, "MINIO_ACCESS_KEY", "minioadmin", true});
  storage.secret_key =
      Secret(resolver.Text({{"minio.secretAccessKey"}, "MINIO_SECRET_KEY", "minioadmin", true}));
  storage.session_token = Secret(resolver.Text({{"minio.token"}, "MINIO_TOKEN", "", true}));
  MB_ASSIGN_OR_RETURN(storage.use_ssl, resolver.Bool({{"minio.useSSL"}, "MINIO_USE_SSL", "false"}));
  MB_ASSIGN_OR_RETURN(storage.use_iam, resolver.Bool({{"minio.useIAM"}, "MINIO_USE_IAM", "false"}));
  storage.ca_cert_path = resolver.Text({{"minio.caCertPath"}, "MINIO_CA_CERT_PATH", ""});
  storage.bucket = resolver.Text({{"minio.bucketName"}, "MINIO_BUCKET_NAME", "a-bucket"});
  storage.root_path =
      TrimSlashes(resolver.Text({{"minio.rootPath"}, "MINIO_ROOT_PATH", "files"}), storage.kind);
  return Status::Ok();
}

// Every key but the GCP one inherits the primary storage's value when it is absent.
Status LoadBackupStorage(Resolver& resolver, const StorageSettings& primary,
                         StorageSettings& storage) {
  storage.key_prefix = "minio.backup";
  MB_ASSIGN_OR_RETURN(
      storage.provider,
      NormaliseProvider(
          resolver.Text({{"storage.backupStorageType", "minio.backupStorageType"}, ""},
                        primary.provider),
          "minio.backupStorageType"));
  storage.kind = storage.provider == "local" ? StorageKind::kLocal : StorageKind::kS3;
  storage.address =
      resolver.Text({{"minio.backupAddress"}, "MINIO_BACKUP_ADDRESS"}, primary.address);
  MB_ASSIGN_OR_RETURN(
      const int64_t port,
      resolver.Integer({{"minio.backupPort"}, "MINIO_BACKUP_PORT"}, 1, 65535, primary.port));
  storage.port = static_cast<int>(port);
  storage.region = resolver.Text({{"minio.backupRegion"}, "MINIO_BACKUP_REGION"}, primary.region);
  storage.access_key = resolver.Text(
      {{"minio.backupAccessKeyID"}, "MINIO_BACKUP_ACCESS_KEY", "", true}, primary.access_key);
  storage.secret_key =
      Secret(resolver.Text({{"minio.backupSecretAccessKey"}, "MINIO_BACKUP_SECRET_KEY", "", true},
                           primary.secret_key.Reveal()));
  storage.session_token = Secret(resolver.Text(
      {{"minio.backupToken"}, "MINIO_BACKUP_TOKEN", "", true}, primary.session_token.Reveal()));
  MB_ASSIGN_OR_RETURN(
      storage.use_ssl,
      resolver.Bool({{"minio.backupUseSSL"}, "MINIO_BACKUP_USE_SSL"}, primary.use_ssl));
  MB_ASSIGN_OR_RETURN(
      storage.use_iam,
      resolver.Bool({{"minio.backupUseIAM"}, "MINIO_BACKUP_USE_IAM"}, primary.use_iam));
  storage.ca_cert_path = resolver.Text({{"minio.backupCaCertPath"}, "MINIO_BACKUP_CA_CERT_PATH"},
                                       primary.ca_cert_path);
  storage.bucket =
      resolver.Text({{"minio.backupBucketName"}, "MINIO_BACKUP_BUCKET_NAME"}, primary.bucket);
  std::string root =
      resolver.Text({{"minio.backupRootPath"}, "MINIO_BACKUP_ROOT_PATH"}, primary.root_path);
  if (root.empty()) root = "backup";
  storage.root_path = TrimSlashes(std::move(root), storage.kind);
  return Status::Ok();
}

Status LoadParallelism(Resolver& resolver, Parallelism& parallelism) {
  const auto load = [&](const char* key, const char* environment, int& value) -> Status {
    MB_ASSIGN_OR_RETURN(
        const int64_t number,
        resolver.Integer({{key}, environment, std::to_string(value)}, 1, kMaxCount));
    value = static_cast<int>(number);
    return Status::Ok();
  };
  MB_RETURN_IF_ERROR(load("backup.parallelism.backupCollection",
                          "BACKUP_PARALLELISM_BACKUP_COLLECTION", parallelism.backup_collection));
  MB_RETURN_IF_ERROR(load("backup.parallelism.backupSegment", "", parallelism.backup_segment));
  MB_RETURN_IF_ERROR(
      load("backup.parallelism.copydata", "BACKUP_PARALLELISM_COPYDATA", parallelism.copy_data));
  MB_RETURN_IF_ERROR(load("backup.parallelism.restoreCollection",
                          "BACKUP_PARALLELISM_RESTORE_COLLECTION", parallelism.restore_collection));
  return load("backup.parallelism.importJob", "", parallelism.import_job);
}

Status LoadGcPause(Resolver& resolver, GcPause& pause) {
  MB_ASSIGN_OR_RETURN(pause.enable,
                      resolver.Bool({{"backup.gcPause.enable"}, "BACKUP_GC_PAUSE_ENABLE", "true"}));
  pause.address =
      resolver.Text({{"backup.gcPause.address"}, "BACKUP_GC_PAUSE_ADDRESS", pause.address});
  return Status::Ok();
}

}  // namespace

std::optional<std::string> ProcessEnvironment(const std::string& name) {
  // Read at start, before any thread exists; nothing of ours changes the environment.
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe)
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

Result<Config> Load(const LoadOptions& options) {
  Config config;
  MB_ASSIGN_OR_RETURN(config.path, FindFile(options));
  MB_ASSIGN_OR_RETURN(const std::string text, ReadFile(config.path));
  MB_ASSIGN_OR_RETURN(FlatFile file, ParseYaml(text, config.path));
  if (const auto it = file.find("configversion"); it != file.end() && it->second != "v1") {
    return ConfigError(
        fmt::format("{}: configVersion is '{}'; this version reads v1", config.path, it->second));
  }
  Resolver resolver(std::move(file), options.environment);
  MB_RETURN_IF_ERROR(resolver.AddSets(options.sets));
  MB_RETURN_IF_ERROR(LoadLog(resolver, config.log).Annotate(config.path));
  MB_RETURN_IF_ERROR(LoadMilvus(resolver, config.milvus).Annotate(config.path));
  MB_RETURN_IF_ERROR(LoadMilvusStorage(resolver, config.milvus_storage).Annotate(config.path));
  MB_RETURN_IF_ERROR(LoadBackupStorage(resolver, config.milvus_storage, config.backup_storage)
                         .Annotate(config.path));
  MB_ASSIGN_OR_RETURN(config.cross_storage, resolver.Bool({{"minio.crossStorage"}, "", "false"}));
  MB_ASSIGN_OR_RETURN(
      const int64_t threshold,
      resolver.Integer({{"minio.multipartCopyThresholdMiB"}, "", "500"}, 5, int64_t{5} * 1024));
  config.multipart_copy_threshold_mib = static_cast<uint64_t>(threshold);
  MB_RETURN_IF_ERROR(LoadParallelism(resolver, config.parallelism).Annotate(config.path));
  MB_ASSIGN_OR_RETURN(config.keep_temp_files,
                      resolver.Bool({{"backup.keepTempFiles"}, "BACKUP_KEEP_TEMP_FILES", "false"}));
  MB_RETURN_IF_ERROR(LoadGcPause(resolver, config.gc_pause).Annotate(config.path));
  config.settings = resolver.TakeSettings();
  return config;
}

}  // namespace milvus_backup::config
