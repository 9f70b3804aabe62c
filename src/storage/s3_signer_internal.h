/// AWS Signature Version 4 for S3 as pure steps ("Authenticating Requests: Using the Authorization
/// Header" of the S3 API Reference). S3 neither encodes the path twice nor normalises it.
#pragma once

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/secret.h"
#include "milvus_backup/net/http_client.h"

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::storage {

/// Names and values as they are meant, not encoded.
using S3Query = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

struct SigningInput {
  std::string_view method;
  /// Encoded, exactly as on the wire.
  std::string_view path;
  /// From CanonicalQuery, exactly as on the wire.
  std::string_view query;
  /// Every header to sign; names in lower case.
  const net::HttpHeaders* headers = nullptr;
  std::string_view payload_hash;
};

/// Sorted and encoded: serves the wire and the signature alike.
std::string CanonicalQuery(const S3Query& query);
std::string CanonicalRequest(const SigningInput& input);
/// `20260102T030405Z`
std::string AmzDate(std::chrono::system_clock::time_point time);

/// Thread-safe. Keeps the key derived for the last day and region.
class S3Signer {
 public:
  S3Signer(Secret access_key, Secret secret_key)
      : access_key_(std::move(access_key)), secret_key_(std::move(secret_key)) {}

  /// Value of the Authorization header. `amz_date` from AmzDate.
  std::string Authorization(const SigningInput& input, std::string_view amz_date,
                            const std::string& region) const;

 private:
  Sha256Digest DayKey(std::string_view day, const std::string& region) const;

  const Secret access_key_;
  const Secret secret_key_;
  mutable std::mutex mutex_;
  mutable std::string cached_for_;
  mutable Sha256Digest cached_key_{};
};

}  // namespace milvus_backup::storage
