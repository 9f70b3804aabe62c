/// The one map from errors to exit statuses; docs/cli.md lists it for people.
#pragma once

#include "milvus_backup/base/status.h"

namespace milvus_backup::cli {

enum ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kSomeFailed = 3,
  kBadConfig = 4,
  kBackupMissing = 10,
  kExists = 11,
  kRefused = 12,
  kStorageUnreachable = 13,
  kMilvusUnreachable = 14,
  kIntegrity = 20,
  kInterrupted = 130,
};

ExitCode ExitCodeOf(const Status& status);

}  // namespace milvus_backup::cli
