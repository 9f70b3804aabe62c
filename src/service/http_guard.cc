#include "milvus_backup/service/http_guard.h"

#include "milvus_backup/base/encoding.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

namespace milvus_backup::service {
namespace {

constexpr std::string_view kBearer = "bearer ";

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// `host`, `host:port`, `[v6]:port`.
std::string HostNameOf(const std::string& host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

// RFC 6750 §2.1; the scheme is matched in any case (RFC 9110 §11.1).
bool HasToken(const HttpRequest& request, const Secret& token) {
  const std::string header = request.Header("authorization");
  if (Lower(header.substr(0, kBearer.size())) != kBearer) return false;
  return EqualInConstantTime(std::string_view(header).substr(kBearer.size()), token.Reveal());
}

// Browsers tell of pages that only load something, as an image, by this header alone (W3C Fetch
// Metadata Request Headers).
bool IsOwnOrigin(const HttpRequest& request, bool has_tls) {
  const std::string site = Lower(request.Header("sec-fetch-site"));
  if (!site.empty() && site != "same-origin" && site != "none") return false;
  if (!request.headers.contains("origin")) return true;
  const std::string own = (has_tls ? "https://" : "http://") + Lower(request.Header("host"));
  return Lower(request.Header("origin")) == own;
}

}  // namespace

HttpReply ErrorReply(int status, const std::string& error) {
  const nlohmann::json document = {{"error", error}};
  return {.status = status,
          .body = document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

Status GuardOptions::Validate() const {
  if (!token.empty() || IsLoopback(address)) return Status::Ok();
  return InvalidArgumentError(
             fmt::format("server.address is '{}', which other machines reach, and server.token "
                         "is empty",
                         address))
      .WithOrigin(Origin::kConfig)
      .WithAdvice("set server.token, or listen on 127.0.0.1");
}

bool IsLoopback(const std::string& address) {
  const std::string lower = Lower(address);
  if (lower == "localhost" || lower == "::1") return true;
  const bool is_v4 = std::ranges::count(lower, '.') == 3 &&
                     lower.find_first_not_of("0123456789.") == std::string::npos;
  return is_v4 && lower.starts_with("127.");
}

HttpHandler Guard(const GuardOptions& options, HttpHandler handler) {
  const bool is_loopback = IsLoopback(options.address);
  return [options, is_loopback, handler = std::move(handler)](const HttpRequest& request) {
    if (!options.token.empty() && !HasToken(request, options.token)) {
      HttpReply reply = ErrorReply(401, "the request needs the header Authorization: Bearer TOKEN");
      reply.headers["WWW-Authenticate"] = "Bearer";
      return reply;
    }
    if (is_loopback && !IsLoopback(HostNameOf(request.Header("host")))) {
      return ErrorReply(403, "the header Host does not name this machine");
    }
    if (is_loopback && !IsOwnOrigin(request, options.has_tls)) {
      return ErrorReply(403, "the request comes from a page of another origin");
    }
    return handler(request);
  };
}

}  // namespace milvus_backup::service
