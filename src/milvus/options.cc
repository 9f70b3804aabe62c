#include "milvus_backup/milvus/options.h"

#include "milvus_backup/milvus/version.h"

namespace milvus_backup::milvus {
namespace {

Status BadKey(const std::string& message) {
  return InvalidArgumentError(message).WithOrigin(Origin::kConfig);
}

}  // namespace

Status ClientOptions::Validate() const {
  if (address.empty()) return BadKey("milvus.address is empty");
  if (address.find_first_of("/ \t\r\n") != std::string::npos) {
    return BadKey("milvus.address: '" + address + "' is not a host name or an IP address");
  }
  if (port < 1 || port > 65535) {
    return BadKey("milvus.port: " + std::to_string(port) + " is not between 1 and 65535");
  }
  if (tls_mode < TlsMode::kDisabled || tls_mode > TlsMode::kMutual) {
    return BadKey("milvus.tlsMode: " + std::to_string(static_cast<int>(tls_mode)) +
                  " is not 0 (off), 1 (verify the server) or 2 (mutual)");
  }
  if (tls_mode == TlsMode::kMutual && mtls_cert_path.empty() != mtls_key_path.empty()) {
    return BadKey(
        std::string(mtls_cert_path.empty() ? "milvus.mtlsCertPath" : "milvus.mtlsKeyPath") +
        " is missing: mutual TLS needs certificate and key");
  }
  return server_version.empty() ? Status::Ok() : CheckVersion(server_version);
}

}  // namespace milvus_backup::milvus
