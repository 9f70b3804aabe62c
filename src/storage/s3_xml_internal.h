/// XML bodies of the S3 API. Element names are compared without namespace prefix, since services
/// differ in the namespace they declare. Pure functions.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::storage {

struct S3ErrorBody {
  std::string code;
  std::string message;
  std::string request_id;
  std::string region;
};

struct S3ListReply {
  ListPage page;
  bool truncated = false;
  /// NextContinuationToken of v2 as sent; NextMarker of v1 decoded.
  std::string next_token;
  std::string next_marker;
};

struct S3ObjectReply {
  std::string etag;
  std::chrono::system_clock::time_point modified;
  std::optional<uint32_t> crc32c;
  /// FULL_OBJECT, COMPOSITE or empty.
  std::string checksum_type;
};

struct S3PartsReply {
  std::vector<PartInfo> parts;
  bool truncated = false;
  uint32_t next_marker = 0;
  std::string checksum_algorithm;
  std::string checksum_type;
};

struct S3UploadsReply {
  std::vector<UploadInfo> uploads;
  bool truncated = false;
  std::string next_key;
  std::string next_upload_id;
};

struct S3DeleteError {
  std::string key;
  std::string code;
  std::string message;
};

/// None when the text is not an `<Error>` document. Leading white space is allowed.
std::optional<S3ErrorBody> ParseErrorBody(std::string_view xml);

// A reply that is not what was asked for is kInternal, kTransient: a broken proxy may do better
// the next time.
Result<S3ListReply> ParseListReply(std::string_view xml);
Result<std::string> ParseUploadId(std::string_view xml);
/// CopyObjectResult, CopyPartResult and CompleteMultipartUploadResult.
Result<S3ObjectReply> ParseObjectReply(std::string_view xml);
Result<S3PartsReply> ParsePartsReply(std::string_view xml);
Result<S3UploadsReply> ParseUploadsReply(std::string_view xml);
Result<std::vector<S3DeleteError>> ParseDeleteReply(std::string_view xml);

/// Parts get a ChecksumCRC32C where known and `with_checksums`.
std::string CompleteBody(const std::vector<PartInfo>& parts, bool with_checksums);
std::string DeleteBody(const std::vector<std::string>& keys);
std::string CreateBucketBody(std::string_view region);
/// False for keys that XML 1.0 cannot carry (control characters, broken UTF-8).
bool FitsXml(std::string_view key);
/// `"abc"` or `W/"abc"` without the quotes.
std::string StripQuotes(std::string_view etag);

}  // namespace milvus_backup::storage
