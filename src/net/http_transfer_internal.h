/// One HTTP request as libcurl carries it out, however its handle is driven.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/net/http_client.h"

#include <curl/curl.h>

#include <array>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>

namespace milvus_backup::net {

/// What one request carries through libcurl's callbacks.
struct Transfer {
  const CallContext* ctx = nullptr;
  const HttpRequest* request = nullptr;
  const BodySink* sink = nullptr;
  HttpResponse response{};
  size_t sent = 0;
  bool heard = false;
  Status failure{};
  /// The body has left, and its owner was told so.
  bool body_is_gone = false;
  bool has_begun = false;

  /// Whether it must not be sent again by now.
  bool is_spent() const { return body_is_gone || (has_begun && !request->repeatable); }

  void TellBodyIsSent() {
    if (body_is_gone || !request->on_body_sent) return;
    body_is_gone = true;
    request->on_body_sent();
  }
};

/// DNS answers and TLS sessions shared by all connections of a client. libcurl does not support
/// sharing connections between threads, so those stay with their handle.
class SharedCaches {
 public:
  SharedCaches() : share_(curl_share_init()) {
    MB_CHECK(share_ != nullptr);
    curl_share_setopt(share_, CURLSHOPT_USERDATA, this);
    curl_share_setopt(share_, CURLSHOPT_LOCKFUNC, &Lock);
    curl_share_setopt(share_, CURLSHOPT_UNLOCKFUNC, &Unlock);
    curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  }
  SharedCaches(const SharedCaches&) = delete;
  SharedCaches& operator=(const SharedCaches&) = delete;
  ~SharedCaches() { curl_share_cleanup(share_); }

  CURLSH* get() const { return share_; }

 private:
  static void Lock(CURL*, curl_lock_data data, curl_lock_access, void* user) {
    static_cast<SharedCaches*>(user)->mutexes_.at(data).lock();
  }
  static void Unlock(CURL*, curl_lock_data data, void* user) {
    static_cast<SharedCaches*>(user)->mutexes_.at(data).unlock();
  }

  std::array<std::mutex, CURL_LOCK_DATA_LAST> mutexes_;
  CURLSH* share_;
};

/// An easy handle made ready for requests, one after the other. Who drives it gives it to a multi
/// handle; its connections are kept there.
class EasyHandle {
 public:
  explicit EasyHandle(const HttpOptions& options);
  EasyHandle(const EasyHandle&) = delete;
  EasyHandle& operator=(const EasyHandle&) = delete;
  ~EasyHandle();

  /// Use these caches until others are named; null for none.
  void Use(const SharedCaches* caches);
  /// Make ready for a request; what `transfer` points to must live until Clear.
  void Prepare(Transfer& transfer);
  void Clear();

  CURL* get() const { return easy_; }
  bool connected() const;
  /// The request may have failed only because a kept connection was dead.
  bool MayBeStaleConnection(CURLcode code, const Transfer& transfer) const;
  std::string_view error_text() const { return error_.data(); }

  /// The endpoint that answered this handle last; saves asking the client's set every time.
  std::string answered;

 private:
  void PrepareMethod(const HttpRequest& request);
  void PrepareHeaders(const HttpRequest& request);

  CURL* easy_;
  curl_slist* headers_ = nullptr;
  std::array<char, CURL_ERROR_SIZE> error_{};
};

/// Whether the body leaves in one piece with the head.
bool GoesInHead(const HttpRequest& request);

/// Must be called before anything else of libcurl.
void InitCurlOnce();

}  // namespace milvus_backup::net
