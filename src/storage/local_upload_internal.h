/// Multipart uploads of the local backend: one data file of the final layout below
/// ROOT/.mb-uploads/<id>, written in place, and a small record per part.
#pragma once

#include "local_file_internal.h"

#include "milvus_backup/storage/backend.h"

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace milvus_backup::storage {

struct LocalUploadState {
  std::string key;
  uint64_t part_size = 0;
  bool if_absent = false;
};

/// Opens the file of a copy source and says how long it is. kAborted when `if_match` differs,
/// kInvalidArgument when the source is not a local backend.
Result<FileDescriptor> OpenLocalSource(const CopySource& source, struct stat& info);

class LocalUpload final : public Upload {
 public:
  static Result<std::unique_ptr<Upload>> Start(const std::string& root, bool sync,
                                               LocalUploadState state);
  static Result<std::unique_ptr<Upload>> Resume(const std::string& root, bool sync,
                                                const std::string& key,
                                                const std::string& upload_id);
  static Result<std::vector<UploadInfo>> ListFor(const std::string& root, const std::string& key);
  /// Remove what is left of uploads whose process died when it began or ended them, so that no key
  /// leads to them any more.
  static Status RemoveDead(const CallContext& ctx, const std::string& root);
  LocalUpload(const LocalUpload&) = delete;
  LocalUpload& operator=(const LocalUpload&) = delete;
  ~LocalUpload() override;

  const std::string& upload_id() const override { return id_; }
  Result<PartInfo> UploadPart(const CallContext& ctx, uint32_t number, ByteView body,
                              std::optional<uint32_t> crc32c) override;
  Result<PartInfo> CopyPart(const CallContext& ctx, uint32_t number, const CopySource& source,
                            const ByteRange& range) override;
  Result<std::vector<PartInfo>> ListParts(const CallContext& ctx) override;
  Result<ObjectInfo> Complete(const CallContext& ctx, const std::vector<PartInfo>& parts) override;
  Status Abort(const CallContext& ctx) override;
  void Detach() override { finished_ = true; }

 private:
  LocalUpload(std::string root, std::string id, bool sync, LocalUploadState state,
              FileDescriptor data);

  Status CheckPart(const CallContext& ctx, uint32_t number, uint64_t size) const;
  Result<PartInfo> RecordPart(uint32_t number, uint64_t size, std::optional<uint32_t> crc32c);
  /// The data file, or a copy of it where the target is on another file system.
  Result<TemporaryFile> FileFor(const CallContext& ctx, const std::string& target,
                                uint64_t size) const;
  Status CheckParts(const std::vector<PartInfo>& parts, const std::vector<PartInfo>& stored) const;

  const std::string root_;
  const std::string id_;
  const std::string directory_;
  const bool sync_;
  const LocalUploadState state_;
  FileDescriptor data_;
  std::atomic<bool> finished_{false};
};

}  // namespace milvus_backup::storage
