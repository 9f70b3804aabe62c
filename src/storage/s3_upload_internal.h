/// Multipart uploads of the S3 API.
#pragma once

#include "s3_client_internal.h"

#include "milvus_backup/storage/backend.h"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace milvus_backup::storage {

struct S3UploadState {
  std::string key;
  std::string upload_id;
  bool if_absent = false;
  /// The upload was created with CRC32C checksums.
  bool crc32c = false;
  /// The service promised a checksum of the whole object.
  bool full_object = false;
};

/// Header that names a copy source (not the query part); encoded once more than a path would be.
std::string CopySourceHeader(const std::string& bucket, const std::string& key);
/// What a request told of its body.
struct SentHash {
  std::optional<uint32_t> crc32c;
  std::optional<Md5Digest> md5;
};
/// The body's CRC32C or its MD5, as the service verifies one or the other.
SentHash AddChecksum(bool as_crc32c, ByteView body, std::optional<uint32_t> known,
                     net::HttpHeaders& headers);
/// Bucket and key of a copy source, looked up through its wrappers. kInvalidArgument when it is not
/// an S3 backend.
Result<std::pair<std::string, std::string>> ResolveS3Source(const CopySource& source);

/// Copies and completions keep the connection silent while the service works.
inline constexpr std::chrono::seconds kLongStall{900};

class S3Upload final : public Upload {
 public:
  static Result<std::unique_ptr<Upload>> Start(const CallContext& ctx, S3Client& client,
                                               const std::string& key,
                                               const StartUploadOptions& options);
  static Result<std::unique_ptr<Upload>> Resume(const CallContext& ctx, S3Client& client,
                                                const std::string& key,
                                                const std::string& upload_id);
  S3Upload(const S3Upload&) = delete;
  S3Upload& operator=(const S3Upload&) = delete;
  ~S3Upload() override;

  const std::string& upload_id() const override { return state_.upload_id; }
  Result<PartInfo> UploadPart(const CallContext& ctx, uint32_t number, ByteView body,
                              std::optional<uint32_t> crc32c) override;
  Result<PartInfo> CopyPart(const CallContext& ctx, uint32_t number, const CopySource& source,
                            const ByteRange& range) override;
  Result<std::vector<PartInfo>> ListParts(const CallContext& ctx) override;
  Result<ObjectInfo> Complete(const CallContext& ctx, const std::vector<PartInfo>& parts) override;
  Status Abort(const CallContext& ctx) override;
  void Detach() override { finished_ = true; }

 private:
  S3Upload(S3Client& client, S3UploadState state) : client_(client), state_(std::move(state)) {}

  S3Call CallFor(std::string method) const;
  /// After an answer that may have been lost: whether the object that is there now is the one this
  /// upload makes.
  Result<ObjectInfo> CheckCommitted(const CallContext& ctx, const std::vector<PartInfo>& parts,
                                    Status error);
  std::string Doing(const char* what) const;

  S3Client& client_;
  const S3UploadState state_;
  std::atomic<bool> finished_{false};
  /// A Complete may have succeeded although its answer did not arrive.
  std::atomic<bool> uncertain_{false};
};

}  // namespace milvus_backup::storage
