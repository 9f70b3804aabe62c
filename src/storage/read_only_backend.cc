#include "milvus_backup/storage/read_only_backend.h"

namespace milvus_backup::storage {
namespace {

bool OnlyReads(Method method) {
  switch (method) {
    case Method::kCheckAccess:
    case Method::kStat:
    case Method::kRead:
    case Method::kList:
    case Method::kListUploads:
      return true;
    default:
      return false;
  }
}

}  // namespace

Status ReadOnlyBackend::Around(const CallContext& ctx, const CallInfo& info, CallRef call) {
  if (OnlyReads(info.method)) return call();
  MB_RETURN_IF_ERROR(ctx.Check());
  return FailedPreconditionError(inner().Describe() +
                                 " is opened read-only: " + std::string(MethodName(info.method)) +
                                 " " + std::string(info.key));
}

}  // namespace milvus_backup::storage
