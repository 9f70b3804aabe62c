#include "sections.h"

#include <fmt/format.h>

namespace milvus_backup::config {
namespace {

// The reference tool takes TLS without a certificate of ours unless both files are named.
milvus::TlsMode TlsModeOf(const Resolver& values, Config& config) {
  const auto mode = static_cast<milvus::TlsMode>(values.Number("milvus.tlsMode"));
  const bool has_certificate = !values.Text("milvus.grpc.mtlsCertPath").empty();
  const bool has_key = !values.Text("milvus.grpc.mtlsKeyPath").empty();
  if (mode != milvus::TlsMode::kMutual || (has_certificate && has_key)) return mode;
  if (has_certificate || has_key) {
    config.warnings.push_back(fmt::format("milvus.tlsMode is 2 without {}: taken as 1",
                                          has_key ? "milvus.mtlsCertPath" : "milvus.mtlsKeyPath"));
  }
  return milvus::TlsMode::kServer;
}

}  // namespace

std::string ToUrl(const std::string& address) {
  if (IsAbsoluteUrl(address)) return address;
  if (address.find("://") != std::string::npos) return "";
  return IsAbsoluteUrl("http://" + address) ? "http://" + address : "";
}

Status LoadV1(const Resolver& values, Config& config) {
  config.milvus.tls_mode = TlsModeOf(values, config);
  MB_RETURN_IF_ERROR(config.milvus.Validate());
  config.milvus_storage.use_iam = values.Bool("minio.useIAM");
  config.backup_storage.use_iam = values.Bool("minio.backupUseIAM");
  // Left out, the backup root is Milvus' own root path, and `backup` only where that is empty.
  const bool is_inherited = values.Get("backup.storage.rootPath").source == "inherited";
  if (is_inherited && config.backup_storage.root_path.empty()) {
    config.backup_storage.root_path = "backup";
  }
  MB_RETURN_IF_ERROR(FinishStorage(config.milvus_storage));
  MB_RETURN_IF_ERROR(FinishStorage(config.backup_storage));
  config.cross_storage = values.Bool("minio.crossStorage");
  const Value& address = values.Get("milvus.management.endpoint");
  config.gc_pause.address = ToUrl(address.text);
  if (config.gc_pause.address.empty() && config.gc_pause.enable) {
    return ConfigError(fmt::format("{} is '{}'", address.name(), address.text))
        .WithAdvice(
            "use an address such as http://localhost:9091, or set backup.gcPause.enable "
            "to false");
  }
  if (config.gc_pause.address.empty()) config.gc_pause.address = GcPause().address;
  return Status::Ok();
}

}  // namespace milvus_backup::config
