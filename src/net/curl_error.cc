#include "curl_error_internal.h"

#include "milvus_backup/net/http_client.h"

#include <curl/curl.h>

#include <string>

namespace milvus_backup::net {
namespace {

bool Mentions(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool IsHttps(const CurlFailure& failure) { return failure.endpoint.starts_with("https:"); }

std::string Text(const CurlFailure& failure, std::string_view what) {
  std::string text = std::string(failure.endpoint) + ": " + std::string(what);
  const std::string_view detail =
      failure.detail.empty()
          ? std::string_view(curl_easy_strerror(static_cast<CURLcode>(failure.code)))
          : failure.detail;
  return text + " (" + std::string(detail) + ")";
}

Status Unavailable(const CurlFailure& failure, std::string_view what, std::string_view name,
                   RetryClass retry_class) {
  return Status(Code::kUnavailable, Text(failure, what))
      .WithRetry(retry_class)
      .WithService(std::string(name), 0, "");
}

// Nothing was ever heard from this endpoint: far more often a wrong address than a short outage, so
// it is told at once instead of after minutes of retries.
Status Unreachable(const CurlFailure& failure, std::string_view what, std::string_view name) {
  if (failure.answered_before) return Unavailable(failure, what, name, RetryClass::kTransient);
  return Unavailable(failure, what, name, RetryClass::kNever)
      .WithAdvice("check address and port, and that the service at " +
                  std::string(failure.endpoint) + " is running");
}

Status PlainOnTls(const CurlFailure& failure) {
  return Unavailable(failure, "the reply is not HTTP", kPlainOnTlsPort, RetryClass::kNever)
      .WithAdvice("the port seems to expect TLS: check useSSL");
}

Status TlsFailure(const CurlFailure& failure) {
  // What OpenSSL says when the first bytes of the other side are plain text.
  if (Mentions(failure.detail, "wrong version number") ||
      Mentions(failure.detail, "packet length too long") ||
      Mentions(failure.detail, "http request")) {
    return Unavailable(failure, "the service does not speak TLS on this port", kTlsOnPlainPort,
                       RetryClass::kNever)
        .WithAdvice("the port seems to be plain HTTP: check useSSL");
  }
  return Unreachable(failure, "TLS handshake failed", kConnectFailed);
}

}  // namespace

Status CurlError(const CurlFailure& failure) {
  switch (failure.code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return Unreachable(failure, "the host name does not resolve", kNameNotResolved);
    case CURLE_COULDNT_CONNECT:
      return Unreachable(failure, "cannot connect", kConnectFailed);
    case CURLE_OPERATION_TIMEDOUT:
      if (!failure.connected) return Unreachable(failure, "no connection in time", kConnectFailed);
      return Unavailable(failure, "the transfer stalled", kStalled, RetryClass::kTransient);
    case CURLE_PARTIAL_FILE:
      return Unavailable(failure, "the body ended early", kTruncated, RetryClass::kTransient);
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
      return Unavailable(failure, "the connection broke", kConnectionLost, RetryClass::kTransient);
    case CURLE_SSL_CONNECT_ERROR:
      return TlsFailure(failure);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
      return Unavailable(failure, "the server's certificate is not trusted", kCertificateRefused,
                         RetryClass::kNever)
          .WithAdvice("check the host name, or name the authority's PEM file as CA file");
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
      // A TLS alert in answer to plain text looks like HTTP/0.9 to libcurl.
      if (!IsHttps(failure) &&
          (failure.code == CURLE_WEIRD_SERVER_REPLY || Mentions(failure.detail, "HTTP/0.9"))) {
        return PlainOnTls(failure);
      }
      return InvalidArgumentError(Text(failure, "not an address this program can call"));
    case CURLE_URL_MALFORMAT:
      return InvalidArgumentError(Text(failure, "not a valid address"));
    case CURLE_OUT_OF_MEMORY:
      return {Code::kResourceExhausted, Text(failure, "out of memory")};
    default:
      return {Code::kUnknown, Text(failure, "the request failed")};
  }
}

}  // namespace milvus_backup::net
