/// HTTP/1.1 for storage and REST clients, over libcurl. A client owns its connections and keeps
/// idle ones open; any number of threads may call Send at once, each call blocks its own thread. No
/// redirect is followed, no body is decompressed, nothing is retried except a `repeatable` request
/// whose reused connection turned out dead before one byte of the reply (sent once more on a new
/// connection).
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::net {

struct HttpHeader {
  std::string name;
  std::string value;
};
using HttpHeaders = std::vector<HttpHeader>;

struct HttpOptions {
  /// PEM file of the authorities to trust instead of the system's; empty means the system's.
  std::string ca_file;
  /// Time for name, connection and TLS handshake together.
  std::chrono::milliseconds connect_timeout{10'000};
  /// A transfer slower than this for a request's `stall_timeout` is given up, bytes per second.
  long stall_bytes_per_second = 1024;
  /// Idle connections kept; the one used last is used first.
  size_t max_idle = 1024;
  std::string user_agent = "milvus-backup";
};

struct HttpRequest {
  /// GET, HEAD, PUT, POST or DELETE. PUT and POST always carry a Content-Length.
  std::string method;
  /// Sent as it stands: escapes are not touched and dot segments stay.
  std::string url;
  /// Names as they go on the wire; Host and Content-Length are added.
  HttpHeaders headers;
  /// Must stay valid until `on_body_sent`, or else during Send; used by PUT and POST only.
  ByteView body;
  /// Called at most once, on the thread of Send, when the body has left whole: it may be freed
  /// then. What fails afterwards is not sent a second time.
  std::function<void()> on_body_sent;
  /// Socket receive buffer, bytes: large for object bodies, small where many calls run at once.
  size_t receive_buffer = 16 * kKiB;
  /// How long the connection may be silent.
  std::chrono::seconds stall_timeout{60};
  /// Carried out twice it does what it does once. Otherwise it is never sent again, not even where
  /// its connection turns out to be dead.
  bool repeatable = true;
};

struct HttpResponse {
  int status = 0;
  /// Names in lower case, values trimmed, in order of arrival.
  HttpHeaders headers;
  /// The body when no sink took it; of an error reply at most 1 MiB.
  std::string body;

  /// First value of a header (name in lower case), or empty.
  std::string_view Header(std::string_view name) const;
  bool Has(std::string_view name) const;
};

/// Receives the body of a 2xx reply chunk by chunk; `head` is complete. An error ends the call and
/// is returned unchanged.
using BodySink = std::function<Status(const HttpResponse& head, ByteView chunk)>;

/// service_code() of the errors below, for callers that know better advice.
inline constexpr std::string_view kNameNotResolved = "NameNotResolved";
inline constexpr std::string_view kConnectFailed = "ConnectFailed";
inline constexpr std::string_view kConnectionLost = "ConnectionLost";
inline constexpr std::string_view kStalled = "Stalled";
inline constexpr std::string_view kTruncated = "BodyTruncated";
inline constexpr std::string_view kCertificateRefused = "CertificateRefused";
inline constexpr std::string_view kTlsOnPlainPort = "TlsOnPlainPort";
inline constexpr std::string_view kPlainOnTlsPort = "PlainOnTlsPort";

class HttpClient {
 public:
  /// kInvalidArgument when the CA file cannot be read. The proxy of the environment (`https_proxy`,
  /// `no_proxy`, ...) is used except for loopback hosts. The first call of a program initialises
  /// libcurl and ignores SIGPIPE if nobody handles it.
  static Result<std::unique_ptr<HttpClient>> Create(HttpOptions options);

  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  ~HttpClient();

  /// Send one request and take its reply, whatever its status. Bodies of 2xx replies go to `sink`
  /// when there is one (at most 64 MiB are collected otherwise); other bodies are collected.
  ///
  /// Errors: kCancelled and kDeadlineExceeded within about 100 ms of the context's end;
  /// kUnavailable when the other side could not be reached or the transfer broke. The latter is
  /// kTransient, except that a name that does not resolve, a refused or timed-out connection is
  /// kNever while that endpoint has not answered once, as are certificate and TLS/plain mix-ups.
  Result<HttpResponse> Send(const CallContext& ctx, const HttpRequest& request,
                            const BodySink& sink = nullptr);

 private:
  friend class HttpLoop;
  class Impl;
  explicit HttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// `http://host:port` of a URL.
std::string_view EndpointOf(std::string_view url);
/// Whether the host of a URL is this machine: `localhost`, 127.0.0.0/8 or `[::1]`.
bool IsLoopback(std::string_view url);

}  // namespace milvus_backup::net
