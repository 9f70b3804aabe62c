/// Many requests at once on one thread: saves the wake-ups of a thread for each where bodies are
/// small (docs/decisions/009).
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/net/http_client.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

namespace milvus_backup::net {

/// Belongs to the thread that calls Start and Turn; only Wake may be called by others.
class HttpLoop {
 public:
  using Done = std::function<void(Result<HttpResponse>)>;

  HttpLoop();
  HttpLoop(const HttpLoop&) = delete;
  HttpLoop& operator=(const HttpLoop&) = delete;
  /// Requests that have not ended end with kCancelled.
  ~HttpLoop();

  /// Begin what HttpClient::Send does, with its errors, but that nothing is sent a second time and
  /// the pacer of the context is not asked. `sink`, `request.on_body_sent` and, once and last,
  /// `done` are called by Turn; `done` may begin other requests. `client` must live until then.
  void Start(HttpClient& client, const CallContext& ctx, HttpRequest request, BodySink sink,
             Done done);

  /// Wait for something to happen, at most so long, and drive the requests on. Ends of contexts are
  /// noticed within 100 ms.
  void Turn(std::chrono::milliseconds most);
  /// Let the present or next Turn return soon.
  void Wake();

  /// Requests under way.
  size_t running() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace milvus_backup::net
