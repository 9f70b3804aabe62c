#include "milvus_backup/meta/writer.h"

#include "storage_text_internal.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/tombstone.h"

#include <fmt/format.h>

#include <functional>
#include <utility>
#include <vector>

namespace milvus_backup::meta {
namespace {

constexpr size_t kDeleteBatch = 1000;

/// A directory that is no backup's would mean the whole root, or its neighbours with the same
/// beginning.
Status CheckBackupDir(const std::string& backup_dir) {
  if (backup_dir.ends_with('/') && !BackupName(backup_dir).empty()) return Status::Ok();
  return InvalidArgumentError("'" + backup_dir + "' is not a backup directory");
}

/// What is no object, and stays, is counted in `deleted`.
Status ForEachToDelete(const CallContext& ctx, storage::Backend& backend,
                       const std::string& backup_dir, DeletedBackup& deleted,
                       const std::function<Status(const storage::ObjectInfo&)>& visit) {
  const storage::KeyRange range{.prefix = backup_dir,
                                .links_as_objects = true,
                                .passed_over = [&deleted](const std::string& key) {
                                  if (deleted.left++ == 0) deleted.one_left = key;
                                }};
  return storage::ForEachObject(ctx, backend, range, visit);
}

/// Of a backup that is gone otherwise.
Status CheckNothingLeft(const DeletedBackup& deleted, const storage::Backend& backend,
                        const std::string& backup_dir) {
  if (deleted.left == 0) return Status::Ok();
  return FailedPreconditionError(
             fmt::format("{} is deleted, but what is no file in its directory is left: {}{} in {}",
                         BackupName(backup_dir), Printable(deleted.one_left),
                         deleted.left == 1 ? "" : fmt::format(" and {} more", deleted.left - 1),
                         backend.Describe()))
      .WithOrigin(Origin::kStorage)
      .WithAdvice("remove it yourself: pipes, sockets and devices are not touched");
}

/// Deletes keys in batches and remembers what could not be deleted.
class BatchDeleter {
 public:
  BatchDeleter(const CallContext& ctx, storage::Backend& backend) : ctx_(ctx), backend_(backend) {}

  Status Add(const storage::ObjectInfo& object) {
    keys_.push_back(object.key);
    Count(object);
    return keys_.size() < kDeleteBatch ? Status::Ok() : Flush();
  }
  /// An object that is deleted elsewhere.
  void Count(const storage::ObjectInfo& object) {
    ++seen_.objects;
    seen_.bytes += object.size;
  }

  Result<DeletedBackup> Finish() {
    MB_RETURN_IF_ERROR(Flush());
    if (failed_ == 0) return seen_;
    return std::move(first_failure_)
        .Annotate("deleting " + std::to_string(failed_) + " of " + std::to_string(seen_.objects) +
                  " objects failed, first " + first_failed_key_);
  }

 private:
  Status Flush() {
    if (keys_.empty()) return Status::Ok();
    MB_ASSIGN_OR_RETURN(std::vector<storage::DeleteFailure> failures,
                        backend_.DeleteMany(ctx_, keys_));
    keys_.clear();
    if (failed_ == 0 && !failures.empty()) {
      first_failure_ = std::move(failures.front().status);
      first_failed_key_ = std::move(failures.front().key);
    }
    failed_ += failures.size();
    return Status::Ok();
  }

  const CallContext& ctx_;
  storage::Backend& backend_;
  std::vector<std::string> keys_;
  DeletedBackup seen_;
  size_t failed_ = 0;
  std::string first_failed_key_;
  Status first_failure_;
};

/// What is being removed must not be taken back half: say so in the tombstone, or where there is no
/// space for that remove it at once. Whether one is left, to be removed last.
Result<bool> SpendTombstone(const CallContext& ctx, storage::Backend& backend,
                            const std::string& backup_dir) {
  const auto found = ReadTombstone(ctx, backend, backup_dir);
  if (found.ok() && !*found) return false;
  if (!found.ok() && found.status().code() != Code::kDataLoss) return found.status();
  Tombstone spent = found.ok() ? **found : Tombstone();
  if (spent.is_removing) return true;
  spent.is_removing = true;
  spent.header.clear();
  Status written = WriteTombstone(ctx, backend, backup_dir, spent);
  if (written.ok()) return true;
  if (written.code() != Code::kResourceExhausted) return written;
  MB_RETURN_IF_ERROR(backend.Delete(ctx, TombstoneKey(backup_dir)));
  return false;
}

}  // namespace

Status CheckIsBackup(const CallContext& ctx, storage::Backend& backend,
                     const std::string& backup_dir) {
  MB_RETURN_IF_ERROR(CheckBackupDir(backup_dir));
  MB_ASSIGN_OR_RETURN(const DirectoryContent content, InspectDirectory(ctx, backend, backup_dir));
  if (content.kind == DirectoryKind::kNothing) return BackupNotFound(backup_dir);
  if (content.kind == DirectoryKind::kBackupParts) return Status::Ok();
  return FailedPreconditionError(BackupName(backup_dir) + " is not a backup: it holds " +
                                 content.foreign_key + "; nothing was deleted")
      .WithOrigin(Origin::kStorage)
      .WithAdvice("if it is one nevertheless, move what does not belong there out of it");
}

Status WriteMetas(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
                  const BackupInfo& info) {
  MB_RETURN_IF_ERROR(CheckBackupDir(backup_dir));
  const auto write = [&](MetaFile file, const std::function<Status(const TextSink&)>& encode) {
    return WriteObject(ctx, backend, MetaKey(backup_dir, file), encode);
  };
  // Old header and new files together would pass for a backup.
  const std::string header_key = MetaKey(backup_dir, MetaFile::kHeader);
  MB_RETURN_IF_ERROR(backend.Delete(ctx, header_key).Annotate("deleting " + header_key));
  MB_RETURN_IF_ERROR(write(MetaFile::kCollections, [&](const TextSink& sink) {
    return EncodeCollectionMeta(info, CollectionForm::kWithoutSegments, sink);
  }));
  MB_RETURN_IF_ERROR(write(MetaFile::kPartitions,
                           [&](const TextSink& sink) { return EncodePartitionMeta(info, sink); }));
  MB_RETURN_IF_ERROR(write(MetaFile::kSegments,
                           [&](const TextSink& sink) { return EncodeSegmentMeta(info, sink); }));
  return write(MetaFile::kFull, [&](const TextSink& sink) { return EncodeFullMeta(info, sink); });
}

Status WriteHeader(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
                   const BackupInfo& info) {
  MB_RETURN_IF_ERROR(CheckBackupDir(backup_dir));
  return WriteObject(ctx, backend, MetaKey(backup_dir, MetaFile::kHeader),
                     [&](const TextSink& sink) { return EncodeHeader(info, sink); });
}

Status WriteBackup(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
                   const BackupInfo& info) {
  MB_RETURN_IF_ERROR(WriteMetas(ctx, backend, backup_dir, info));
  return WriteHeader(ctx, backend, backup_dir, info);
}

// Only where backups have something: an empty directory of somebody else stays.
Status RemoveRemains(const CallContext& ctx, storage::Backend& backend,
                     const std::string& backup_dir) {
  MB_RETURN_IF_ERROR(CheckBackupDir(backup_dir));
  for (const std::string& dir : {BinlogsDir(backup_dir), MetaDir(backup_dir)}) {
    MB_RETURN_IF_ERROR(backend.RemoveRemains(ctx, dir).Annotate("clearing " + dir));
  }
  return Status::Ok();
}

Status CheckDeletable(const CallContext& ctx, storage::Backend& backend,
                      const std::string& backup_dir) {
  MB_RETURN_IF_ERROR(CheckBackupDir(backup_dir));
  // Links below are removed themselves.
  return backend.CheckDeletable(ctx, MetaDir(backup_dir));
}

Result<DeletedBackup> MeasureBackup(const CallContext& ctx, storage::Backend& backend,
                                    const std::string& backup_dir) {
  MB_RETURN_IF_ERROR(CheckIsBackup(ctx, backend, backup_dir));
  MB_RETURN_IF_ERROR(CheckDeletable(ctx, backend, backup_dir));
  DeletedBackup found;
  MB_RETURN_IF_ERROR(
      ForEachToDelete(ctx, backend, backup_dir, found, [&](const storage::ObjectInfo& object) {
        ++found.objects;
        found.bytes += object.size;
        return Status::Ok();
      }));
  return found;
}

Result<DeletedBackup> DeleteBackup(const CallContext& ctx, storage::Backend& backend,
                                   const std::string& backup_dir) {
  const Status is_backup = CheckIsBackup(ctx, backend, backup_dir);
  if (is_backup.code() == Code::kNotFound) {
    // A run may have come no further than making directories.
    MB_RETURN_IF_ERROR(RemoveRemains(ctx, backend, backup_dir));
  }
  MB_RETURN_IF_ERROR(is_backup);
  // Before the tombstone is written anew, or no undo would be left of what cannot be removed.
  MB_RETURN_IF_ERROR(CheckDeletable(ctx, backend, backup_dir));
  MB_ASSIGN_OR_RETURN(const bool has_tombstone, SpendTombstone(ctx, backend, backup_dir));
  const std::string tombstone_key = TombstoneKey(backup_dir);
  const std::string header_key = MetaKey(backup_dir, MetaFile::kHeader);
  const Result<storage::ObjectInfo> header = backend.Stat(ctx, header_key);
  if (!header.ok() && header.status().code() != Code::kNotFound) return header.status();
  MB_RETURN_IF_ERROR(backend.Delete(ctx, header_key).Annotate("deleting " + header_key));
  // Before the logs: it may say that a run need not look at some of them.
  const std::string marker_key = MarkerKey(backup_dir);
  const Result<storage::ObjectInfo> marker = backend.Stat(ctx, marker_key);
  if (marker.ok()) {
    MB_RETURN_IF_ERROR(backend.Delete(ctx, marker_key).Annotate("deleting " + marker_key));
  } else if (marker.status().code() != Code::kNotFound) {
    return marker.status();
  }
  BatchDeleter deleter(ctx, backend);
  DeletedBackup passed_over;
  MB_RETURN_IF_ERROR(ForEachToDelete(ctx, backend, backup_dir, passed_over,
                                     [&](const storage::ObjectInfo& object) {
                                       if (object.key != tombstone_key) return deleter.Add(object);
                                       deleter.Count(object);
                                       return Status::Ok();
                                     }));
  MB_ASSIGN_OR_RETURN(DeletedBackup deleted, deleter.Finish());
  if (has_tombstone) {
    MB_RETURN_IF_ERROR(backend.Delete(ctx, tombstone_key).Annotate("deleting " + tombstone_key));
  }
  MB_RETURN_IF_ERROR(RemoveRemains(ctx, backend, backup_dir));
  MB_RETURN_IF_ERROR(CheckNothingLeft(passed_over, backend, backup_dir));
  for (const auto* first : {&header, &marker}) {
    if (!first->ok()) continue;
    ++deleted.objects;
    deleted.bytes += (*first)->size;
  }
  return deleted;
}

}  // namespace milvus_backup::meta
