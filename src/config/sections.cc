#include "sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

namespace milvus_backup::config {
namespace {

// What is not listed is not a provider.
struct Provider {
  std::string_view alias;
  std::string_view name;
};
constexpr Provider kProviders[] = {
    {"local", "local"}, {"minio", "minio"},         {"s3", "s3"},          {"aws", "s3"},
    {"ali", "aliyun"},  {"aliyun", "aliyun"},       {"alibaba", "aliyun"}, {"alicloud", "aliyun"},
    {"tc", "tencent"},  {"tencent", "tencent"},     {"hwc", "hwc"},        {"gcp", "gcp"},
    {"azure", "azure"}, {"gcpnative", "gcpnative"},
};

std::string TrimSlashes(std::string path, StorageKind kind) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (kind == StorageKind::kS3) path.erase(0, path.find_first_not_of('/'));
  return path == "/" && kind == StorageKind::kS3 ? "" : path;
}

// The path is not repeated: what cannot be printed is what is wrong with it.
Status CheckRootPath(const StorageSettings& storage) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
  if (std::ranges::any_of(storage.root_path, is_control)) {
    return ConfigError(storage.keys.root_path + " has a control character in it")
        .WithAdvice("remove it");
  }
  if (storage.kind == StorageKind::kLocal) return Status::Ok();
  if (fmt::format("/{}/", storage.root_path).find("/../") == std::string::npos) return Status::Ok();
  return ConfigError(fmt::format("{} is '{}'; a bucket has no directories to go up from with '..'",
                                 storage.keys.root_path, storage.root_path))
      .WithAdvice("write the path without '..'");
}

Status LoadLog(const Resolver& values, log::Options& log) {
  auto level = log::ParseLevel(values.Text("log.level"));
  if (!level.ok()) return Status(level.status()).WithOrigin(Origin::kConfig);
  log.level = *level;
  log.console = values.Bool("log.console");
  log.path = values.Text("log.file.path");
  log.max_size_mib = static_cast<uint64_t>(values.Number("log.file.maxSizeMiB"));
  log.max_days = static_cast<uint64_t>(values.Number("log.file.maxDays"));
  log.max_backups = static_cast<uint64_t>(values.Number("log.file.maxBackups"));
  return Status::Ok();
}

void LoadMilvus(const Resolver& values, milvus::ClientOptions& milvus) {
  milvus.address = values.Text("milvus.grpc.address");
  milvus.port = static_cast<int>(values.Number("milvus.grpc.port"));
  milvus.user = values.Text("milvus.user");
  milvus.password = Secret(values.Text("milvus.password"));
  milvus.ca_cert_path = values.Text("milvus.grpc.caCertPath");
  milvus.server_name = values.Text("milvus.grpc.serverName");
  milvus.mtls_cert_path = values.Text("milvus.grpc.mtlsCertPath");
  milvus.mtls_key_path = values.Text("milvus.grpc.mtlsKeyPath");
}

Parallelism LoadParallelism(const Resolver& values) {
  const auto number = [&](const char* id) { return static_cast<int>(values.Number(id)); };
  return {.backup_collection = number("backup.concurrency.collections"),
          .backup_segment = number("backup.concurrency.segments"),
          .copy_data = number("transfer.concurrency"),
          .restore_collection = number("restore.concurrency.collections"),
          .import_job = number("restore.concurrency.importJobs")};
}

}  // namespace

Result<std::string> NormaliseProvider(const Value& value) {
  const std::string lower = ToLower(value.text);
  for (const Provider& provider : kProviders) {
    if (lower == provider.alias) return std::string(provider.name);
  }
  return ConfigError(
      fmt::format("{} is '{}'; use local, minio, s3, aws, gcp, aliyun, tencent or hwc",
                  value.name(), value.text));
}

/// Whether bodies are always signed.
Result<bool> ReadPayloadSigning(const Value& value) {
  const std::string lower = ToLower(value.text);
  if (lower == "always") return true;
  if (lower == "auto") return false;
  return ConfigError(fmt::format("{} is '{}'; use auto or always", value.name(), value.text));
}

Status FillStorage(const Resolver& values, const StorageIds& ids, StorageSettings& storage) {
  const Value& provider = values.Get(ids.Id("provider"));
  MB_ASSIGN_OR_RETURN(storage.provider, NormaliseProvider(provider));
  if (storage.provider == "azure" || storage.provider == "gcpnative") {
    return ConfigError(fmt::format("{} is '{}': this kind of storage is not built yet",
                                   provider.name(), provider.text))
        .WithAdvice("use its S3 dialect where it has one");
  }
  storage.kind = storage.provider == "local" ? StorageKind::kLocal : StorageKind::kS3;
  const auto text = [&](const char* name) { return values.Text(ids.Id(name)); };
  storage.address = text("address");
  storage.port = static_cast<int>(values.Number(ids.Id("port")));
  storage.region = text("region");
  storage.use_ssl = values.Bool(ids.Id("useSSL"));
  storage.ca_cert_path = text("caCertPath");
  MB_ASSIGN_OR_RETURN(storage.signs_bodies,
                      ReadPayloadSigning(values.Get(ids.Id("payloadSigning"))));
  storage.access_key = text("auth.accessKeyID");
  storage.secret_key = Secret(text("auth.secretAccessKey"));
  storage.session_token = Secret(text("auth.sessionToken"));
  storage.bucket = text("bucketName");
  storage.root_path = TrimSlashes(text("rootPath"), storage.kind);
  const auto name = [&](const char* id) { return values.Get(ids.Id(id)).parameter.names.front(); };
  storage.keys = {.address = name("address"),
                  .port = name("port"),
                  .use_ssl = name("useSSL"),
                  .ca_cert_path = name("caCertPath"),
                  .region = name("region"),
                  .access_key = name("auth.accessKeyID"),
                  .secret_key = name("auth.secretAccessKey"),
                  .bucket = name("bucketName"),
                  .root_path = name("rootPath")};
  return Status::Ok();
}

Status FinishStorage(StorageSettings& storage) {
  if (storage.use_iam) {
    storage.access_key.clear();
    storage.secret_key = Secret();
    storage.session_token = Secret();
  }
  if (storage.kind == StorageKind::kLocal && storage.root_path.empty()) {
    return ConfigError(storage.keys.root_path + " is empty")
        .WithAdvice("a local storage needs a directory");
  }
  return CheckRootPath(storage);
}

Status LoadCommon(const Resolver& values, Config& config) {
  MB_RETURN_IF_ERROR(LoadLog(values, config.log));
  LoadMilvus(values, config.milvus);
  MB_RETURN_IF_ERROR(FillStorage(values, {"milvus.storage"}, config.milvus_storage));
  MB_RETURN_IF_ERROR(FillStorage(values, {"backup.storage"}, config.backup_storage));
  config.parallelism = LoadParallelism(values);
  config.multipart_copy_threshold_mib =
      static_cast<uint64_t>(values.Number("transfer.multipartCopyThresholdMiB"));
  config.keep_temp_files = values.Bool("restore.keepTempFiles");
  config.gc_pause = {.enable = values.Bool("backup.pauseGC"),
                     .address = values.Text("milvus.management.endpoint")};
  MB_ASSIGN_OR_RETURN(config.server, ServerOf(values));
  config.metrics_directory = values.Text("metrics.textfileDir");
  return Status::Ok();
}

Result<ServerSettings> ServerOf(const Resolver& values) {
  ServerSettings server = {.address = values.Text("server.address"),
                           .token = Secret(values.Text("server.token")),
                           .state_dir = values.Text("server.stateDir"),
                           .max_jobs = static_cast<int>(values.Number("server.maxJobs")),
                           .tls_cert_path = values.Text("server.tlsCertPath"),
                           .tls_key_path = values.Text("server.tlsKeyPath")};
  if (server.tls_cert_path.empty() == server.tls_key_path.empty()) return server;
  return ConfigError(fmt::format("{} is missing", server.tls_cert_path.empty()
                                                      ? "server.tlsCertPath"
                                                      : "server.tlsKeyPath"))
      .WithAdvice("set both for TLS, or none of them");
}

bool IsBareHost(std::string_view text) {
  return !text.empty() && text.find_first_of("/ \t\r\n") == std::string_view::npos;
}

bool IsAbsoluteUrl(std::string_view text) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!text.starts_with(scheme)) continue;
    const std::string_view rest = text.substr(scheme.size());
    return IsBareHost(rest.substr(0, rest.find('/'))) &&
           rest.find_first_of(" \t\r\n") == std::string_view::npos;
  }
  return false;
}

}  // namespace milvus_backup::config
