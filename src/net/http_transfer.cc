#include "http_transfer_internal.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
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

bool HasBody(const HttpRequest& request) {
  return request.method == "PUT" || request.method == "POST";
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
  if (transfer.is_spent()) return CURL_PREREQFUNC_ABORT;
  transfer.has_begun = true;
  transfer.sent = 0;
  return CURL_PREREQFUNC_OK;
}

}  // namespace

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

bool GoesInHead(const HttpRequest& request) {
  return HasBody(request) && request.body.size() < kMostInHead;
}

EasyHandle::EasyHandle(const HttpOptions& options) : easy_(curl_easy_init()) {
  MB_CHECK(easy_ != nullptr);
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

EasyHandle::~EasyHandle() {
  curl_easy_cleanup(easy_);
  curl_slist_free_all(headers_);
}

void EasyHandle::Use(const SharedCaches* caches) {
  curl_easy_setopt(easy_, CURLOPT_SHARE, caches == nullptr ? nullptr : caches->get());
}

void EasyHandle::Prepare(Transfer& transfer) {
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
  curl_easy_setopt(easy_, CURLOPT_BUFFERSIZE, static_cast<long>(request.receive_buffer));
  curl_easy_setopt(easy_, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.stall_timeout.count()));
  PrepareMethod(request);
  PrepareHeaders(request);
}

void EasyHandle::PrepareMethod(const HttpRequest& request) {
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

void EasyHandle::PrepareHeaders(const HttpRequest& request) {
  // Without these libcurl would announce itself ready to wait, and servers or proxies might zip.
  headers_ = curl_slist_append(headers_, "Expect:");
  headers_ = curl_slist_append(headers_, "Accept-Encoding: identity");
  bool has_type = false;
  for (const HttpHeader& header : request.headers) {
    has_type = has_type || header.name == "content-type";
    // A header without value is spelled `Name;` in libcurl.
    const std::string line =
        header.value.empty() ? header.name + ";" : header.name + ": " + header.value;
    headers_ = curl_slist_append(headers_, line.c_str());
  }
  // Nor is a body the form that libcurl takes it for.
  if (!has_type) headers_ = curl_slist_append(headers_, "Content-Type:");
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_);
}

void EasyHandle::Clear() {
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, nullptr);
  curl_slist_free_all(std::exchange(headers_, nullptr));
}

bool EasyHandle::connected() const {
  curl_off_t microseconds = 0;
  curl_easy_getinfo(easy_, CURLINFO_PRETRANSFER_TIME_T, &microseconds);
  return microseconds > 0;
}

bool EasyHandle::MayBeStaleConnection(CURLcode code, const Transfer& transfer) const {
  long opened = 0;
  curl_easy_getinfo(easy_, CURLINFO_NUM_CONNECTS, &opened);
  const bool broke =
      code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
  return broke && !transfer.heard && !transfer.is_spent() && opened == 0;
}

}  // namespace milvus_backup::net
