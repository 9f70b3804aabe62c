#include "exit_code.h"

namespace milvus_backup::cli {

ExitCode ExitCodeOf(const Status& status) {
  if (status.ok()) return kDone;
  if (status.code() == Code::kCancelled) return kInterrupted;
  if (status.origin() == Origin::kConfig) return kBadConfig;
  const bool storage = status.origin() == Origin::kStorage;
  switch (status.code()) {
    case Code::kInvalidArgument:
      return status.origin() == Origin::kSelf ? kUsage : kFailed;
    case Code::kNotFound:
      if (storage && status.service_code() == "NoSuchBucket") return kStorageUnreachable;
      return status.origin() == Origin::kSelf ? kBackupMissing : kFailed;
    case Code::kAlreadyExists:
      return kExists;
    case Code::kPermissionDenied:
      // Without a reply of a service it is the file system of a local storage that refuses.
      if (storage && status.service_code().empty() && status.http_status() == 0) {
        return kStorageUnreachable;
      }
      return kRefused;
    case Code::kUnauthenticated:
      return kRefused;
    case Code::kUnavailable:
      return storage ? kStorageUnreachable
                     : (status.origin() == Origin::kMilvus ? kMilvusUnreachable : kFailed);
    case Code::kDataLoss:
      return kIntegrity;
    default:
      return kFailed;
  }
}

}  // namespace milvus_backup::cli
