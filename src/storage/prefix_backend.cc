#include "milvus_backup/storage/prefix_backend.h"

#include <utility>

namespace milvus_backup::storage {
namespace {

class PrefixUpload final : public Upload {
 public:
  PrefixUpload(std::unique_ptr<Upload> inner, std::string key)
      : inner_(std::move(inner)), key_(std::move(key)) {}

  const std::string& upload_id() const override { return inner_->upload_id(); }
  Result<PartInfo> UploadPart(const CallContext& ctx, uint32_t number, ByteView body,
                              std::optional<uint32_t> crc32c) override {
    return inner_->UploadPart(ctx, number, body, crc32c);
  }
  Result<PartInfo> CopyPart(const CallContext& ctx, uint32_t number, const CopySource& source,
                            const ByteRange& range) override {
    return inner_->CopyPart(ctx, number, source, range);
  }
  Result<std::vector<PartInfo>> ListParts(const CallContext& ctx) override {
    return inner_->ListParts(ctx);
  }
  Result<ObjectInfo> Complete(const CallContext& ctx, const std::vector<PartInfo>& parts) override {
    MB_ASSIGN_OR_RETURN(ObjectInfo info, inner_->Complete(ctx, parts));
    info.key = key_;
    return info;
  }
  Status Abort(const CallContext& ctx) override { return inner_->Abort(ctx); }
  void Detach() override { inner_->Detach(); }

 private:
  const std::unique_ptr<Upload> inner_;
  const std::string key_;
};

class PrefixBackend final : public Backend {
 public:
  PrefixBackend(std::unique_ptr<Backend> inner, std::string prefix)
      : inner_(std::move(inner)), prefix_(std::move(prefix)) {}

  std::string Describe() const override { return inner_->Describe() + " below " + prefix_; }
  const Capabilities& caps() const override { return inner_->caps(); }
  const Backend* Unwrap() const override { return inner_.get(); }
  std::string UnwrapKey(const std::string& key) const override { return prefix_ + key; }

  Status CheckAccess(const CallContext& ctx) override { return inner_->CheckAccess(ctx); }
  Status CreateContainer(const CallContext& ctx) override { return inner_->CreateContainer(ctx); }

  Result<ObjectInfo> Stat(const CallContext& ctx, const std::string& key) override {
    return Shorten(inner_->Stat(ctx, prefix_ + key), key);
  }
  Result<ReadInfo> Read(const CallContext& ctx, const std::string& key, const ReadOptions& options,
                        const Sink& sink) override {
    return inner_->Read(ctx, prefix_ + key, options, sink);
  }
  Result<uint64_t> FirstPartSize(const CallContext& ctx, const std::string& key,
                                 const std::string& if_match) override {
    return inner_->FirstPartSize(ctx, prefix_ + key, if_match);
  }
  Result<ListPage> List(const CallContext& ctx, const ListRequest& request) override {
    ListRequest wide = request;
    wide.prefix = prefix_ + request.prefix;
    if (!wide.start_after.empty()) wide.start_after = prefix_ + request.start_after;
    MB_ASSIGN_OR_RETURN(ListPage page, inner_->List(ctx, wide));
    for (ObjectInfo& object : page.objects) object.key.erase(0, prefix_.size());
    for (std::string& prefix : page.prefixes) prefix.erase(0, prefix_.size());
    for (std::string& name : page.passed_over) name.erase(0, prefix_.size());
    return page;
  }
  Result<ObjectInfo> Put(const CallContext& ctx, const std::string& key, ByteView body,
                         const PutOptions& options) override {
    return Shorten(inner_->Put(ctx, prefix_ + key, body, options), key);
  }
  bool starts_calls() const override { return inner_->starts_calls(); }
  void StartRead(RequestLoop& loop, const CallContext& ctx, const std::string& key,
                 const ReadOptions& options, Sink sink, ReadDone done) override {
    inner_->StartRead(loop, ctx, prefix_ + key, options, std::move(sink), std::move(done));
  }
  void StartPut(RequestLoop& loop, const CallContext& ctx, const std::string& key, ByteView body,
                const PutOptions& options, PutDone done) override {
    inner_->StartPut(loop, ctx, prefix_ + key, body, options,
                     [key, done = std::move(done)](Result<ObjectInfo> info) {
                       done(Shorten(std::move(info), key));
                     });
  }
  Result<std::unique_ptr<Upload>> StartUpload(const CallContext& ctx, const std::string& key,
                                              const StartUploadOptions& options) override {
    MB_ASSIGN_OR_RETURN(auto upload, inner_->StartUpload(ctx, prefix_ + key, options));
    return std::unique_ptr<Upload>(std::make_unique<PrefixUpload>(std::move(upload), key));
  }
  Result<std::vector<UploadInfo>> ListUploads(const CallContext& ctx,
                                              const std::string& key) override {
    MB_ASSIGN_OR_RETURN(auto uploads, inner_->ListUploads(ctx, prefix_ + key));
    for (UploadInfo& upload : uploads) upload.key = key;
    return uploads;
  }
  Result<std::unique_ptr<Upload>> ResumeUpload(const CallContext& ctx, const std::string& key,
                                               const std::string& upload_id) override {
    MB_ASSIGN_OR_RETURN(auto upload, inner_->ResumeUpload(ctx, prefix_ + key, upload_id));
    return std::unique_ptr<Upload>(std::make_unique<PrefixUpload>(std::move(upload), key));
  }
  bool CanCopyFrom(const Backend& source) const override { return inner_->CanCopyFrom(source); }
  Result<ObjectInfo> Copy(const CallContext& ctx, const CopySource& source,
                          const std::string& key) override {
    return Shorten(inner_->Copy(ctx, source, prefix_ + key), key);
  }
  Status Delete(const CallContext& ctx, const std::string& key) override {
    return inner_->Delete(ctx, prefix_ + key);
  }
  Result<std::vector<DeleteFailure>> DeleteMany(const CallContext& ctx,
                                                const std::vector<std::string>& keys) override {
    std::vector<std::string> wide;
    wide.reserve(keys.size());
    for (const std::string& key : keys) wide.push_back(prefix_ + key);
    MB_ASSIGN_OR_RETURN(auto failures, inner_->DeleteMany(ctx, wide));
    for (DeleteFailure& failure : failures) failure.key.erase(0, prefix_.size());
    return failures;
  }
  Status CheckDeletable(const CallContext& ctx, const std::string& prefix) override {
    return inner_->CheckDeletable(ctx, prefix_ + prefix);
  }
  Status RemoveRemains(const CallContext& ctx, const std::string& prefix) override {
    return inner_->RemoveRemains(ctx, prefix_ + prefix);
  }
  Status RemoveDeadWrites(const CallContext& ctx, const std::string& prefix) override {
    return inner_->RemoveDeadWrites(ctx, prefix_ + prefix);
  }

 private:
  static Result<ObjectInfo> Shorten(Result<ObjectInfo> info, const std::string& key) {
    if (info.ok()) info->key = key;
    return info;
  }

  const std::unique_ptr<Backend> inner_;
  const std::string prefix_;
};

}  // namespace

std::unique_ptr<Backend> MakePrefixBackend(std::unique_ptr<Backend> inner, std::string prefix) {
  return std::make_unique<PrefixBackend>(std::move(inner), std::move(prefix));
}

}  // namespace milvus_backup::storage
