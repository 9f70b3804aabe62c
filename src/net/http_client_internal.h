/// What a client has beside its interface: shared with the loops that drive its requests.
#pragma once

#include "curl_error_internal.h"
#include "http_transfer_internal.h"

#include "milvus_backup/net/http_client.h"

#include <curl/curl.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::net {

/// Thread-safe.
class HttpClient::Impl {
 public:
  explicit Impl(HttpOptions options) : options_(std::move(options)) {}

  Result<HttpResponse> Send(const CallContext& ctx, const HttpRequest& request,
                            const BodySink& sink);
  /// The reply of a request that has ended, or what went wrong with it.
  Result<HttpResponse> Conclude(EasyHandle& easy, CURLcode code, Transfer& transfer);

  /// Of this client, never that of another.
  uint64_t id() const { return id_; }
  const HttpOptions& options() const { return options_; }
  const SharedCaches& caches() const { return caches_; }

 private:
  /// A handle with the connections it keeps. It is driven through a multi handle of its own because
  /// curl_easy_perform looks at its progress callback once a second only, while a multi handle is
  /// woken the moment a stop is requested.
  class Handle {
   public:
    Handle(const HttpOptions& options, const SharedCaches& caches);
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle();

    /// CURLE_OK or what went wrong; an end of the context is left in `transfer.failure`.
    CURLcode Perform(const CallContext& ctx, Transfer& transfer);
    EasyHandle& easy() { return easy_; }

   private:
    CURLcode Run(const CallContext& ctx, Transfer& transfer);
    CURLcode TakeResult();

    CURLM* multi_;
    // Last, so that it is gone before the multi handle that keeps its connections.
    EasyHandle easy_;
  };

  std::unique_ptr<Handle> Take();
  void Return(std::unique_ptr<Handle> handle);
  bool HasAnswered(std::string_view endpoint);
  void NoteAnswer(EasyHandle& easy, std::string_view endpoint);

  static uint64_t NextId();

  const uint64_t id_ = NextId();
  const HttpOptions options_;
  SharedCaches caches_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Handle>> idle_;
  std::set<std::string> answered_;
};

}  // namespace milvus_backup::net
