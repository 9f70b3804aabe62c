#include "milvus_backup/backup/delete.h"

#include "claim.h"
#include "removal.h"

#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/run_record.h"

#include <memory>

namespace milvus_backup::backup {

Result<std::unique_ptr<RunLock>> LockForRemoval(const CallContext& ctx, const Place& place,
                                                const std::string& name,
                                                const std::string& operation) {
  const std::string directory = BackupLockDir(place.root, name);
  const meta::RunRecord record = meta::NewRunRecord(operation, name);
  auto lock = RunLock::Acquire(ctx, *place.backend, directory, record);
  if (lock.status().code() != Code::kResourceExhausted) return lock;
  MB_RETURN_IF_ERROR(RunLock::CheckNoOther(ctx, *place.backend, directory, record));
  log::Warn("backup={} {} goes on without a lock: {}", name, operation, lock.status().ToString());
  return std::unique_ptr<RunLock>();
}

Result<meta::DeletedBackup> RemoveLocked(const CallContext& ctx, const Place& place,
                                         const std::string& backup_dir) {
  storage::Backend& backend = *place.backend;
  const auto marker = meta::ReadRunRecord(ctx, backend, meta::MarkerKey(backup_dir));
  if (marker.ok() && *marker) {
    MB_RETURN_IF_ERROR(AbortUploads(ctx, backend, backup_dir, **marker));
  } else if (!marker.ok()) {
    MB_RETURN_IF_ERROR(ctx.Check());
    log::Warn("unfinished uploads of {} are not looked for: {}", meta::BackupName(backup_dir),
              marker.status().ToString());
  }
  return meta::DeleteBackup(ctx, backend, backup_dir);
}

Result<meta::DeletedBackup> DeleteBackup(const CallContext& ctx, const Place& place,
                                         const std::string& name) {
  MB_ASSIGN_OR_RETURN(const std::string backup_dir, meta::BackupDir(place.root, name));
  // Looked at first: there is nothing to lock in a storage that does not have the backup.
  MB_RETURN_IF_ERROR(meta::MeasureBackup(ctx, *place.backend, backup_dir).status());
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock,
                      LockForRemoval(ctx, place, name, "delete"));
  return RemoveLocked(ctx, place, backup_dir);
}

}  // namespace milvus_backup::backup
