/// Errors of S3 services as Status: decided by the service's code first, by the HTTP status second.
#pragma once

#include "s3_xml_internal.h"

#include "milvus_backup/base/status.h"
#include "milvus_backup/net/http_client.h"
#include "milvus_backup/storage/s3_options.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace milvus_backup::storage {

/// Who failed, for the texts.
struct S3Place {
  S3Provider provider = S3Provider::kMinio;
  std::string bucket;
  /// `http://host:port`
  std::string endpoint;
  S3KeyNames keys;
  /// Requests are sent unsigned.
  bool anonymous = false;
};

/// The error of a reply: from its body, else from headers (replies to HEAD have no body).
S3ErrorBody ErrorOf(const net::HttpResponse& response);

/// `http_status` decides where the code is unknown. `retry_after` is what the service asked for.
Status S3Error(const S3Place& place, const S3ErrorBody& error, int http_status,
               std::optional<std::chrono::milliseconds> retry_after = std::nullopt);

/// The error of reading or copying `key` as long as it has a certain ETag: a condition that does
/// not hold says that the object is another one by now.
Status AsChanged(const std::string& key, Status status);

/// An error of the network below, with origin and advice in the words of the config.
Status S3NetworkError(const S3Place& place, Status status);

/// Delay asked for by `retry-after-ms` or `Retry-After` (seconds or a date compared with `now`), at
/// most 30 s, or 5 s from MinIO, whose value is a constant 60.
std::optional<std::chrono::milliseconds> RetryAfter(const net::HttpResponse& response,
                                                    S3Provider provider,
                                                    std::chrono::system_clock::time_point now);

}  // namespace milvus_backup::storage
