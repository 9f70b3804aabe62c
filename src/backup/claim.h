/// The right of one run to work on one backup directory.
#pragma once

#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/meta/run_record.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// A lock on the name, and a marker `meta/run.json` that says that the backup is not finished.
/// Thread-safe.
class BackupClaim {
 public:
  /// What an earlier run left under the name.
  enum class Found {
    kNothing,
    kUnfinished,  ///< a marker, perhaps data
    kPartial,     ///< a backup that some of its collections are missing from, with a header or,
                  ///< where a run was about to replace that, without
    kComplete,    ///< a backup whose marker was about to be removed
  };

  /// Lock the name, look what is there, end multipart uploads that an earlier run left open, and
  /// leave `marker`, a new record of this run. kAlreadyExists: a finished backup, another run that
  /// is at work, or something that no run of this program left.
  static Result<std::unique_ptr<BackupClaim>> Take(const CallContext& ctx, const Place& place,
                                                   const std::string& backup_dir,
                                                   meta::RunRecord marker);

  /// What Take would find and refuse, without a lock and without any change: for a dry run.
  static Result<std::unique_ptr<BackupClaim>> Look(const CallContext& ctx, const Place& place,
                                                   const std::string& backup_dir,
                                                   meta::RunRecord marker);

  Found found() const { return found_; }
  /// Whether objects of an earlier run may lie in the directory.
  bool resumes() const { return found_ != Found::kNothing; }
  /// The marker of the earlier run; without an id when there was none.
  const meta::RunRecord& left() const { return left_; }
  /// What a partial backup has, and the names of what it lacks; only for kPartial.
  meta::BackupInfo& partial() { return partial_; }

  /// Record keys (relative to the backup directory) before multipart uploads to them begin: not
  /// every service can list the uploads of a directory.
  Status NoteUploads(const CallContext& ctx, const std::vector<std::string>& keys);
  /// Whether the right still holds, to be asked before the metas and before the header are written.
  Status Check(const CallContext& ctx) { return lock_->Check(ctx); }
  /// Remove the marker: the backup is finished, or nothing was written. No effect after Look, like
  /// GiveBack.
  Status End(const CallContext& ctx);
  /// Nothing was changed: leave a partial backup as it was found.
  Status GiveBack(const CallContext& ctx) { return has_header_ ? End(ctx) : Status::Ok(); }

 private:
  BackupClaim(storage::Backend& backend, std::string backup_dir, meta::RunRecord marker);

  Status LookAround(const CallContext& ctx);
  /// Take up the partial backup whose header a run had removed.
  Status TakeUpWithoutHeader(const CallContext& ctx, const meta::RunRecord& left);
  /// Say in the marker what the partial backup has, for the next run may not find its header.
  void NotePartial();

  storage::Backend& backend_;
  const std::string backup_dir_;
  /// Null after Look.
  std::unique_ptr<RunLock> lock_;
  Found found_ = Found::kNothing;
  bool has_header_ = false;
  meta::RunRecord left_;
  meta::BackupInfo partial_;
  std::mutex mutex_;
  meta::RunRecord marker_;
};

/// kAlreadyExists for a name that a finished backup has.
Status NameTaken(const std::string& name);
/// The same for one with what another command has left.
Status UnfinishedInTheWay(const std::string& name, const meta::RunRecord& left);
/// The same for a directory without header and marker that holds `key`.
Status UnmarkedInTheWay(const CallContext& ctx, storage::Backend& backend,
                        const std::string& backup_dir, const std::string& key);

/// kAlreadyExists for one that was pruned and whose data is there: neither header nor marker is to
/// come into that directory. `backup_dir` must have no header.
Status CheckNotPruned(const CallContext& ctx, storage::Backend& backend,
                      const std::string& backup_dir);

/// End the multipart uploads that the marker of an unfinished backup speaks of, and those of its
/// meta files.
Status AbortUploads(const CallContext& ctx, storage::Backend& backend,
                    const std::string& backup_dir, const meta::RunRecord& marker);

}  // namespace milvus_backup::backup
