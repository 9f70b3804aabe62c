/// How to reach a Milvus server. Plain data.
#pragma once

#include "milvus_backup/base/secret.h"
#include "milvus_backup/base/status.h"

#include <chrono>
#include <string>

namespace milvus_backup::milvus {

enum class TlsMode { kDisabled = 0, kServer = 1, kMutual = 2 };

struct ClientOptions {
  std::string address = "localhost";
  int port = 19530;
  /// Sent on every call when user or password is not empty.
  std::string user;
  Secret password;
  TlsMode tls_mode = TlsMode::kDisabled;
  /// PEM file of the authority that signed the server's certificate; empty uses the system's.
  std::string ca_cert_path;
  /// Name to verify instead of the address; empty means the address.
  std::string server_name;
  /// PEM files for TlsMode::kMutual; without both the mode falls back to kServer.
  std::string mtls_cert_path;
  std::string mtls_key_path;
  /// What the server is taken for instead of what it says of itself, for example `2.3.5`; empty
  /// believes it.
  std::string server_version;
  /// Deadline of one attempt of an ordinary call.
  std::chrono::milliseconds call_timeout{30000};
  /// How long to wait for the first connection before the server counts as unreachable.
  std::chrono::milliseconds connect_timeout{1500};
  /// How long one call is repeated while the server cannot be reached, after it has answered once:
  /// a restart of Milvus takes about 10 s.
  std::chrono::milliseconds retry_patience{60000};
  /// How long one call is repeated while it is refused by a rate limit. The default of Milvus is
  /// one flush per 10 s and collection.
  std::chrono::milliseconds throttle_patience{600000};
  /// Answers above this are refused, with "larger than max" in the error and without asking again;
  /// 0 takes any.
  int max_receive_bytes = 0;

  /// What advice calls the keys that these came from.
  struct KeyNames {
    std::string address = "milvus.address and milvus.port";
    std::string user = "milvus.user";
    std::string password = "milvus.password";
    /// Empty: there is no key for TLS.
    std::string tls = "milvus.tlsMode, milvus.caCertPath and milvus.serverName";
  };
  KeyNames key_names{};

  /// kInvalidArgument (Origin::kConfig) naming the key at fault.
  Status Validate() const;
};

}  // namespace milvus_backup::milvus
