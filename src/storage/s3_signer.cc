#include "s3_signer_internal.h"

#include <algorithm>
#include <ctime>

namespace milvus_backup::storage {
namespace {

/// Trimmed, inner runs of blanks squeezed to one.
std::string CanonicalValue(std::string_view value) {
  std::string text;
  text.reserve(value.size());
  for (const char c : value) {
    const bool blank = c == ' ' || c == '\t';
    if (blank && (text.empty() || text.back() == ' ')) continue;
    text.push_back(blank ? ' ' : c);
  }
  if (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

using SortedHeaders = std::vector<const net::HttpHeader*>;

SortedHeaders Sorted(const net::HttpHeaders& headers) {
  SortedHeaders sorted;
  sorted.reserve(headers.size());
  for (const net::HttpHeader& header : headers) sorted.push_back(&header);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto* a, const auto* b) { return a->name < b->name; });
  return sorted;
}

std::string SignedNames(const SortedHeaders& sorted) {
  std::string names;
  std::string_view last;
  for (const net::HttpHeader* header : sorted) {
    if (header->name == last) continue;
    if (!names.empty()) names += ';';
    names += header->name;
    last = header->name;
  }
  return names;
}

std::string Compose(const SigningInput& input, const SortedHeaders& sorted,
                    std::string_view names) {
  std::string text;
  text.reserve(1024);
  text.append(input.method).append("\n").append(input.path).append("\n");
  text.append(input.query).append("\n");
  std::string_view last;
  for (const net::HttpHeader* header : sorted) {
    if (header->name == last) {
      text.back() = ',';
    } else {
      text.append(header->name).append(":");
    }
    text.append(CanonicalValue(header->value)).append("\n");
    last = header->name;
  }
  text.append("\n").append(names).append("\n");
  text.append(input.payload_hash);
  return text;
}

}  // namespace

std::string CanonicalQuery(const S3Query& query) {
  S3Query encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query) {
    encoded.emplace_back(PercentEncode(name, false), PercentEncode(value, false));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string text;
  for (const auto& [name, value] : encoded) {
    if (!text.empty()) text += '&';
    text += name;
    text += '=';
    text += value;
  }
  return text;
}

std::string CanonicalRequest(const SigningInput& input) {
  const SortedHeaders sorted = Sorted(*input.headers);
  return Compose(input, sorted, SignedNames(sorted));
}

std::string AmzDate(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts)};
}

Sha256Digest S3Signer::DayKey(std::string_view day, const std::string& region) const {
  const std::string wanted = std::string(day) + "/" + region;
  const std::scoped_lock lock(mutex_);
  if (cached_for_ == wanted) return cached_key_;
  const std::string start = "AWS4" + secret_key_.Reveal();
  Sha256Digest key = HmacSha256(AsBytes(start), day);
  key = HmacSha256(key, region);
  key = HmacSha256(key, "s3");
  cached_key_ = HmacSha256(key, "aws4_request");
  cached_for_ = wanted;
  return cached_key_;
}

std::string S3Signer::Authorization(const SigningInput& input, std::string_view amz_date,
                                    const std::string& region) const {
  const std::string_view day = amz_date.substr(0, 8);
  const std::string scope = std::string(day) + "/" + region + "/s3/aws4_request";
  const SortedHeaders sorted = Sorted(*input.headers);
  const std::string names = SignedNames(sorted);
  const std::string canonical = Compose(input, sorted, names);
  std::string to_sign = "AWS4-HMAC-SHA256\n";
  to_sign.append(amz_date).append("\n").append(scope).append("\n");
  to_sign.append(HexEncode(Sha256(AsBytes(canonical))));
  const Sha256Digest signature = HmacSha256(DayKey(day, region), to_sign);
  return "AWS4-HMAC-SHA256 Credential=" + access_key_.Reveal() + "/" + scope +
         ", SignedHeaders=" + names + ", Signature=" + HexEncode(signature);
}

}  // namespace milvus_backup::storage
