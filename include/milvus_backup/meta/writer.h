/// Writes and removes backup directories in an order that leaves, wherever it is interrupted, a
/// complete backup or one without a header. A `backup_dir` is what BackupDir returns. Functions
/// without state; two writers of one directory are the caller's to prevent.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <string>

namespace milvus_backup::meta {

/// Write the four meta files beside the header, each as a stream and appearing as a whole; an older
/// header is removed first. May be repeated. The logs must be complete before.
Status WriteMetas(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
                  const BackupInfo& info);
/// Write the header, which makes the backup exist: everything else must be there.
Status WriteHeader(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
                   const BackupInfo& info);
/// Both, for a backup without a manifest.
Status WriteBackup(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
                   const BackupInfo& info);

/// Remove what is no object from below `binlogs/` and `meta/`: on a disk, what writers that were
/// killed left there, which a Milvus that imports a directory would take for logs, and empty
/// directories. Nobody may be writing there.
Status RemoveRemains(const CallContext& ctx, storage::Backend& backend,
                     const std::string& backup_dir);

/// Whether DeleteBackup can come to what it would remove: kFailedPrecondition naming the directory,
/// or its `meta/`, when that is a symbolic link of a disk, for nothing is deleted through one.
Status CheckDeletable(const CallContext& ctx, storage::Backend& backend,
                      const std::string& backup_dir);

struct DeletedBackup {
  uint64_t objects = 0;
  uint64_t bytes = 0;
  /// What a disk has there that is neither a file nor a directory, and stays: pipes, sockets,
  /// devices. How many, and the key of one.
  uint64_t left = 0;
  std::string one_left;
};

/// What DeleteBackup would remove now, without removing it. Errors as there.
Result<DeletedBackup> MeasureBackup(const CallContext& ctx, storage::Backend& backend,
                                    const std::string& backup_dir);

/// Remove everything below `backup_dir`, the header first, then the marker; an unfinished backup
/// too. A tombstone says from then on that the data is being removed, and goes last. kNotFound
/// (`backup X not found`) when nothing is there, kFailedPrecondition when the directory holds what
/// no backup has (InspectDirectory) or cannot be deleted (CheckDeletable): then nothing is removed.
/// On a disk no empty directory is left, and symbolic links are removed, not what they lead to. An
/// object that cannot be removed does not stop the rest; the error names the first one and how many
/// there are. kFailedPrecondition, too, when everything is gone but pipes, sockets and devices of a
/// disk. May be repeated.
Result<DeletedBackup> DeleteBackup(const CallContext& ctx, storage::Backend& backend,
                                   const std::string& backup_dir);

}  // namespace milvus_backup::meta
