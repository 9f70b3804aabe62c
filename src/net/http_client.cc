#include "milvus_backup/net/http_client.h"

#include "curl_error_internal.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <set>
#include <stop_token>
#include <unistd.h>
#include <utility>

namespace milvus_backup::net {
namespace {

constexpr size_t kMaxErrorBody = kMiB;
constexpr size_t kMaxCollectedBody = 64 * kMiB;
/// Bytes of a body that a pacer is asked for at once: small, so that what is sent flows evenly.
constexpr size_t kPacedPortion = 64 * kKiB;
/// A body below this leaves in one piece with the head, which saves a wake-up on either side;
/// libcurl does so with what it is given as a form, below 64 KiB.
constexpr size_t kMostInHead = 64 * kKiB;
/// The least that libcurl takes.
constexpr size_t kLeastUploadBuffer = 16 * kKiB;

/// Bytes that libcurl takes of a body at a time. Small bodies leave whole; of larger ones a share,
/// so that many at once do not take more memory than their buffers leave.
size_t UploadBuffer(size_t body) {
  constexpr size_t kWhole = 128 * kKiB;
  constexpr size_t kMost = 256 * kKiB;
  constexpr size_t kShare = 32;
  return std::clamp(body, kLeastUploadBuffer, std::clamp(body / kShare, kWhole, kMost));
}

void InitCurlOnce() {
  static std::once_flag once;
  std::call_once(once, [] {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    // With NOSIGNAL libcurl leaves SIGPIPE alone, and OpenSSL writes to closed sockets.
    struct sigaction action {};
    if (sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_DFL) {
      std::signal(SIGPIPE, SIG_IGN);
    }
  });
}

/// What one call of Send carries through libcurl's callbacks.
struct Transfer {
  const CallContext* ctx = nullptr;
  const HttpRequest* request = nullptr;
  const BodySink* sink = nullptr;
  HttpResponse response;
  size_t sent = 0;
  bool heard = false;
  Status failure;
  /// The body has left, and its owner was told so.
  bool body_is_gone = false;

  void TellBodyIsSent() {
    if (body_is_gone || !request->on_body_sent) return;
    body_is_gone = true;
    request->on_body_sent();
  }
};

bool HasBody(const HttpRequest& request) {
  return request.method == "PUT" || request.method == "POST";
}

bool GoesInHead(const HttpRequest& request) {
  return HasBody(request) && request.body.size() < kMostInHead;
}

bool IsSuccess(int status) { return status >= 200 && status < 300; }

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

size_t OnHeader(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, size * count);
  transfer.heard = true;
  if (line.starts_with("HTTP/")) {
    // Also after an interim 1xx reply: only the last head counts.
    transfer.response.headers.clear();
    transfer.response.headers.reserve(24);
    const size_t blank = line.find(' ');
    transfer.response.status = 0;
    for (size_t i = blank + 1; blank != line.npos && i < line.size() && i < blank + 4; ++i) {
      if (line[i] < '0' || line[i] > '9') break;
      transfer.response.status = transfer.response.status * 10 + (line[i] - '0');
    }
    return line.size();
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  HttpHeader header{std::string(Trim(line.substr(0, colon))),
                    std::string(Trim(line.substr(colon + 1)))};
  std::transform(header.name.begin(), header.name.end(), header.name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  transfer.response.headers.push_back(std::move(header));
  return line.size();
}

size_t OnBody(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const size_t length = size * count;
  HttpResponse& response = transfer.response;
  // One turn of the multi handle may move megabytes: look for a stop between chunks as well.
  transfer.failure = transfer.ctx->Check();
  if (!transfer.failure.ok()) return 0;
  if (IsSuccess(response.status) && *transfer.sink) {
    transfer.failure = (*transfer.sink)(response, AsBytes({data, length}));
    // Anything but `length` makes libcurl give up; an empty chunk never gets here.
    return transfer.failure.ok() ? length : 0;
  }
  const size_t limit = IsSuccess(response.status) ? kMaxCollectedBody : kMaxErrorBody;
  const size_t room = limit - std::min(limit, response.body.size());
  if (IsSuccess(response.status) && length > room) {
    transfer.failure = {Code::kResourceExhausted, "the reply is larger than 64 MiB"};
    return 0;
  }
  response.body.append(data, std::min(room, length));
  return length;
}

size_t OnUpload(char* data, size_t size, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.failure = transfer.ctx->Check();
  if (!transfer.failure.ok()) return CURL_READFUNC_ABORT;
  const ByteView body = transfer.request->body;
  size_t length = std::min(size * count, body.size() - transfer.sent);
  if (CallPacer* const pacer = transfer.ctx->pacer;
      pacer != nullptr && pacer->limits_bytes() && length > 0) {
    length = std::min(length, kPacedPortion);
    transfer.failure = pacer->BeforeBytes(*transfer.ctx, length);
    if (!transfer.failure.ok()) return CURL_READFUNC_ABORT;
  }
  if (length == 0) return 0;
  std::memcpy(data, body.data() + transfer.sent, length);
  transfer.sent += length;
  // The rest is in libcurl's own buffer.
  if (transfer.sent == body.size()) transfer.TellBodyIsSent();
  return length;
}

/// Of a body that goes in the head libcurl tells nothing else.
int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t sent) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (std::cmp_greater_equal(sent, transfer.request->body.size())) transfer.TellBodyIsSent();
  return 0;
}

int OnRewind(void* user, curl_off_t offset, int origin) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (origin != SEEK_SET || offset < 0 || transfer.body_is_gone) return CURL_SEEKFUNC_FAIL;
  transfer.sent = std::min(static_cast<size_t>(offset), transfer.request->body.size());
  return CURL_SEEKFUNC_OK;
}

/// Called when a request begins, also when libcurl sends one again by itself because a reused
/// connection was dead. It does not rewind what it has read of the body then if the handle was once
/// given a body as a form (Curl_readrewind in 7.88), and would wait for a reply to half a request.
int OnBegin(void* user, char*, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.body_is_gone) return CURL_PREREQFUNC_ABORT;
  transfer.sent = 0;
  return CURL_PREREQFUNC_OK;
}

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

/// One easy handle with the connections it keeps. It is driven through a multi handle of its own
/// because curl_easy_perform looks at its progress callback once a second only, while a multi
/// handle is woken the moment a stop is requested.
class Handle {
 public:
  Handle(const HttpOptions& options, const SharedCaches& caches);
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    curl_easy_cleanup(easy_);
    curl_multi_cleanup(multi_);
  }

  /// CURLE_OK or what went wrong; an end of the context is left in `transfer.failure`.
  CURLcode Perform(const CallContext& ctx, Transfer& transfer);

  bool connected() const;
  bool reused_connection() const;
  std::string_view error_text() const { return error_.data(); }

  /// The endpoint that answered this handle last; saves asking the client's set every time.
  std::string answered;

 private:
  void Prepare(Transfer& transfer);
  CURLcode Run(const CallContext& ctx, Transfer& transfer);
  CURLcode TakeResult();

  CURL* easy_;
  CURLM* multi_;
  std::array<char, CURL_ERROR_SIZE> error_{};
};

Handle::Handle(const HttpOptions& options, const SharedCaches& caches)
    : easy_(curl_easy_init()), multi_(curl_multi_init()) {
  MB_CHECK(easy_ != nullptr && multi_ != nullptr);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 2L);
  curl_easy_setopt(easy_, CURLOPT_SHARE, caches.get());
  curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, error_.data());
  curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy_, CURLOPT_NOPROGRESS, 1L);
  curl_easy_setopt(easy_, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy_, CURLOPT_TCP_KEEPALIVE, 1L);
  // A cancelled call must not wait for a name server that does not answer.
  curl_easy_setopt(easy_, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(options.connect_timeout.count()));
  curl_easy_setopt(easy_, CURLOPT_LOW_SPEED_LIMIT, options.stall_bytes_per_second);
  curl_easy_setopt(easy_, CURLOPT_USERAGENT, options.user_agent.c_str());
  if (!options.ca_file.empty()) {
    curl_easy_setopt(easy_, CURLOPT_CAINFO, options.ca_file.c_str());
    curl_easy_setopt(easy_, CURLOPT_CAPATH, nullptr);
  }
  curl_easy_setopt(easy_, CURLOPT_HEADERFUNCTION, &OnHeader);
  curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(easy_, CURLOPT_READFUNCTION, &OnUpload);
  curl_easy_setopt(easy_, CURLOPT_SEEKFUNCTION, &OnRewind);
  curl_easy_setopt(easy_, CURLOPT_PREREQFUNCTION, &OnBegin);
  curl_easy_setopt(easy_, CURLOPT_XFERINFOFUNCTION, &OnProgress);
}

void Handle::Prepare(Transfer& transfer) {
  const HttpRequest& request = *transfer.request;
  error_[0] = '\0';
  curl_easy_setopt(easy_, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy_, CURLOPT_PROXY, IsLoopback(request.url) ? "" : nullptr);
  curl_easy_setopt(easy_, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy_, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy_, CURLOPT_READDATA, &transfer);
  curl_easy_setopt(easy_, CURLOPT_SEEKDATA, &transfer);
  curl_easy_setopt(easy_, CURLOPT_PREREQDATA, &transfer);
  const bool tells = request.on_body_sent && GoesInHead(request) && !request.body.empty();
  curl_easy_setopt(easy_, CURLOPT_NOPROGRESS, tells ? 0L : 1L);
  curl_easy_setopt(easy_, CURLOPT_XFERINFODATA, &transfer);
  // On a reused connection that breaks, libcurl too sends a request once more by itself.
  curl_easy_setopt(easy_, CURLOPT_FRESH_CONNECT, request.repeatable ? 0L : 1L);
  curl_easy_setopt(easy_, CURLOPT_BUFFERSIZE, static_cast<long>(request.receive_buffer));
  curl_easy_setopt(easy_, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.stall_timeout.count()));
  // HTTPGET clears what an earlier HEAD or upload on this handle has set.
  curl_easy_setopt(easy_, CURLOPT_HTTPGET, 1L);
  curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, nullptr);
  if (request.method == "HEAD") {
    curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
  } else if (GoesInHead(request)) {
    curl_easy_setopt(easy_, CURLOPT_POST, 1L);
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(
        easy_, CURLOPT_POSTFIELDS,
        request.body.empty() ? "" : reinterpret_cast<const char*>(request.body.data()));
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else if (HasBody(request)) {
    const size_t buffer = UploadBuffer(request.body.size());
    curl_easy_setopt(easy_, CURLOPT_UPLOAD_BUFFERSIZE, static_cast<long>(buffer));
    curl_easy_setopt(easy_, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy_, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  } else if (request.method != "GET") {
    curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
}

CURLcode Handle::TakeResult() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg == CURLMSG_DONE) return message->data.result;
  }
  return CURLE_OUT_OF_MEMORY;
}

CURLcode Handle::Run(const CallContext& ctx, Transfer& transfer) {
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

CURLcode Handle::Perform(const CallContext& ctx, Transfer& transfer) {
  const HttpRequest& request = *transfer.request;
  if (ctx.pacer != nullptr && ctx.pacer->limits_bytes() && GoesInHead(request) &&
      !request.body.empty()) {
    transfer.failure = ctx.pacer->BeforeBytes(ctx, request.body.size());
    if (!transfer.failure.ok()) return CURLE_ABORTED_BY_CALLBACK;
  }
  Prepare(transfer);
  curl_slist* headers = nullptr;
  // Without these libcurl would announce itself ready to wait, and servers or proxies might zip.
  headers = curl_slist_append(headers, "Expect:");
  headers = curl_slist_append(headers, "Accept-Encoding: identity");
  bool has_type = false;
  for (const HttpHeader& header : request.headers) {
    has_type = has_type || header.name == "content-type";
    // A header without value is spelled `Name;` in libcurl.
    const std::string line =
        header.value.empty() ? header.name + ";" : header.name + ": " + header.value;
    headers = curl_slist_append(headers, line.c_str());
  }
  // Nor is a body the form that libcurl takes it for.
  if (!has_type) headers = curl_slist_append(headers, "Content-Type:");
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers);
  CURLcode code = CURLE_OUT_OF_MEMORY;
  if (curl_multi_add_handle(multi_, easy_) == CURLM_OK) {
    // The callback's destructor waits for a running wake-up, so `multi_` is alive in it.
    const std::stop_callback wake(ctx.stop, [this] { curl_multi_wakeup(multi_); });
    code = Run(ctx, transfer);
    curl_multi_remove_handle(multi_, easy_);
  }
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, nullptr);
  curl_slist_free_all(headers);
  return code;
}

bool Handle::connected() const {
  curl_off_t microseconds = 0;
  curl_easy_getinfo(easy_, CURLINFO_PRETRANSFER_TIME_T, &microseconds);
  return microseconds > 0;
}

bool Handle::reused_connection() const {
  long opened = 0;
  curl_easy_getinfo(easy_, CURLINFO_NUM_CONNECTS, &opened);
  return opened == 0;
}

bool MayBeStaleConnection(CURLcode code, const Handle& handle, const Transfer& transfer) {
  const bool broke =
      code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
  return broke && !transfer.heard && !transfer.body_is_gone && handle.reused_connection();
}

}  // namespace

class HttpClient::Impl {
 public:
  explicit Impl(HttpOptions options) : options_(std::move(options)) {}

  Result<HttpResponse> Send(const CallContext& ctx, const HttpRequest& request,
                            const BodySink& sink) {
    MB_RETURN_IF_ERROR(ctx.Check());
    if (ctx.pacer != nullptr) MB_RETURN_IF_ERROR(ctx.pacer->BeforeRequest(ctx));
    std::unique_ptr<Handle> handle = Take();
    Result<HttpResponse> response = SendOn(*handle, ctx, request, sink);
    Return(std::move(handle));
    return response;
  }

 private:
  Result<HttpResponse> SendOn(Handle& handle, const CallContext& ctx, const HttpRequest& request,
                              const BodySink& sink);

  std::unique_ptr<Handle> Take() {
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

  void Return(std::unique_ptr<Handle> handle) {
    const std::scoped_lock lock(mutex_);
    if (idle_.size() < options_.max_idle) idle_.push_back(std::move(handle));
  }

  bool HasAnswered(std::string_view endpoint) {
    const std::scoped_lock lock(mutex_);
    return answered_.contains(std::string(endpoint));
  }

  void NoteAnswer(Handle& handle, std::string_view endpoint) {
    if (handle.answered == endpoint) return;
    handle.answered = endpoint;
    const std::scoped_lock lock(mutex_);
    answered_.insert(handle.answered);
  }

  const HttpOptions options_;
  SharedCaches caches_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Handle>> idle_;
  std::set<std::string> answered_;
};

Result<HttpResponse> HttpClient::Impl::SendOn(Handle& handle, const CallContext& ctx,
                                              const HttpRequest& request, const BodySink& sink) {
  const auto fresh = [&] { return Transfer{&ctx, &request, &sink, {}, 0, false, {}, false}; };
  Transfer transfer = fresh();
  CURLcode code = handle.Perform(ctx, transfer);
  if (code != CURLE_OK && transfer.failure.ok() && MayBeStaleConnection(code, handle, transfer)) {
    transfer = fresh();
    code = handle.Perform(ctx, transfer);
  }
  // libcurl wanted to send again by itself what is gone.
  const bool was_stopped = code == CURLE_ABORTED_BY_CALLBACK || code == CURLE_SEND_FAIL_REWIND;
  if (was_stopped && transfer.failure.ok() && transfer.body_is_gone) code = CURLE_SEND_ERROR;
  const std::string_view endpoint = EndpointOf(request.url);
  if (transfer.heard) NoteAnswer(handle, endpoint);
  if (!transfer.failure.ok()) return std::move(transfer.failure);
  if (code == CURLE_OK) return std::move(transfer.response);
  return CurlError({.code = code,
                    .detail = handle.error_text(),
                    .endpoint = endpoint,
                    .answered_before = HasAnswered(endpoint),
                    .connected = handle.connected()});
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
