#include "milvus_backup/backup/tag.h"

#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/tags.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

namespace milvus_backup::backup {
namespace {

Status CheckChange(const TagChange& change) {
  for (const auto* tags : {&change.add, &change.remove}) {
    for (const std::string& tag : *tags) MB_RETURN_IF_ERROR(meta::ValidateTag(tag));
  }
  for (const std::string& tag : change.add) {
    if (std::ranges::find(change.remove, tag) == change.remove.end()) continue;
    return InvalidArgumentError(fmt::format("the tag '{}' is to be added and removed", tag));
  }
  return Status::Ok();
}

}  // namespace

Result<std::vector<std::string>> TagBackup(const CallContext& ctx, const Place& place,
                                           const std::string& name, const TagChange& change) {
  MB_RETURN_IF_ERROR(CheckChange(change));
  storage::Backend& backend = *place.backend;
  MB_ASSIGN_OR_RETURN(const std::string backup_dir, meta::BackupDir(place.root, name));
  MB_RETURN_IF_ERROR(meta::ReadHeader(ctx, backend, backup_dir).status());
  if (change.empty()) return meta::ReadTags(ctx, backend, backup_dir);
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock,
                      RunLock::Acquire(ctx, backend, BackupLockDir(place.root, name),
                                       meta::NewRunRecord("tag", name)));
  // Another run may have come and gone before the lock.
  MB_RETURN_IF_ERROR(meta::ReadHeader(ctx, backend, backup_dir).status());
  MB_ASSIGN_OR_RETURN(const std::vector<std::string> before,
                      meta::ReadTags(ctx, backend, backup_dir));
  std::set<std::string> tags(before.begin(), before.end());
  tags.insert(change.add.begin(), change.add.end());
  for (const std::string& tag : change.remove) tags.erase(tag);
  if (tags.size() > meta::kMaxTags) {
    return InvalidArgumentError(fmt::format("backup {} would have {} tags: at most {} are kept",
                                            name, tags.size(), meta::kMaxTags));
  }
  std::vector<std::string> after(tags.begin(), tags.end());
  if (after == before) return after;
  MB_RETURN_IF_ERROR(lock->Check(ctx));
  MB_RETURN_IF_ERROR(meta::WriteTags(ctx, backend, backup_dir, after));
  return after;
}

}  // namespace milvus_backup::backup
