#include "sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace milvus_backup::config {
namespace {

struct AuthKey {
  std::string_view name;
  /// The only type of auth it belongs to.
  std::string_view type;
};
constexpr AuthKey kAuthKeys[] = {
    {"auth.accessKeyID", "static"},   {"auth.secretAccessKey", "static"},
    {"auth.sessionToken", "static"},  {"auth.endpoint", "iam"},
    {"auth.accountKey", "sharedKey"}, {"auth.credentialsFile", "serviceAccount"},
};

Status Refuse(const Value& value, const std::string& reason, const std::string& advice) {
  return ConfigError(fmt::format("{} {}", value.name(), reason)).WithAdvice(advice);
}

Status CheckAuth(const Resolver& values, const StorageIds& ids) {
  const Value& type = values.Get(ids.Id("auth.type"));
  constexpr std::array<std::string_view, 3> kTypes = {"static", "iam", "default"};
  if (std::ranges::find(kTypes, type.text) == kTypes.end()) {
    return Refuse(type, fmt::format("is '{}'", type.text), "use static, iam or default");
  }
  for (const AuthKey& key : kAuthKeys) {
    const Value& value = values.Get(ids.Id(key.name));
    if (key.type == type.text || !value.is_set() || value.text.empty()) continue;
    return Refuse(value, fmt::format("does not belong to {} '{}'", ids.Id("auth.type"), type.text),
                  fmt::format("remove it, or use {} '{}'", ids.Id("auth.type"), key.type));
  }
  return Status::Ok();
}

// Keys that only some providers have.
Status CheckProviderKeys(const Resolver& values, const StorageIds& ids, StorageKind kind) {
  const auto is_given = [&](const char* name) {
    const Value& value = values.Get(ids.Id(name));
    return value.is_set() && !value.text.empty();
  };
  const auto misplaced = [&](const char* name, const std::string& where) {
    return Refuse(values.Get(ids.Id(name)), where, "remove it");
  };
  if (is_given("accountName")) return misplaced("accountName", "is for azure only");
  if (kind != StorageKind::kLocal) {
    if (is_given("localPath")) return misplaced("localPath", "is for local storage only");
    const Value& address = values.Get(ids.Id("milvusAddress"));
    if (!address.text.empty() && !IsBareHost(address.text)) {
      return Refuse(address, fmt::format("is '{}'", address.text),
                    "use a host name or an IP address");
    }
    return Status::Ok();
  }
  for (const char* name : {"milvusAddress", "milvusPort"}) {
    if (is_given(name)) return misplaced(name, "is not for local storage");
  }
  const Value& path = values.Get(ids.Id("localPath"));
  if (!path.text.empty() && !path.text.starts_with('/')) {
    return Refuse(path, fmt::format("is '{}'", path.text), "use an absolute directory");
  }
  return Status::Ok();
}

Status LoadStorage(const Resolver& values, const StorageIds& ids, StorageSettings& storage) {
  MB_RETURN_IF_ERROR(CheckProviderKeys(values, ids, storage.kind));
  MB_RETURN_IF_ERROR(CheckAuth(values, ids));
  storage.use_iam = values.Text(ids.Id("auth.type")) != "static";
  storage.milvus_path = values.Text(ids.Id("localPath"));
  while (storage.milvus_path.size() > 1 && storage.milvus_path.back() == '/') {
    storage.milvus_path.pop_back();
  }
  return FinishStorage(storage);
}

Status CheckUrls(const Resolver& values) {
  for (const char* id :
       {"milvus.rest.endpoint", "milvus.management.endpoint", "zillizCloud.endpoint",
        "milvus.storage.auth.endpoint", "backup.storage.auth.endpoint"}) {
    const Value& value = values.Get(id);
    const bool may_be_empty = value.parameter.fallback.empty();
    if (IsAbsoluteUrl(value.text) || (value.text.empty() && may_be_empty)) continue;
    return Refuse(value, fmt::format("is '{}'", value.text),
                  "use a URL such as http://localhost:9091");
  }
  return Status::Ok();
}

Status LoadTls(const Resolver& values, milvus::ClientOptions& milvus) {
  constexpr std::array<std::string_view, 3> kModes = {"disabled", "server", "mutual"};
  const Value& mode = values.Get("milvus.grpc.tlsMode");
  const auto* const it = std::ranges::find(kModes, mode.text);
  if (it == kModes.end()) {
    return Refuse(mode, fmt::format("is '{}'", mode.text), "use disabled, server or mutual");
  }
  milvus.tls_mode = static_cast<milvus::TlsMode>(it - kModes.begin());
  if (milvus.tls_mode != milvus::TlsMode::kMutual) return Status::Ok();
  for (const char* id : {"milvus.grpc.mtlsCertPath", "milvus.grpc.mtlsKeyPath"}) {
    if (!values.Text(id).empty()) continue;
    return Refuse(values.Get(id), "is missing", "mutual TLS needs certificate and key");
  }
  return Status::Ok();
}

bool SameService(const StorageSettings& a, const StorageSettings& b) {
  if (a.kind != b.kind) return false;
  if (a.kind == StorageKind::kLocal) return true;
  return a.provider == b.provider && a.address == b.address && a.port == b.port &&
         a.use_ssl == b.use_ssl && a.region == b.region;
}

// Direct copies are what `auto` does wherever it can; `direct` says that nothing else will do.
Status LoadTransferMode(const Resolver& values, Config& config) {
  const Value& mode = values.Get("transfer.mode");
  config.cross_storage = mode.text == "streaming";
  if (mode.text == "auto" || mode.text == "streaming") return Status::Ok();
  if (mode.text != "direct") {
    return Refuse(mode, fmt::format("is '{}'", mode.text), "use auto, direct or streaming");
  }
  if (SameService(config.milvus_storage, config.backup_storage)) return Status::Ok();
  return Refuse(mode, "is 'direct', but the two storages are not the same service",
                "use auto, or make provider, address, port, region and useSSL of backup.storage "
                "those of milvus.storage");
}

}  // namespace

Status LoadV2(const Resolver& values, Config& config) {
  const Value& address = values.Get("milvus.grpc.address");
  if (!IsBareHost(address.text)) {
    return Refuse(address, fmt::format("is '{}'", address.text),
                  "use a host name or an IP address");
  }
  MB_RETURN_IF_ERROR(LoadTls(values, config.milvus));
  MB_RETURN_IF_ERROR(config.milvus.Validate());
  MB_RETURN_IF_ERROR(CheckUrls(values));
  MB_RETURN_IF_ERROR(LoadStorage(values, {"milvus.storage"}, config.milvus_storage));
  MB_RETURN_IF_ERROR(LoadStorage(values, {"backup.storage"}, config.backup_storage));
  return LoadTransferMode(values, config);
}

}  // namespace milvus_backup::config
