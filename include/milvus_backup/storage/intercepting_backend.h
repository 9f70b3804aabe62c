/// A wrapper that sends every call, also those of uploads, through one place. Limit, Retry, Metrics
/// and the test doubles are made of it. Thread-safe when Around is.
#pragma once

#include "milvus_backup/storage/backend.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace milvus_backup::storage {

enum class Method {
  kCheckAccess,
  kCreateContainer,
  kStat,
  kRead,
  kList,
  kPut,
  kStartUpload,
  kListUploads,
  kResumeUpload,
  kUploadPart,
  kCopyPart,
  kListParts,
  kComplete,
  kAbort,
  kCopy,
  kDelete,
  kDeleteMany,
  kRemoveRemains,
};
inline constexpr size_t kMethodCount = 18;

/// `read`, `put`, `upload_part`, ...
std::string_view MethodName(Method method);

/// A view of a callable returning Status; must not outlive it. Costs no allocation.
class CallRef {
 public:
  template <typename F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, CallRef>) CallRef(F& callable)  // NOLINT
      : object_(&callable),
        invoke_([](void* object) -> Status { return (*static_cast<F*>(object))(); }) {}

  Status operator()() const { return invoke_(object_); }

 private:
  void* object_;
  Status (*invoke_)(void*);
};

/// One call about to be made.
struct CallInfo {
  Method method = Method::kStat;
  /// Key or prefix; empty where there is none.
  std::string_view key;
  /// Size of the body to be sent, bytes.
  uint64_t body_size = 0;
};

class InterceptingBackend : public Backend {
 public:
  std::string Describe() const override { return inner().Describe(); }
  const Capabilities& caps() const override { return inner().caps(); }
  const Backend* Unwrap() const override { return &inner(); }

  Status CheckAccess(const CallContext& ctx) override;
  Status CreateContainer(const CallContext& ctx) override;
  Result<ObjectInfo> Stat(const CallContext& ctx, const std::string& key) override;
  Result<ReadInfo> Read(const CallContext& ctx, const std::string& key, const ReadOptions& options,
                        const Sink& sink) override;
  /// Counts as a stat.
  Result<uint64_t> FirstPartSize(const CallContext& ctx, const std::string& key,
                                 const std::string& if_match) override;
  Result<ListPage> List(const CallContext& ctx, const ListRequest& request) override;
  Result<ObjectInfo> Put(const CallContext& ctx, const std::string& key, ByteView body,
                         const PutOptions& options) override;
  Result<std::unique_ptr<Upload>> StartUpload(const CallContext& ctx, const std::string& key,
                                              const StartUploadOptions& options) override;
  Result<std::vector<UploadInfo>> ListUploads(const CallContext& ctx,
                                              const std::string& key) override;
  Result<std::unique_ptr<Upload>> ResumeUpload(const CallContext& ctx, const std::string& key,
                                               const std::string& upload_id) override;
  bool CanCopyFrom(const Backend& source) const override { return inner().CanCopyFrom(source); }
  Result<ObjectInfo> Copy(const CallContext& ctx, const CopySource& source,
                          const std::string& key) override;
  Status Delete(const CallContext& ctx, const std::string& key) override;
  Result<std::vector<DeleteFailure>> DeleteMany(const CallContext& ctx,
                                                const std::vector<std::string>& keys) override;
  /// Is no request, so it does not go through Around.
  Status CheckDeletable(const CallContext& ctx, const std::string& prefix) override {
    return inner().CheckDeletable(ctx, prefix);
  }
  Status RemoveRemains(const CallContext& ctx, const std::string& prefix) override;
  /// Counts as RemoveRemains.
  Status RemoveDeadWrites(const CallContext& ctx, const std::string& prefix) override;

 protected:
  explicit InterceptingBackend(std::unique_ptr<Backend> inner) : inner_(std::move(inner)) {}

  /// Make the call by `call()`, any number of times or not at all; what is returned is the result
  /// of the whole. An OK needs a `call()` that returned OK last.
  virtual Status Around(const CallContext& ctx, const CallInfo& info, CallRef call) = 0;

  /// The upload with its calls sent through Around.
  std::unique_ptr<Upload> Intercept(const std::string& key, std::unique_ptr<Upload> upload);

  Backend& inner() { return *inner_; }
  const Backend& inner() const { return *inner_; }

  /// Run a call that gives a value through Around.
  template <typename T, typename F>
  Result<T> Through(const CallContext& ctx, const CallInfo& info, F&& call) {
    Result<T> result = InternalError("an intercepted call was not made");
    auto once = [&]() -> Status {
      result = call();
      return result.ok() ? Status::Ok() : result.status();
    };
    if (Status status = Around(ctx, info, CallRef(once)); !status.ok()) return status;
    return result;
  }

 private:
  friend class InterceptedUpload;

  const std::unique_ptr<Backend> inner_;
};

}  // namespace milvus_backup::storage
