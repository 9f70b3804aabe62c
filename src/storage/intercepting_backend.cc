#include "milvus_backup/storage/intercepting_backend.h"

namespace milvus_backup::storage {

std::string_view MethodName(Method method) {
  static constexpr std::array<std::string_view, kMethodCount> kNames = {
      "check_access", "create_container", "stat",          "read",          "list",
      "put",          "start_upload",     "list_uploads",  "resume_upload", "upload_part",
      "copy_part",    "list_parts",       "complete",      "abort",         "copy",
      "delete",       "delete_many",      "remove_remains"};
  return kNames.at(static_cast<size_t>(method));
}

class InterceptedUpload final : public Upload {
 public:
  InterceptedUpload(InterceptingBackend& backend, std::string key, std::unique_ptr<Upload> inner)
      : backend_(backend), key_(std::move(key)), inner_(std::move(inner)) {}

  const std::string& upload_id() const override { return inner_->upload_id(); }

  Result<PartInfo> UploadPart(const CallContext& ctx, uint32_t number, ByteView body,
                              std::optional<uint32_t> crc32c) override {
    return backend_.Through<PartInfo>(ctx, {Method::kUploadPart, key_, body.size()}, [&] {
      return inner_->UploadPart(ctx, number, body, crc32c);
    });
  }
  Result<PartInfo> CopyPart(const CallContext& ctx, uint32_t number, const CopySource& source,
                            const ByteRange& range) override {
    return backend_.Through<PartInfo>(ctx, {Method::kCopyPart, key_, 0},
                                      [&] { return inner_->CopyPart(ctx, number, source, range); });
  }
  Result<std::vector<PartInfo>> ListParts(const CallContext& ctx) override {
    return backend_.Through<std::vector<PartInfo>>(ctx, {Method::kListParts, key_, 0},
                                                   [&] { return inner_->ListParts(ctx); });
  }
  Result<ObjectInfo> Complete(const CallContext& ctx, const std::vector<PartInfo>& parts) override {
    return backend_.Through<ObjectInfo>(ctx, {Method::kComplete, key_, 0},
                                        [&] { return inner_->Complete(ctx, parts); });
  }
  Status Abort(const CallContext& ctx) override {
    auto call = [&] { return inner_->Abort(ctx); };
    return backend_.Around(ctx, {Method::kAbort, key_, 0}, CallRef(call));
  }
  void Detach() override { inner_->Detach(); }

 private:
  InterceptingBackend& backend_;
  const std::string key_;
  const std::unique_ptr<Upload> inner_;
};

Status InterceptingBackend::CheckAccess(const CallContext& ctx) {
  auto call = [&] { return inner().CheckAccess(ctx); };
  return Around(ctx, {Method::kCheckAccess, {}, 0}, CallRef(call));
}

Status InterceptingBackend::CreateContainer(const CallContext& ctx) {
  auto call = [&] { return inner().CreateContainer(ctx); };
  return Around(ctx, {Method::kCreateContainer, {}, 0}, CallRef(call));
}

Result<ObjectInfo> InterceptingBackend::Stat(const CallContext& ctx, const std::string& key) {
  return Through<ObjectInfo>(ctx, {Method::kStat, key, 0}, [&] { return inner().Stat(ctx, key); });
}

Result<ReadInfo> InterceptingBackend::Read(const CallContext& ctx, const std::string& key,
                                           const ReadOptions& options, const Sink& sink) {
  return Through<ReadInfo>(ctx, {Method::kRead, key, 0},
                           [&] { return inner().Read(ctx, key, options, sink); });
}

Result<uint64_t> InterceptingBackend::FirstPartSize(const CallContext& ctx, const std::string& key,
                                                    const std::string& if_match) {
  return Through<uint64_t>(ctx, {Method::kStat, key, 0},
                           [&] { return inner().FirstPartSize(ctx, key, if_match); });
}

Result<ListPage> InterceptingBackend::List(const CallContext& ctx, const ListRequest& request) {
  return Through<ListPage>(ctx, {Method::kList, request.prefix, 0},
                           [&] { return inner().List(ctx, request); });
}

Result<ObjectInfo> InterceptingBackend::Put(const CallContext& ctx, const std::string& key,
                                            ByteView body, const PutOptions& options) {
  return Through<ObjectInfo>(ctx, {Method::kPut, key, body.size()},
                             [&] { return inner().Put(ctx, key, body, options); });
}

Result<std::unique_ptr<Upload>> InterceptingBackend::StartUpload(
    const CallContext& ctx, const std::string& key, const StartUploadOptions& options) {
  MB_ASSIGN_OR_RETURN(std::unique_ptr<Upload> upload,
                      Through<std::unique_ptr<Upload>>(ctx, {Method::kStartUpload, key, 0}, [&] {
                        return inner().StartUpload(ctx, key, options);
                      }));
  return Intercept(key, std::move(upload));
}

Result<std::vector<UploadInfo>> InterceptingBackend::ListUploads(const CallContext& ctx,
                                                                 const std::string& key) {
  return Through<std::vector<UploadInfo>>(ctx, {Method::kListUploads, key, 0},
                                          [&] { return inner().ListUploads(ctx, key); });
}

Result<std::unique_ptr<Upload>> InterceptingBackend::ResumeUpload(const CallContext& ctx,
                                                                  const std::string& key,
                                                                  const std::string& upload_id) {
  MB_ASSIGN_OR_RETURN(std::unique_ptr<Upload> upload,
                      Through<std::unique_ptr<Upload>>(ctx, {Method::kResumeUpload, key, 0}, [&] {
                        return inner().ResumeUpload(ctx, key, upload_id);
                      }));
  return Intercept(key, std::move(upload));
}

std::unique_ptr<Upload> InterceptingBackend::Intercept(const std::string& key,
                                                       std::unique_ptr<Upload> upload) {
  return std::make_unique<InterceptedUpload>(*this, key, std::move(upload));
}

Result<ObjectInfo> InterceptingBackend::Copy(const CallContext& ctx, const CopySource& source,
                                             const std::string& key) {
  return Through<ObjectInfo>(ctx, {Method::kCopy, key, 0},
                             [&] { return inner().Copy(ctx, source, key); });
}

Status InterceptingBackend::Delete(const CallContext& ctx, const std::string& key) {
  auto call = [&] { return inner().Delete(ctx, key); };
  return Around(ctx, {Method::kDelete, key, 0}, CallRef(call));
}

Result<std::vector<DeleteFailure>> InterceptingBackend::DeleteMany(
    const CallContext& ctx, const std::vector<std::string>& keys) {
  return Through<std::vector<DeleteFailure>>(ctx, {Method::kDeleteMany, {}, 0},
                                             [&] { return inner().DeleteMany(ctx, keys); });
}

Status InterceptingBackend::RemoveRemains(const CallContext& ctx, const std::string& prefix) {
  auto call = [&] { return inner().RemoveRemains(ctx, prefix); };
  return Around(ctx, {Method::kRemoveRemains, prefix, 0}, CallRef(call));
}

Status InterceptingBackend::RemoveDeadWrites(const CallContext& ctx, const std::string& prefix) {
  auto call = [&] { return inner().RemoveDeadWrites(ctx, prefix); };
  return Around(ctx, {Method::kRemoveRemains, prefix, 0}, CallRef(call));
}

}  // namespace milvus_backup::storage
