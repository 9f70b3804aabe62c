/// libcurl's result codes as Status.
#pragma once

#include "milvus_backup/base/status.h"

#include <string_view>

namespace milvus_backup::net {

struct CurlFailure {
  /// A CURLcode other than CURLE_OK.
  int code = 0;
  /// Text of CURLOPT_ERRORBUFFER; may be empty.
  std::string_view detail;
  /// `http://host:port`.
  std::string_view endpoint;
  /// The endpoint has answered this client before.
  bool answered_before = false;
  /// A connection was there when the call failed.
  bool connected = false;
};

Status CurlError(const CurlFailure& failure);

}  // namespace milvus_backup::net
