/// Keeps Milvus from deleting files of dropped segments while they are copied, through its
/// management port. Best effort: a server that cannot be asked is logged once and left alone.
///
/// The pause is a lease that ends by itself. It is renewed while the object lives. Only a server
/// that answers with a ticket (Milvus 2.6.8 and newer) is asked to go on at the end: elsewhere that
/// would end the pauses of everybody, so the lease runs out instead.
#pragma once

#include "milvus_backup/base/status.h"

#include <chrono>
#include <deque>
#include <stop_token>
#include <string>
#include <thread>

namespace milvus_backup::net {
class HttpClient;
}

namespace milvus_backup::milvus {

struct GcPauseOptions {
  /// Of the management port, such as `http://localhost:9091`.
  std::string address;
  std::chrono::seconds lease{300};
  std::chrono::milliseconds renew_every{120'000};
};

/// Starts its own thread; the constructor does not wait for the server.
class GcPause {
 public:
  explicit GcPause(GcPauseOptions options);
  GcPause(const GcPause&) = delete;
  GcPause& operator=(const GcPause&) = delete;
  /// Cuts a request that is under way, gives tickets back within 2 s, joins.
  ~GcPause() = default;

 private:
  void Run(const std::stop_token& stop);
  /// Ask for one lease; the ticket is empty where the server knows none.
  Result<std::string> Pause(net::HttpClient& http, const std::stop_token& stop) const;
  void Resume(net::HttpClient& http, const std::string& ticket) const;

  const GcPauseOptions options_;
  /// Of leases that may still run, oldest first.
  std::deque<std::string> tickets_;
  /// Last, so that it is joined before the rest goes.
  std::jthread thread_;
};

}  // namespace milvus_backup::milvus
