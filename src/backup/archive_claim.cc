#include "archive_claim.h"

#include "claim.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/writer.h"
#include "milvus_backup/storage/object_stream.h"

#include <chrono>
#include <optional>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

/// Time that removing what a failed run has written may take.
constexpr std::chrono::seconds kCleanUpLimit{60};
/// As many as one request can delete.
constexpr size_t kDeleteBatch = 1000;

meta::RunRecord RecordOf(const std::string& backup_dir, const std::string& header_sha256) {
  meta::RunRecord record = meta::NewRunRecord(kImportOperation, meta::BackupName(backup_dir));
  record.header_sha256 = header_sha256;
  return record;
}

Status Delete(const CallContext& ctx, storage::Backend& backend,
              const std::vector<std::string>& keys) {
  if (keys.empty()) return Status::Ok();
  MB_ASSIGN_OR_RETURN(const std::vector<storage::DeleteFailure> failures,
                      backend.DeleteMany(ctx, keys));
  if (failures.empty()) return Status::Ok();
  return failures.front().status.Annotate("removing " + failures.front().key);
}

}  // namespace

ImportClaim::ImportClaim(storage::Backend& backend, std::string backup_dir, meta::RunRecord record)
    : backend_(backend),
      backup_dir_(std::move(backup_dir)),
      record_(std::move(record)),
      marker_(backend, meta::MarkerKey(backup_dir_), backup_dir_, record_) {}

Result<std::unique_ptr<ImportClaim>> ImportClaim::Take(const CallContext& ctx, const Place& place,
                                                       const std::string& backup_dir,
                                                       const std::string& header_sha256) {
  std::unique_ptr<ImportClaim> claim(
      new ImportClaim(*place.backend, backup_dir, RecordOf(backup_dir, header_sha256)));
  MB_ASSIGN_OR_RETURN(
      claim->lock_,
      RunLock::Acquire(ctx, *place.backend, BackupLockDir(place.root, claim->record_.backup),
                       claim->record_));
  MB_RETURN_IF_ERROR(claim->LookAround(ctx));
  if (claim->found_ == Found::kComplete) return claim;
  if (Status written = claim->marker_.Write(ctx); !written.ok()) {
    claim->Withdraw();
    return written;
  }
  return claim;
}

Status ImportClaim::LookAround(const CallContext& ctx) {
  MB_ASSIGN_OR_RETURN(const storage::ListPage page,
                      backend_.List(ctx, {.prefix = backup_dir_, .max_keys = 1}));
  if (page.objects.empty()) return Status::Ok();
  MB_ASSIGN_OR_RETURN(const std::optional<meta::RunRecord> left, marker_.ReadLeft(ctx));
  const auto header = backend_.Stat(ctx, meta::MetaKey(backup_dir_, meta::MetaFile::kHeader));
  if (!header.ok() && header.status().code() != Code::kNotFound) return header.status();
  const bool is_ours =
      left && left->operation == kImportOperation && left->header_sha256 == record_.header_sha256;
  if (header.ok() && !is_ours) return NameTaken(record_.backup);
  if (!header.ok()) MB_RETURN_IF_ERROR(CheckNotPruned(ctx, backend_, backup_dir_));
  if (!left) return UnmarkedInTheWay(ctx, backend_, backup_dir_, page.objects.front().key);
  if (!is_ours) return UnfinishedInTheWay(record_.backup, *left);
  MB_RETURN_IF_ERROR(marker_.TakeOver(ctx, *left));
  MB_RETURN_IF_ERROR(marker_.EndUploads(ctx));
  if (header.ok()) {
    found_ = Found::kComplete;
    return marker_.End(ctx);
  }
  found_ = Found::kUnfinished;
  log::Info("doing an unfinished import again: {} ({})", record_.backup, left->ToString());
  return RemoveObjects(ctx);
}

Status ImportClaim::RemoveObjects(const CallContext& ctx) {
  const std::string marker = meta::MarkerKey(backup_dir_);
  std::vector<std::string> keys;
  storage::ObjectStream listing(ctx, backend_, {.prefix = backup_dir_});
  while (true) {
    MB_ASSIGN_OR_RETURN(const storage::ObjectInfo* object, listing.Next());
    if (object == nullptr) return Delete(ctx, backend_, keys);
    if (object->key != marker) keys.push_back(object->key);
    if (keys.size() < kDeleteBatch) continue;
    MB_RETURN_IF_ERROR(Delete(ctx, backend_, keys));
    keys.clear();
  }
}

Status ImportClaim::RemoveAll(const CallContext& ctx) {
  // Without the lock what is there may be another run's.
  MB_RETURN_IF_ERROR(lock_->Check(ctx));
  MB_RETURN_IF_ERROR(marker_.EndUploads(ctx));
  MB_RETURN_IF_ERROR(RemoveObjects(ctx));
  MB_RETURN_IF_ERROR(marker_.End(ctx));
  return meta::RemoveRemains(ctx, backend_, backup_dir_);
}

void ImportClaim::Withdraw() {
  Status removed;
  if (!committing_) {
    // The command's own context may have been cancelled.
    removed = RemoveAll({{}, std::chrono::steady_clock::now() + kCleanUpLimit});
    if (removed.ok()) return;
  }
  log::Warn(
      "the import of {} is unfinished: the same command does it again, `delete -n {}` removes "
      "it{}{}",
      record_.backup, record_.backup, removed.ok() ? "" : "; ", removed.ToString());
}

}  // namespace milvus_backup::backup
