#include "s3_dialect_internal.h"

#include "milvus_backup/base/encoding.h"

namespace milvus_backup::storage {
namespace {

constexpr uint64_t kTiB = 1024 * kGiB;

bool IsIpAddress(std::string_view host) {
  return host.starts_with("[") || host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool WantsVirtualHost(const S3Options& options) {
  if (options.addressing != S3Addressing::kAuto) {
    return options.addressing == S3Addressing::kVirtualHost;
  }
  if (!DialectOf(options.provider).virtual_host || IsIpAddress(options.address)) return false;
  // A wildcard certificate covers one label only, so `my.bucket.host` would not verify.
  return !(options.use_ssl && options.bucket.find('.') != std::string::npos);
}

Status Missing(const std::string& key) {
  return InvalidArgumentError(key + " is not set")
      .WithOrigin(Origin::kConfig)
      .WithAdvice("an empty text counts, too: give a value, or leave the key out for the default");
}

}  // namespace

Status S3Options::Validate() const {
  if (address.empty()) return Missing(key_names.address);
  if (address.find_first_of("/?#@ \t\r\n") != std::string::npos) {
    return InvalidArgumentError(key_names.address +
                                " must be a host name or IP address alone, without scheme or path")
        .WithOrigin(Origin::kConfig);
  }
  const bool is_ipv6 = address.find(':') != address.rfind(':');
  if (!is_ipv6 && address.find(':') != std::string::npos) {
    return InvalidArgumentError(key_names.address + " must not hold a port: set " + key_names.port)
        .WithOrigin(Origin::kConfig);
  }
  if (bucket.empty()) return Missing(key_names.bucket);
  if (bucket.find_first_of("/?#%\\ \t\r\n") != std::string::npos) {
    return InvalidArgumentError(key_names.bucket + " is not a bucket name: " + bucket)
        .WithOrigin(Origin::kConfig);
  }
  if (!anonymous && !credentials_from_environment) {
    if (access_key.empty()) return Missing(key_names.access_key);
    if (secret_key.empty()) return Missing(key_names.secret_key);
  }
  return Status::Ok();
}

S3Dialect DialectOf(S3Provider provider) {
  S3Dialect dialect;
  dialect.caps.server_copy = true;
  dialect.caps.conditional_put = true;
  dialect.caps.repeats_checksums = true;
  dialect.if_absent_header = "if-none-match";
  dialect.if_absent_value = "*";
  if (provider == S3Provider::kMinio) return dialect;
  dialect.virtual_host = true;
  dialect.location_constraint = true;
  dialect.part_copy_checksum = true;
  if (provider == S3Provider::kAws) return dialect;

  // These verify Content-MD5 only and know no If-None-Match on PUT.
  dialect.checksum_header = false;
  dialect.caps.repeats_checksums = false;
  dialect.if_absent_value = "true";
  switch (provider) {
    case S3Provider::kAliyun:
      dialect.if_absent_header = "x-oss-forbid-overwrite";
      dialect.caps.min_part = 100 * kKiB;
      dialect.caps.max_copy = 1'000'000'000;
      break;
    case S3Provider::kTencent:
      dialect.if_absent_header = "x-cos-forbid-overwrite";
      dialect.caps.min_part = kMiB;
      dialect.list_v2 = false;
      break;
    case S3Provider::kHuawei:
      dialect.if_absent_header.clear();
      dialect.caps.conditional_put = false;
      dialect.list_v2 = false;
      break;
    case S3Provider::kGcs:
      // x-goog-if-generation-match would work, but not beside the x-amz-* headers of a request.
      dialect.if_absent_header.clear();
      dialect.caps.conditional_put = false;
      dialect.virtual_host = false;
      dialect.location_constraint = false;
      dialect.part_copy = false;
      dialect.caps.max_copy = 5 * kTiB;
      dialect.caps.delete_batch = 1;
      break;
    case S3Provider::kMinio:
    case S3Provider::kAws:
      break;
  }
  return dialect;
}

S3Endpoint EndpointFor(const S3Options& options) {
  S3Endpoint endpoint;
  endpoint.scheme = options.use_ssl ? "https" : "http";
  endpoint.host = options.address;
  if (endpoint.host.find(':') != std::string::npos && !endpoint.host.starts_with("[")) {
    endpoint.host = "[" + endpoint.host + "]";
  }
  const uint16_t standard = options.use_ssl ? 443 : 80;
  if (options.port != 0 && options.port != standard) {
    endpoint.port_suffix = ":" + std::to_string(options.port);
  }
  endpoint.bucket = options.bucket;
  endpoint.virtual_host = WantsVirtualHost(options);
  return endpoint;
}

std::string S3Endpoint::ToString() const { return scheme + "://" + host + port_suffix; }

std::string S3Endpoint::Authority(std::string_view region_host) const {
  const std::string name = (region_host.empty() ? host : std::string(region_host)) + port_suffix;
  return virtual_host ? bucket + "." + name : name;
}

std::string S3Endpoint::BucketPath() const {
  return virtual_host ? "/" : "/" + PercentEncode(bucket, false) + "/";
}

std::string S3Endpoint::ObjectPath(std::string_view key) const {
  return BucketPath() + PercentEncode(key, true);
}

std::string AwsHostForRegion(std::string_view host, std::string_view region) {
  const std::string_view tail =
      host.ends_with(".amazonaws.com.cn") ? ".amazonaws.com.cn" : ".amazonaws.com";
  if (!host.ends_with(tail)) return {};
  // Only `s3.amazonaws.com` and `s3.<region>.amazonaws.com`: endpoints of other kinds (private
  // link, FIPS, dual stack) were chosen on purpose.
  const std::string_view head = host.substr(0, host.size() - tail.size());
  const bool regional =
      head == "s3" || (head.starts_with("s3.") && head.find('.', 3) == std::string_view::npos);
  if (!regional) return {};
  return "s3." + std::string(region) + std::string(tail);
}

}  // namespace milvus_backup::storage
