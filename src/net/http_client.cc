#include "milvus_backup/net/http_client.h"

#include "http_client_internal.h"

#include <algorithm>
#include <atomic>
#include <stop_token>
#include <unistd.h>
#include <utility>

namespace milvus_backup::net {

HttpClient::Impl::Handle::Handle(const HttpOptions& options, const SharedCaches& caches)
    : multi_(curl_multi_init()), easy_(options) {
  MB_CHECK(multi_ != nullptr);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 2L);
  easy_.Use(&caches);
}

HttpClient::Impl::Handle::~Handle() { curl_multi_cleanup(multi_); }

CURLcode HttpClient::Impl::Handle::TakeResult() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg == CURLMSG_DONE) return message->data.result;
  }
  return CURLE_OUT_OF_MEMORY;
}

CURLcode HttpClient::Impl::Handle::Run(const CallContext& ctx, Transfer& transfer) {
  for (int running = 1;;) {
    if (Status ended = ctx.Check(); !ended.ok()) {
      transfer.failure = std::move(ended);
      return CURLE_ABORTED_BY_CALLBACK;
    }
    if (curl_multi_perform(multi_, &running) != CURLM_OK) return CURLE_OUT_OF_MEMORY;
    if (running == 0) return TakeResult();
    std::chrono::milliseconds wait{1000};
    if (ctx.deadline) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(
          *ctx.deadline - std::chrono::steady_clock::now());
      wait = std::clamp(left, std::chrono::milliseconds(0), wait);
    }
    if (curl_multi_poll(multi_, nullptr, 0, static_cast<int>(wait.count()), nullptr) != CURLM_OK) {
      return CURLE_OUT_OF_MEMORY;
    }
  }
}

CURLcode HttpClient::Impl::Handle::Perform(const CallContext& ctx, Transfer& transfer) {
  const HttpRequest& request = *transfer.request;
  if (ctx.pacer != nullptr && ctx.pacer->limits_bytes() && GoesInHead(request) &&
      !request.body.empty()) {
    transfer.failure = ctx.pacer->BeforeBytes(ctx, request.body.size());
    if (!transfer.failure.ok()) return CURLE_ABORTED_BY_CALLBACK;
  }
  easy_.Prepare(transfer);
  CURLcode code = CURLE_OUT_OF_MEMORY;
  if (curl_multi_add_handle(multi_, easy_.get()) == CURLM_OK) {
    // The callback's destructor waits for a running wake-up, so `multi_` is alive in it.
    const std::stop_callback wake(ctx.stop, [this] { curl_multi_wakeup(multi_); });
    code = Run(ctx, transfer);
    curl_multi_remove_handle(multi_, easy_.get());
  }
  easy_.Clear();
  return code;
}

uint64_t HttpClient::Impl::NextId() {
  static std::atomic<uint64_t> next{0};
  return next++;
}

Result<HttpResponse> HttpClient::Impl::Send(const CallContext& ctx, const HttpRequest& request,
                                            const BodySink& sink) {
  MB_RETURN_IF_ERROR(ctx.Check());
  if (ctx.pacer != nullptr) MB_RETURN_IF_ERROR(ctx.pacer->BeforeRequest(ctx));
  std::unique_ptr<Handle> handle = Take();
  Transfer transfer{.ctx = &ctx, .request = &request, .sink = &sink};
  CURLcode code = handle->Perform(ctx, transfer);
  if (code != CURLE_OK && transfer.failure.ok() &&
      handle->easy().MayBeStaleConnection(code, transfer)) {
    transfer = {.ctx = &ctx, .request = &request, .sink = &sink};
    code = handle->Perform(ctx, transfer);
  }
  Result<HttpResponse> response = Conclude(handle->easy(), code, transfer);
  Return(std::move(handle));
  return response;
}

Result<HttpResponse> HttpClient::Impl::Conclude(EasyHandle& easy, CURLcode code,
                                                Transfer& transfer) {
  // libcurl wanted to send again by itself what must not be.
  const bool was_stopped = code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_SEND_FAIL_REWIND;
  if (was_stopped && transfer.failure.ok() && transfer.is_spent()) code = CURLE_SEND_ERROR;
  const std::string_view endpoint = EndpointOf(transfer.request->url);
  if (transfer.heard) NoteAnswer(easy, endpoint);
  if (!transfer.failure.ok()) return std::move(transfer.failure);
  if (code == CURLE_OK) return std::move(transfer.response);
  return CurlError({.code = code,
                    .detail = easy.error_text(),
                    .endpoint = endpoint,
                    .answered_before = HasAnswered(endpoint),
                    .connected = easy.connected()});
}

std::unique_ptr<HttpClient::Impl::Handle> HttpClient::Impl::Take() {
  {
    const std::scoped_lock lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Handle> handle = std::move(idle_.back());
      idle_.pop_back();
      return handle;
    }
  }
  return std::make_unique<Handle>(options_, caches_);
}

void HttpClient::Impl::Return(std::unique_ptr<Handle> handle) {
  const std::scoped_lock lock(mutex_);
  if (idle_.size() < options_.max_idle) idle_.push_back(std::move(handle));
}

bool HttpClient::Impl::HasAnswered(std::string_view endpoint) {
  const std::scoped_lock lock(mutex_);
  return answered_.contains(std::string(endpoint));
}

void HttpClient::Impl::NoteAnswer(EasyHandle& easy, std::string_view endpoint) {
  if (easy.answered == endpoint) return;
  easy.answered = endpoint;
  const std::scoped_lock lock(mutex_);
  answered_.insert(easy.answered);
}

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::~HttpClient() = default;

Result<std::unique_ptr<HttpClient>> HttpClient::Create(HttpOptions options) {
  InitCurlOnce();
  if (!options.ca_file.empty() && access(options.ca_file.c_str(), R_OK) != 0) {
    return InvalidArgumentError("cannot read the CA file " + options.ca_file);
  }
  return std::unique_ptr<HttpClient>(new HttpClient(std::make_unique<Impl>(std::move(options))));
}

Result<HttpResponse> HttpClient::Send(const CallContext& ctx, const HttpRequest& request,
                                      const BodySink& sink) {
  return impl_->Send(ctx, request, sink);
}

std::string_view HttpResponse::Header(std::string_view name) const {
  for (const HttpHeader& header : headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

bool HttpResponse::Has(std::string_view name) const {
  return std::any_of(headers.begin(), headers.end(),
                     [name](const HttpHeader& header) { return header.name == name; });
}

std::string_view EndpointOf(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return url.substr(0, url.find('/'));
  return url.substr(0, url.find_first_of("/?", scheme + 3));
}

bool IsLoopback(std::string_view url) {
  std::string_view host = EndpointOf(url);
  if (const size_t scheme = host.find("://"); scheme != std::string_view::npos) {
    host.remove_prefix(scheme + 3);
  }
  if (host.starts_with("[")) return host.starts_with("[::1]");
  host = host.substr(0, host.find(':'));
  if (host == "localhost") return true;
  return host.starts_with("127.") &&
         host.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace milvus_backup::net
