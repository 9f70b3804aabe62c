/// A bucket in a map that writes down what it is asked to do and fails when told to. One thread at
/// a time.
#pragma once

#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::meta::testing {

class MapBackend final : public storage::Backend {
 public:
  /// Key → content.
  std::map<std::string, std::string> objects;
  /// Every change asked for: `put KEY`, `delete KEY`, `complete KEY`.
  std::vector<std::string> changes;
  /// The change with this number (from 0) and all after it fail, as if the machine had died.
  size_t fail_from_change = SIZE_MAX;
  /// Reading this key fails with kUnavailable.
  std::string unreadable_key;
  /// DeleteMany reports this key as failed.
  std::string undeletable_key;
  uint32_t page_size = 1000;

  std::string Describe() const override { return "map"; }
  const storage::Capabilities& caps() const override { return caps_; }
  Status CheckAccess(const CallContext& ctx) override { return ctx.Check(); }
  Status CreateContainer(const CallContext& ctx) override { return ctx.Check(); }

  Result<storage::ObjectInfo> Stat(const CallContext& ctx, const std::string& key) override;
  Result<storage::ReadInfo> Read(const CallContext& ctx, const std::string& key,
                                 const storage::ReadOptions& options,
                                 const storage::Sink& sink) override;
  Result<storage::ListPage> List(const CallContext& ctx,
                                 const storage::ListRequest& request) override;
  Result<storage::ObjectInfo> Put(const CallContext& ctx, const std::string& key, ByteView body,
                                  const storage::PutOptions& options) override;
  Result<std::unique_ptr<storage::Upload>> StartUpload(
      const CallContext& ctx, const std::string& key,
      const storage::StartUploadOptions& options) override;
  Result<std::vector<storage::UploadInfo>> ListUploads(const CallContext&,
                                                       const std::string&) override {
    return std::vector<storage::UploadInfo>{};
  }
  Result<std::unique_ptr<storage::Upload>> ResumeUpload(const CallContext&, const std::string&,
                                                        const std::string&) override {
    return UnimplementedError("resume");
  }
  bool CanCopyFrom(const storage::Backend&) const override { return false; }
  Result<storage::ObjectInfo> Copy(const CallContext&, const storage::CopySource&,
                                   const std::string&) override {
    return UnimplementedError("copy");
  }
  Status Delete(const CallContext& ctx, const std::string& key) override;
  Result<std::vector<storage::DeleteFailure>> DeleteMany(
      const CallContext& ctx, const std::vector<std::string>& keys) override;

  /// Used by uploads as well.
  Status Change(const CallContext& ctx, const std::string& what);

 private:
  storage::Capabilities caps_;
};

}  // namespace milvus_backup::meta::testing
