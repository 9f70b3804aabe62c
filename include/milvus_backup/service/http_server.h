/// An HTTP server around a handler, plain or with TLS.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/service/http.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace milvus_backup::service {

struct HttpServerOptions {
  std::string address = "127.0.0.1";
  /// 0 takes a free one.
  uint16_t port = 0;
  /// Requests answered at once; more wait.
  size_t threads = 32;
  size_t max_body_bytes = size_t{1} << 20;
  /// A head and a body that take longer each are given up.
  std::chrono::seconds read_timeout{10};
  std::chrono::seconds write_timeout{30};
  /// PEM files. TLS, and nothing else, when there is a certificate.
  std::string tls_certificate_file;
  std::string tls_key_file;
};

/// A connection carries one request. What it can do is told to the handler; what throws is answered
/// with 500. Thread-safe.
class HttpServer {
 public:
  /// Listen, and answer from now on. kUnavailable naming address and port when that is not
  /// possible; kInvalidArgument with Origin::kConfig naming a file of TLS that cannot be used.
  static Result<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options,
                                                   HttpHandler handler);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  /// As Stop.
  ~HttpServer();

  uint16_t port() const;
  /// It takes no more connections, which nobody has asked for.
  bool has_ended() const;
  /// Take no more requests, cut off those that are not read yet, and wait for the answers to those
  /// that are being handled.
  void Stop();

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace milvus_backup::service
