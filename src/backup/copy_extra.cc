#include "copy_extra.h"

#include "milvus_backup/backup/delete.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/tombstone.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace milvus_backup::backup {
namespace {

std::vector<std::string_view> HeaderDirs(const std::vector<BackupInTree>& sources) {
  std::vector<std::string_view> dirs;
  for (const BackupInTree& source : sources) {
    for (const std::string& header : source.headers) {
      std::string_view dir;
      MB_CHECK(IsHeaderKey(header, dir));
      dirs.push_back(dir);
    }
  }
  return dirs;
}

/// `a/b/` as place `a` and name `b`.
Result<meta::DeletedBackup> Delete(const CopyJob& job, const std::string& dir) {
  const std::string name = meta::BackupName(dir);
  Place place{.backend = job.destination.backend};
  if (dir.size() > name.size() + 1) place.root = dir.substr(0, dir.size() - name.size() - 2);
  return DeleteBackup(job.ctx, place, name);
}

}  // namespace

Result<ExtraBackups> ExtraBackups::Find(const CopyJob& job,
                                        const std::vector<BackupInTree>& sources) {
  MB_ASSIGN_OR_RETURN(const std::vector<FoundBackup> found,
                      FindBackups(job.ctx, job.destination, job.filter));
  const std::vector<std::string_view> source_dirs = HeaderDirs(sources);
  ExtraBackups extra;
  for (const FoundBackup& one : found) {
    if (std::ranges::find(source_dirs, one.dir) != source_dirs.end()) continue;
    // Pruned at the source, where it can be taken back: no part of the trees.
    if (std::ranges::any_of(job.left_out,
                            [&](const std::string& dir) { return one.dir.starts_with(dir); })) {
      continue;
    }
    const bool shared = std::ranges::any_of(
        source_dirs, [&](std::string_view dir) { return dir.starts_with(one.dir); });
    // The tree itself is where everything goes.
    extra.extras_.push_back({one.dir, one.left_out, shared || one.dir.empty()});
  }
  return extra;
}

void ExtraBackups::NoteSource(std::string_view key) {
  for (Extra& extra : extras_) extra.shared = extra.shared || key.starts_with(extra.dir);
}

bool ExtraBackups::WouldLose(std::string_view key) const {
  const std::optional<std::string_view> dir = BackupDirOf(key);
  return !dir || std::ranges::none_of(extras_, [&](const Extra& extra) {
    return extra.stays() && extra.dir == *dir;
  });
}

Status ExtraBackups::Remove(CopyJob& job) const {
  for (auto at = extras_.rbegin(); at != extras_.rend(); ++at) {
    const Extra& extra = *at;
    if (extra.left_out) continue;
    const std::string dir = job.destination.dir + extra.dir;
    if (extra.shared) {
      job.AddFailure(dir, FailedPreconditionError("a backup that the source does not have is not "
                                                  "removed, for something of the source lies in it")
                              .WithAdvice("remove it with `delete`, or copy to another place"));
      continue;
    }
    const auto deleted = Delete(job, dir);
    if (deleted.ok()) {
      job.report.deleted_objects += deleted->objects;
    } else if (EndsTheCopy(deleted.status())) {
      return deleted.status();
    } else {
      job.AddFailure(dir, deleted.status().Annotate("removing a backup the source does not have"));
    }
  }
  return Status::Ok();
}

Result<bool> LooseKeys::Contain(std::string_view key) {
  const std::optional<std::string_view> dir = BackupDirOf(key);
  if (!dir || (own_ && *dir == *own_)) return true;
  if (dir_ && *dir == *dir_) return !dir_is_backup_;
  const std::string full = job_.destination.dir + std::string(*dir);
  bool is_backup = false;
  for (const std::string& mark : {meta::MetaKey(full, meta::MetaFile::kHeader),
                                  meta::MarkerKey(full), meta::TombstoneKey(full)}) {
    const Status there = job_.destination.backend->Stat(job_.ctx, mark).status();
    if (!there.ok() && there.code() != Code::kNotFound) return there;
    is_backup = is_backup || there.ok();
  }
  dir_ = std::string(*dir);
  dir_is_backup_ = is_backup;
  return !is_backup;
}

}  // namespace milvus_backup::backup
