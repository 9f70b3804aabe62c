/// How to reach a bucket of a service that speaks the S3 REST API. Plain data.
#pragma once

#include "milvus_backup/base/secret.h"
#include "milvus_backup/base/status.h"

#include <cstdint>
#include <string>

namespace milvus_backup::storage {

/// Dialects of the S3 API; decides addressing, limits and which headers the service understands.
enum class S3Provider {
  kMinio,    ///< MinIO and everything that behaves like it (Ceph, versitygw, moto)
  kAws,      ///< Amazon S3
  kAliyun,   ///< Aliyun OSS, S3 dialect
  kTencent,  ///< Tencent COS, S3 dialect
  kHuawei,   ///< Huawei OBS, S3 dialect
  kGcs,      ///< Google Cloud Storage, interoperability with HMAC keys
};

enum class S3Addressing {
  kAuto,         ///< what the provider wants
  kPath,         ///< `http://host/bucket/key`
  kVirtualHost,  ///< `http://bucket.host/key`
};

enum class PayloadSigning {
  kAuto,    ///< UNSIGNED-PAYLOAD plus a signed checksum that the service verifies
  kAlways,  ///< SHA-256 of every body, about 0.5 CPU seconds per GiB
};

/// What the fields are called in the user's config file, for advice in errors.
struct S3KeyNames {
  std::string address = "minio.address";
  std::string port = "minio.port";
  std::string use_ssl = "minio.useSSL";
  std::string ca_file = "minio.caCertPath";
  std::string region = "minio.region";
  std::string access_key = "minio.accessKeyID";
  std::string secret_key = "minio.secretAccessKey";
  std::string bucket = "minio.bucketName";
};

struct S3Options {
  S3Provider provider = S3Provider::kMinio;
  /// Host name or IP address (IPv6 with or without brackets), without scheme and port.
  std::string address = "localhost";
  /// 0 means the scheme's own: 80 or 443.
  uint16_t port = 9000;
  bool use_ssl = false;
  /// PEM file of authorities to trust; empty means the system's.
  std::string ca_file;
  /// Empty means us-east-1 until the service says otherwise.
  std::string region;
  std::string bucket;
  Secret access_key;
  Secret secret_key;
  /// Of temporary credentials; empty means none.
  Secret session_token;
  /// Send requests unsigned.
  bool anonymous = false;
  /// Take AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (and AWS_REGION or
  /// AWS_DEFAULT_REGION where `region` is empty) from the environment, once, at creation.
  bool credentials_from_environment = false;
  S3Addressing addressing = S3Addressing::kAuto;
  PayloadSigning payload_signing = PayloadSigning::kAuto;
  S3KeyNames key_names;

  /// kInvalidArgument naming the config key that is missing or makes no sense.
  Status Validate() const;
};

}  // namespace milvus_backup::storage
