#include "support/fake_s3.h"

#include "milvus_backup/base/encoding.h"

#include <algorithm>
#include <ctime>
#include <sstream>

namespace milvus_backup::testing {
namespace {

std::string Encode(std::string_view text, bool keep_slash) {
  std::ostringstream out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain =
        std::isalnum(byte) != 0 || std::string_view("-._~").find(c) != std::string::npos;
    if (plain || (c == '/' && keep_slash)) {
      out << c;
    } else {
      const char* digits = "0123456789ABCDEF";
      out << '%' << digits[byte / 16] << digits[byte % 16];
    }
  }
  return out.str();
}

/// Taken apart and put together again, so that what the client encoded wrongly does not match.
std::string CanonicalQueryOf(std::string_view query) {
  std::vector<std::string> pairs;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view value =
        equals < pair.size() ? pair.substr(equals + 1) : std::string_view();
    pairs.push_back(Encode(PercentDecode(pair.substr(0, equals)), false) + "=" +
                    Encode(PercentDecode(value), false));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string text;
  for (const std::string& pair : pairs) text += (text.empty() ? "" : "&") + pair;
  return text;
}

std::string Between(const std::string& text, const std::string& before, char after) {
  const size_t start = text.find(before);
  if (start == std::string::npos) return {};
  const size_t from = start + before.size();
  return text.substr(from, text.find(after, from) - from);
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

std::string Hmac(const std::string& key, const std::string& text) {
  return std::string(AsText(HmacSha256(AsBytes(key), text)));
}

bool IsSkewed(const std::string& amz_date, std::chrono::seconds ahead) {
  std::tm parts{};
  if (strptime(amz_date.c_str(), "%Y%m%dT%H%M%SZ", &parts) == nullptr) return true;
  const auto sent = std::chrono::system_clock::from_time_t(timegm(&parts));
  const auto now = std::chrono::system_clock::now() + ahead;
  return now - sent > std::chrono::minutes(15) || sent - now > std::chrono::minutes(15);
}

}  // namespace

std::optional<FakeReply> CheckSignature(const FakeRequest& request, const FakeS3Options& options) {
  const std::string authorization = request.Header("authorization");
  if (authorization.empty()) {
    if (options.anonymous) return std::nullopt;
    return ErrorReply(403, "AccessDenied", "Anonymous access is forbidden.");
  }
  const std::vector<std::string> credential =
      Split(Between(authorization, "AWS4-HMAC-SHA256 Credential=", ','), '/');
  const std::string names = Between(authorization, "SignedHeaders=", ',');
  const std::string signature = Between(authorization, "Signature=", ',');
  if (credential.size() != 5 || credential[3] != "s3" || credential[4] != "aws4_request") {
    return ErrorReply(400, "AuthorizationHeaderMalformed", "bad credential");
  }
  if (credential[2] != options.region) {
    return ErrorReply(400, "AuthorizationHeaderMalformed", "the region is wrong",
                      "<Region>" + options.region + "</Region>");
  }
  if (credential[0] != options.access_key) {
    return ErrorReply(403, "InvalidAccessKeyId", "The Access Key Id you provided does not exist.");
  }
  const std::string date = request.Header("x-amz-date");
  if (IsSkewed(date, options.clock_ahead)) {
    return ErrorReply(403, "RequestTimeTooSkewed", "The difference is too large.");
  }
  if (request.Header("x-amz-security-token") != options.session_token) {
    return ErrorReply(403, "InvalidTokenId", "The security token is invalid.");
  }

  const std::vector<std::string> signed_names = Split(names, ';');
  std::string canonical_headers;
  for (const std::string& name : signed_names) {
    if (!request.Has(name)) return ErrorReply(403, "AccessDenied", "a signed header is absent");
    canonical_headers += name + ":" + request.Header(name) + "\n";
  }
  for (const net::HttpHeader& header : request.headers) {
    const bool must = header.name.starts_with("x-amz-") || header.name == "host" ||
                      header.name == "content-md5" || header.name == "if-none-match";
    if (must &&
        std::find(signed_names.begin(), signed_names.end(), header.name) == signed_names.end()) {
      return ErrorReply(403, "AccessDenied", "There were headers present which were not signed");
    }
  }
  const size_t mark = std::min(request.target.find('?'), request.target.size());
  const std::string_view query =
      mark < request.target.size() ? std::string_view(request.target).substr(mark + 1) : "";
  const std::string path = Encode(PercentDecode(request.target.substr(0, mark)), true);
  const std::string canonical = request.method + "\n" + path + "\n" + CanonicalQueryOf(query) +
                                "\n" + canonical_headers + "\n" + names + "\n" +
                                request.Header("x-amz-content-sha256");
  const std::string scope = credential[1] + "/" + options.region + "/s3/aws4_request";
  const std::string to_sign =
      "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + HexEncode(Sha256(AsBytes(canonical)));
  const std::string key =
      Hmac(Hmac(Hmac(Hmac("AWS4" + options.secret_key, credential[1]), options.region), "s3"),
           "aws4_request");
  if (HexEncode(AsBytes(Hmac(key, to_sign))) != signature || !date.starts_with(credential[1])) {
    return ErrorReply(403, "SignatureDoesNotMatch", "The request signature does not match.");
  }
  return std::nullopt;
}

}  // namespace milvus_backup::testing
