#include "claim.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/tombstone.h"

#include <utility>

namespace milvus_backup::backup {
BackupClaim::BackupClaim(storage::Backend& backend, std::string backup_dir, meta::RunRecord marker)
    : backend_(backend), backup_dir_(std::move(backup_dir)), marker_(std::move(marker)) {}

Result<std::unique_ptr<BackupClaim>> BackupClaim::Take(const CallContext& ctx, const Place& place,
                                                       const std::string& backup_dir,
                                                       meta::RunRecord marker) {
  std::unique_ptr<BackupClaim> claim(
      new BackupClaim(*place.backend, backup_dir, std::move(marker)));
  MB_ASSIGN_OR_RETURN(
      claim->lock_,
      RunLock::Acquire(ctx, *place.backend, BackupLockDir(place.root, claim->marker_.backup),
                       claim->marker_));
  MB_RETURN_IF_ERROR(claim->LookAround(ctx));
  if (claim->found_ == Found::kComplete) return claim;
  if (claim->found_ == Found::kPartial) {
    claim->NotePartial();
    // One that a killed prune left would speak for the backup once its header is gone.
    MB_RETURN_IF_ERROR(place.backend->Delete(ctx, meta::TombstoneKey(backup_dir)));
  }
  MB_RETURN_IF_ERROR(
      meta::WriteRunRecord(ctx, *place.backend, meta::MarkerKey(backup_dir), claim->marker_));
  return claim;
}

Result<std::unique_ptr<BackupClaim>> BackupClaim::Look(const CallContext& ctx, const Place& place,
                                                       const std::string& backup_dir,
                                                       meta::RunRecord marker) {
  std::unique_ptr<BackupClaim> claim(
      new BackupClaim(*place.backend, backup_dir, std::move(marker)));
  MB_RETURN_IF_ERROR(RunLock::CheckNoOther(
      ctx, *place.backend, BackupLockDir(place.root, claim->marker_.backup), claim->marker_));
  MB_RETURN_IF_ERROR(claim->LookAround(ctx));
  return claim;
}

Status BackupClaim::LookAround(const CallContext& ctx) {
  MB_ASSIGN_OR_RETURN(const storage::ListPage page,
                      backend_.List(ctx, {.prefix = backup_dir_, .max_keys = 1}));
  if (page.objects.empty()) return Status::Ok();
  const std::string name = meta::BackupName(backup_dir_);
  MB_ASSIGN_OR_RETURN(const std::optional<meta::RunRecord> left,
                      meta::ReadRunRecord(ctx, backend_, meta::MarkerKey(backup_dir_)));
  const Result<meta::BackupInfo> header = meta::ReadHeader(ctx, backend_, backup_dir_);
  if (header.ok() && !header->partial && !left) return NameTaken(name);
  if (!header.ok() && header.status().code() != Code::kNotFound) return header.status();
  if (!header.ok()) MB_RETURN_IF_ERROR(CheckNotPruned(ctx, backend_, backup_dir_));
  if (!header.ok() && !left) {
    return UnmarkedInTheWay(ctx, backend_, backup_dir_, page.objects.front().key);
  }
  if (left) left_ = *left;
  if (left && left->operation != "create") {
    if (header.ok()) return NameTaken(name);
    return UnfinishedInTheWay(name, *left);
  }
  if (left && lock_) MB_RETURN_IF_ERROR(AbortUploads(ctx, backend_, backup_dir_, *left));
  has_header_ = header.ok();
  if (!header.ok()) {
    if (!left->kept.empty()) return TakeUpWithoutHeader(ctx, *left);
    found_ = Found::kUnfinished;
    log::Info("going on with the unfinished backup {} ({})", name, left->ToString());
    return Status::Ok();
  }
  found_ = header->partial ? Found::kPartial : Found::kComplete;
  if (found_ == Found::kPartial) {
    MB_ASSIGN_OR_RETURN(partial_, meta::ReadBackup(ctx, backend_, backup_dir_));
    // The header is what says so.
    partial_.failed_collections = header->failed_collections;
  }
  return Status::Ok();
}

Status BackupClaim::TakeUpWithoutHeader(const CallContext& ctx, const meta::RunRecord& left) {
  const std::string name = meta::BackupName(backup_dir_);
  log::Info("going on with the partial backup {} ({})", name, left.ToString());
  auto info = meta::ReadFullMeta(ctx, backend_, backup_dir_);
  if (!info.ok()) return std::move(info).status();
  // The run that was about to finish it may have written down more than it started from: that is
  // taken again.
  std::erase_if(info->collection_backups, [&](const meta::CollectionBackup& collection) {
    return !left.kept.contains(collection.collection_id);
  });
  if (info->collection_backups.size() != left.kept.size()) {
    return DataLossError(meta::MetaKey(backup_dir_, meta::MetaFile::kFull) +
                         " lacks collections that the backup had")
        .WithAdvice("remove it with `delete -n " + name + "`, or choose another name with -n");
  }
  found_ = Found::kPartial;
  partial_ = *std::move(info);
  partial_.failed_collections = left.missing;
  return Status::Ok();
}

void BackupClaim::NotePartial() {
  for (const meta::CollectionBackup& collection : partial_.collection_backups) {
    marker_.kept.insert(collection.collection_id);
  }
  marker_.missing = partial_.failed_collections;
}

Status BackupClaim::NoteUploads(const CallContext& ctx, const std::vector<std::string>& keys) {
  if (keys.empty()) return Status::Ok();
  const std::scoped_lock lock(mutex_);
  marker_.uploads.insert(marker_.uploads.end(), keys.begin(), keys.end());
  return meta::WriteRunRecord(ctx, backend_, meta::MarkerKey(backup_dir_), marker_);
}

Status BackupClaim::End(const CallContext& ctx) {
  if (!lock_) return Status::Ok();
  const std::string key = meta::MarkerKey(backup_dir_);
  return backend_.Delete(ctx, key).Annotate("removing the marker " + key);
}

Status NameTaken(const std::string& name) {
  return AlreadyExistsError("backup " + name + " already exists")
      .WithAdvice("choose another name with -n, or remove it with `delete -n " + name + "`");
}

Status UnfinishedInTheWay(const std::string& name, const meta::RunRecord& left) {
  return AlreadyExistsError("an unfinished backup " + name + " is in the way: " + left.ToString())
      .WithAdvice("finish it with the command that made it, remove it with `delete -n " + name +
                  "`, or choose another name with -n");
}

Status UnmarkedInTheWay(const CallContext& ctx, storage::Backend& backend,
                        const std::string& backup_dir, const std::string& key) {
  const std::string name = meta::BackupName(backup_dir);
  MB_ASSIGN_OR_RETURN(const meta::DirectoryContent content,
                      meta::InspectDirectory(ctx, backend, backup_dir));
  if (content.kind == meta::DirectoryKind::kForeign) {
    return AlreadyExistsError("something that is no backup is in the way of " + name +
                              ": it holds " + content.foreign_key)
        .WithAdvice("choose another name with -n, or another root path for backups");
  }
  return AlreadyExistsError("an unfinished backup " + name +
                            " is in the way, which has no marker to go on from; it holds " + key)
      .WithAdvice("remove it with `delete -n " + name + "`, or choose another name with -n");
}

Status CheckNotPruned(const CallContext& ctx, storage::Backend& backend,
                      const std::string& backup_dir) {
  MB_ASSIGN_OR_RETURN(const std::optional<meta::Tombstone> tombstone,
                      meta::ReadTombstone(ctx, backend, backup_dir));
  if (!tombstone) return Status::Ok();
  const std::string name = meta::BackupName(backup_dir);
  return AlreadyExistsError("a backup " + name + " is in the way that was " + tombstone->ToString())
      .WithAdvice("choose another name, take it back with `prune --undo " + name +
                  "`, or remove it with `delete -n " + name + "`");
}

Status AbortUploads(const CallContext& ctx, storage::Backend& backend,
                    const std::string& backup_dir, const meta::RunRecord& marker) {
  for (const std::string& key : marker.uploads) {
    MB_RETURN_IF_ERROR(storage::AbortUploads(ctx, backend, backup_dir + key));
  }
  for (const meta::OpenUpload& upload : marker.open_uploads) {
    MB_RETURN_IF_ERROR(storage::AbortUploads(ctx, backend, backup_dir + upload.key));
  }
  using meta::MetaFile;
  for (const MetaFile file : {MetaFile::kHeader, MetaFile::kCollections, MetaFile::kPartitions,
                              MetaFile::kSegments, MetaFile::kFull}) {
    MB_RETURN_IF_ERROR(storage::AbortUploads(ctx, backend, meta::MetaKey(backup_dir, file)));
  }
  return Status::Ok();
}

}  // namespace milvus_backup::backup
