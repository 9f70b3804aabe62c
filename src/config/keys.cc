#include "keys.h"

#include <algorithm>
#include <cctype>

namespace milvus_backup::config {
namespace {

constexpr int64_t kMaxCount = 100000;
constexpr int64_t kMaxPort = 65535;

using enum Kind;

// clang-format off
constexpr Key kKeys[] = {
    {"log.level", "", "log.level", "", "info"},
    {"log.console", "", "log.console", "", "true", kBool},
    {"log.file.filename log.file.rootPath", "", "log.file.path", "", "logs/backup.log"},
    {"log.file.maxSize", "", "log.file.maxSizeMiB", "", "300", kNumber, 0, 1 << 20},
    {"log.file.maxDays", "", "log.file.maxDays", "", "0", kNumber, 0, kMaxCount},
    {"log.file.maxBackups", "", "log.file.maxBackups", "", "0", kNumber, 0, kMaxCount},

    {"http.enabled", "", "", "", "true", kBool},
    {"http.debugMode http.debug_mode", "", "server.debugMode", "", "false", kBool},
    {"http.swaggerBasePath", "", "server.swaggerBasePath", "", ""},
    {"server.address", "", "server.address", "", "127.0.0.1"},
    {"server.token", "MILVUS_BACKUP_SERVER_TOKEN", "server.token", "MILVUS_BACKUP_SERVER_TOKEN", "", kSecret},
    {"server.stateDir", "", "server.stateDir", "", "server-state"},
    {"server.maxJobs", "", "server.maxJobs", "", "2", kNumber, 1, 64},
    {"server.tlsCertPath", "", "server.tlsCertPath", "", ""},
    {"server.tlsKeyPath", "", "server.tlsKeyPath", "", ""},

    {"metrics.textfileDir", "", "metrics.textfileDir", "", ""},

    {"cloud.address", "", "zillizCloud.endpoint", "", "https://api.cloud.zilliz.com"},
    {"cloud.apikey", "", "zillizCloud.apiKey", "ZILLIZ_CLOUD_API_KEY", "", kSecret},

    {"milvus.address", "MILVUS_ADDRESS", "milvus.grpc.address", "", "localhost"},
    {"milvus.port", "MILVUS_PORT", "milvus.grpc.port", "", "19530", kNumber, 1, kMaxPort},
    {"milvus.user", "MILVUS_USER", "milvus.user", "MILVUS_USER", ""},
    {"milvus.password", "MILVUS_PASSWORD", "milvus.password", "MILVUS_PASSWORD", "", kSecret},
    {"milvus.tlsMode", "MILVUS_TLS_MODE", "", "", "0", kNumber, 0, 2},
    {"", "", "milvus.grpc.tlsMode", "", "disabled"},
    {"milvus.caCertPath", "MILVUS_CA_CERT_PATH", "milvus.grpc.caCertPath", "", ""},
    {"milvus.serverName", "MILVUS_SERVER_NAME", "milvus.grpc.serverName", "", ""},
    {"milvus.mtlsCertPath", "MILVUS_MTLS_CERT_PATH", "milvus.grpc.mtlsCertPath", "", ""},
    {"milvus.mtlsKeyPath", "MILVUS_MTLS_KEY_PATH", "milvus.grpc.mtlsKeyPath", "", ""},
    {"", "", "milvus.rest.endpoint", "", ""},
    {"backup.gcPause.address", "BACKUP_GC_PAUSE_ADDRESS", "milvus.management.endpoint", "", "http://localhost:9091"},
    {"milvus.rpcChannelName", "MILVUS_RPC_CHANNEL_NAME", "milvus.replicate.rpcChannelName", "", "by-dev-replicate-msg"},
    {"milvus.etcd.endpoints", "", "milvus.etcd.endpoints", "", "localhost:2379", kList},
    {"milvus.etcd.rootPath", "", "milvus.etcd.rootPath", "", "by-dev"},

    {"storage.storageType minio.storageType minio.cloudProvider", "", "milvus.storage.provider", "", "minio"},
    {"minio.address", "MINIO_ADDRESS", "milvus.storage.address", "", "localhost"},
    {"minio.port", "MINIO_PORT", "milvus.storage.port", "", "9000", kNumber, 1, kMaxPort},
    {"minio.region", "MINIO_REGION", "milvus.storage.region", "", ""},
    {"minio.useSSL", "MINIO_USE_SSL", "milvus.storage.useSSL", "", "false", kBool},
    {"minio.caCertPath", "MINIO_CA_CERT_PATH", "milvus.storage.caCertPath", "", ""},
    {"minio.payloadSigning", "MINIO_PAYLOAD_SIGNING", "milvus.storage.payloadSigning", "", "auto"},
    {"minio.bucketName", "MINIO_BUCKET_NAME", "milvus.storage.bucketName", "", "a-bucket"},
    {"minio.rootPath", "MINIO_ROOT_PATH", "milvus.storage.rootPath", "", "files"},
    {"", "", "milvus.storage.localPath", "", ""},
    {"", "", "milvus.storage.milvusAddress", "", ""},
    {"", "", "milvus.storage.milvusPort", "", "", kNumber, 1, kMaxPort},
    {"", "", "milvus.storage.accountName", "MILVUS_STORAGE_ACCOUNT_NAME", ""},
    {"minio.useIAM", "MINIO_USE_IAM", "", "", "false", kBool},
    {"", "", "milvus.storage.auth.type", "", "static"},
    {"minio.accessKeyID", "MINIO_ACCESS_KEY", "milvus.storage.auth.accessKeyID", "MILVUS_STORAGE_AUTH_ACCESS_KEY_ID", "minioadmin", kSecret},
    {"minio.secretAccessKey", "MINIO_SECRET_KEY", "milvus.storage.auth.secretAccessKey", "MILVUS_STORAGE_AUTH_SECRET_ACCESS_KEY", "minioadmin", kSecret},
    {"minio.token", "MINIO_TOKEN", "milvus.storage.auth.sessionToken", "MILVUS_STORAGE_AUTH_SESSION_TOKEN", "", kSecret},
    {"", "", "milvus.storage.auth.accountKey", "MILVUS_STORAGE_AUTH_ACCOUNT_KEY", "", kSecret},
    {"minio.gcpCredentialJSON", "GCP_KEY_JSON", "milvus.storage.auth.credentialsFile", "MILVUS_STORAGE_AUTH_CREDENTIALS_FILE", ""},
    {"minio.iamEndpoint", "MINIO_IAM_ENDPOINT", "milvus.storage.auth.endpoint", "", ""},

    {"storage.backupStorageType minio.backupStorageType", "", "backup.storage.provider", "", "", kText, 0, 0, Inherits::kAlways},
    {"minio.backupAddress", "MINIO_BACKUP_ADDRESS", "backup.storage.address", "", "", kText, 0, 0, Inherits::kAlways},
    {"minio.backupPort", "MINIO_BACKUP_PORT", "backup.storage.port", "", "", kNumber, 1, kMaxPort, Inherits::kAlways},
    {"minio.backupRegion", "MINIO_BACKUP_REGION", "backup.storage.region", "", "", kText, 0, 0, Inherits::kAlways},
    {"minio.backupUseSSL", "MINIO_BACKUP_USE_SSL", "backup.storage.useSSL", "", "", kBool, 0, 0, Inherits::kAlways},
    {"minio.backupCaCertPath", "MINIO_BACKUP_CA_CERT_PATH", "backup.storage.caCertPath", "", "", kText, 0, 0, Inherits::kAlways},
    {"minio.backupPayloadSigning", "MINIO_BACKUP_PAYLOAD_SIGNING", "backup.storage.payloadSigning", "", "", kText, 0, 0, Inherits::kAlways},
    {"minio.backupBucketName", "MINIO_BACKUP_BUCKET_NAME", "backup.storage.bucketName", "", "", kText, 0, 0, Inherits::kAlways},
    {"minio.backupRootPath", "MINIO_BACKUP_ROOT_PATH", "backup.storage.rootPath", "", "backup", kText, 0, 0, Inherits::kV1},
    {"", "", "backup.storage.localPath", "", ""},
    {"", "", "backup.storage.milvusAddress", "", ""},
    {"", "", "backup.storage.milvusPort", "", "", kNumber, 1, kMaxPort},
    {"", "", "backup.storage.accountName", "BACKUP_STORAGE_ACCOUNT_NAME", "", kText, 0, 0, Inherits::kAlways},
    {"minio.backupUseIAM", "MINIO_BACKUP_USE_IAM", "", "", "", kBool, 0, 0, Inherits::kAlways},
    {"", "", "backup.storage.auth.type", "", "", kText, 0, 0, Inherits::kAlways},
    {"minio.backupAccessKeyID", "MINIO_BACKUP_ACCESS_KEY", "backup.storage.auth.accessKeyID", "BACKUP_STORAGE_AUTH_ACCESS_KEY_ID", "", kSecret, 0, 0, Inherits::kAlways},
    {"minio.backupSecretAccessKey", "MINIO_BACKUP_SECRET_KEY", "backup.storage.auth.secretAccessKey", "BACKUP_STORAGE_AUTH_SECRET_ACCESS_KEY", "", kSecret, 0, 0, Inherits::kAlways},
    {"minio.backupToken", "MINIO_BACKUP_TOKEN", "backup.storage.auth.sessionToken", "BACKUP_STORAGE_AUTH_SESSION_TOKEN", "", kSecret, 0, 0, Inherits::kAlways},
    {"", "", "backup.storage.auth.accountKey", "BACKUP_STORAGE_AUTH_ACCOUNT_KEY", "", kSecret, 0, 0, Inherits::kAlways},
    {"minio.backupGcpCredentialJSON", "BACKUP_GCP_KEY_JSON", "backup.storage.auth.credentialsFile", "BACKUP_STORAGE_AUTH_CREDENTIALS_FILE", "", kText, 0, 0, Inherits::kV2},
    {"minio.backupIamEndpoint", "MINIO_BACKUP_IAM_ENDPOINT", "backup.storage.auth.endpoint", "", "", kText, 0, 0, Inherits::kAlways},

    {"backup.parallelism.backupCollection", "BACKUP_PARALLELISM_BACKUP_COLLECTION", "backup.concurrency.collections", "", "4", kNumber, 1, kMaxCount},
    {"backup.parallelism.backupSegment", "", "backup.concurrency.segments", "", "1024", kNumber, 1, kMaxCount},
    {"backup.gcPause.enable", "BACKUP_GC_PAUSE_ENABLE", "backup.pauseGC", "", "true", kBool},
    {"backup.gcPause.seconds", "", "", "", "7200", kNumber, 0, INT32_MAX},
    {"backup.parallelism.restoreCollection", "BACKUP_PARALLELISM_RESTORE_COLLECTION", "restore.concurrency.collections", "", "2", kNumber, 1, kMaxCount},
    {"backup.parallelism.importJob", "", "restore.concurrency.importJobs", "", "768", kNumber, 1, kMaxCount},
    {"", "", "restore.maxSegmentsPerImportJob", "", "256", kNumber, 1, kMaxCount},
    {"backup.keepTempFiles", "BACKUP_KEEP_TEMP_FILES", "restore.keepTempFiles", "", "false", kBool},
    {"minio.crossStorage", "", "", "", "false", kBool},
    {"", "", "transfer.mode", "", "auto"},
    {"backup.parallelism.copydata", "BACKUP_PARALLELISM_COPYDATA", "transfer.concurrency", "", "128", kNumber, 1, kMaxCount},
    {"minio.multipartCopyThresholdMiB", "", "transfer.multipartCopyThresholdMiB", "", "500", kNumber, 5, int64_t{5} * 1024},
};
// clang-format on

constexpr std::string_view kForgotten[] = {
    "milvus.authorizationEnabled",
    "milvus.tlsCertPath",
    "http.simpleResponse",
    "backup.maxSegmentGroupSize",
};

std::vector<std::string> SplitAtSpaces(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t space = std::min(text.find(' '), text.size());
    words.emplace_back(text.substr(0, space));
    text.remove_prefix(std::min(space + 1, text.size()));
  }
  return words;
}

bool InheritsIn(Inherits inherits, Version version) {
  return inherits == Inherits::kAlways ||
         inherits == (version == Version::kV1 ? Inherits::kV1 : Inherits::kV2);
}

// `backup.storage.X` has the parent `milvus.storage.X`; the one key that version 2 lacks is spelt
// out.
std::string ParentOf(const std::string& id) {
  if (id == "minio.backupUseIAM") return "minio.useIAM";
  return "milvus" + id.substr(std::string_view("backup").size());
}

}  // namespace

std::span<const Key> Keys() { return kKeys; }

std::span<const std::string_view> ForgottenV1Keys() { return kForgotten; }

bool HasKey(const Key& key, Version version) {
  return !(version == Version::kV1 ? key.v1 : key.v2).empty();
}

std::string IdOf(const Key& key) {
  return std::string(key.v2.empty() ? key.v1.substr(0, key.v1.find(' ')) : key.v2);
}

Parameter ToParameter(const Key& key, Version version) {
  const bool v1 = version == Version::kV1;
  const std::string id = IdOf(key);
  return {.id = id,
          .names = SplitAtSpaces(v1 ? key.v1 : key.v2),
          .environment = std::string(v1 ? key.v1_environment : key.v2_environment),
          .fallback = std::string(key.fallback),
          .kind = key.kind,
          .min = key.min,
          .max = key.max,
          .inherits = InheritsIn(key.inherits, version) ? ParentOf(id) : ""};
}

std::string ToLower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

}  // namespace milvus_backup::config
