/// What commands and endpoints show alike. Functions without state, thread-safe.
#pragma once

#include "milvus_backup/backup/check.h"
#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/meta/backup_info.h"

#include <cstdint>
#include <string>
#include <vector>

namespace milvus_backup::service {

/// A backup as `get` shows it: its collections, without segments.
struct StoredBackup {
  meta::BackupInfo info;
  /// Bytes under `meta/`.
  int64_t meta_size = 0;
  std::vector<std::string> tags;
};

/// Errors as meta::ReadBackup; kInvalidArgument for a name that is none.
Result<StoredBackup> ReadStored(const CallContext& ctx, const backup::Place& place,
                                const std::string& name);

/// The lines that `check` prints, without a newline at their end.
std::string CheckText(const backup::CheckReport& report, const config::Config& config,
                      const backup::Site& site);

}  // namespace milvus_backup::service
