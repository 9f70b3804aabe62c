/// What each S3 service can do, and how a bucket of it is addressed. Pure functions.
#pragma once

#include "milvus_backup/storage/backend.h"
#include "milvus_backup/storage/s3_options.h"

#include <string>
#include <string_view>

namespace milvus_backup::storage {

struct S3Dialect {
  Capabilities caps;
  /// The service verifies `x-amz-checksum-crc32c`; else Content-MD5 is sent.
  bool checksum_header = true;
  bool virtual_host = false;
  bool list_v2 = true;
  /// UploadPartCopy exists.
  bool part_copy = true;
  /// UploadPartCopy works in an upload that was created with a checksum algorithm. MinIO says
  /// InvalidArgument "checksum missing" there.
  bool part_copy_checksum = false;
  /// A bucket outside us-east-1 is created with a LocationConstraint.
  bool location_constraint = false;
  /// Header that makes a PUT fail when the key exists; empty where there is none.
  std::string if_absent_header;
  std::string if_absent_value;
};

S3Dialect DialectOf(S3Provider provider);

/// Where requests go. Host names of AWS follow the region.
struct S3Endpoint {
  std::string scheme;
  /// As in the options, IPv6 in brackets.
  std::string host;
  /// `:port`, or empty for the scheme's own.
  std::string port_suffix;
  std::string bucket;
  bool virtual_host = false;

  /// For people: `http://host:port`.
  std::string ToString() const;
  /// The Host header; `region_host` replaces `host` when not empty.
  std::string Authority(std::string_view region_host = {}) const;
  /// Encoded path of the bucket, with a slash at the end.
  std::string BucketPath() const;
  std::string ObjectPath(std::string_view key) const;
};

S3Endpoint EndpointFor(const S3Options& options);
/// The host that serves `region` when `host` is one of AWS' regional ones, else empty.
std::string AwsHostForRegion(std::string_view host, std::string_view region);

}  // namespace milvus_backup::storage
