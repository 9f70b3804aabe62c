/// The last step of `delete` and `prune`: taking the right to remove a backup, and removing it.
#pragma once

#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/writer.h"

#include <memory>
#include <string>

namespace milvus_backup::backup {

/// A lock for `operation`; null where there is no space for one, for removing is how to get some.
/// kAlreadyExists when another run is at work.
Result<std::unique_ptr<RunLock>> LockForRemoval(const CallContext& ctx, const Place& place,
                                                const std::string& name,
                                                const std::string& operation);

/// Remove a locked backup with the multipart uploads that its marker names. Errors as
/// meta::DeleteBackup.
Result<meta::DeletedBackup> RemoveLocked(const CallContext& ctx, const Place& place,
                                         const std::string& backup_dir);

}  // namespace milvus_backup::backup
