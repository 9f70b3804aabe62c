/// A small HTTP/1.1 server in this process, on a free loopback port, that can misbehave.
#pragma once

#include "milvus_backup/net/http_client.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace milvus_backup::testing {

struct FakeRequest {
  std::string method;
  /// Path and query as they came.
  std::string target;
  /// Names in lower case.
  net::HttpHeaders headers;
  std::string body;
  /// From 1, one number per connection.
  uint64_t connection = 0;

  std::string Header(std::string_view name) const;
  bool Has(std::string_view name) const;
};

struct FakeReply {
  int status = 200;
  net::HttpHeaders headers;
  std::string body;
  /// Content-Length speaks of `body`, but only this many bytes of it are sent ...
  std::optional<uint64_t> cut_after;
  /// ... and then the connection is closed, reset, or held silent until the client gives up.
  enum class Ending { kClose, kReset, kStall } ending = Ending::kClose;
  /// Not even a status line is sent before the ending.
  bool silent = false;
  /// Close the connection after this reply without saying so.
  bool close_quietly = false;
};

/// One thread per connection. `handler` is called from several threads at once.
class FakeHttpServer {
 public:
  using Handler = std::function<FakeReply(const FakeRequest& request)>;

  explicit FakeHttpServer(Handler handler);
  FakeHttpServer(const FakeHttpServer&) = delete;
  FakeHttpServer& operator=(const FakeHttpServer&) = delete;
  /// Cuts all connections and joins.
  ~FakeHttpServer();

  uint16_t port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  uint64_t connections() const { return connections_; }

 private:
  void Accept();
  void Serve(int fd, uint64_t connection);
  bool ServeOne(int fd, uint64_t connection, std::string& buffered);
  bool Answer(int fd, const FakeRequest& request, const FakeReply& reply);

  const Handler handler_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> connections_{0};
  std::mutex mutex_;
  std::set<int> open_;
  std::vector<std::jthread> workers_;
  std::jthread acceptor_;
};

/// A port of this host on which nobody listens.
uint16_t ClosedPort();

}  // namespace milvus_backup::testing
