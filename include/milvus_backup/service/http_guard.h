/// Who may ask: decided before an API sees the request.
#pragma once

#include "milvus_backup/base/secret.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/service/http.h"

#include <string>

namespace milvus_backup::service {

struct GuardOptions {
  /// What the server listens on.
  std::string address;
  /// Empty asks for nothing.
  Secret token;
  /// Whether the server is asked by https.
  bool has_tls = false;

  /// kInvalidArgument with Origin::kConfig for an address that other machines reach without a
  /// token.
  Status Validate() const;
};

/// Whether only this machine reaches `address`: `localhost`, 127.0.0.0/8, `::1`.
bool IsLoopback(const std::string& address);

/// `handler` behind a guard. With a token, requests without it are answered with 401, whatever they
/// ask for. A server on a loopback address can be reached through the browser of whoever sits at
/// the machine, so there requests must name it by a loopback name in `Host`, and those that a page
/// of another origin sent are refused: 403.
HttpHandler Guard(const GuardOptions& options, HttpHandler handler);

}  // namespace milvus_backup::service
