/// What restores write down in Milvus' storage, so that one that was killed can be gone on with.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/restore_progress.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/storage/backend.h"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// The records of a run's targets. Those that an unfinished run left stay where they are and are
/// gone on with in place, in that run's directory and with what it has staged there; the others lie
/// with this run's marker. Nobody else touches a record while this run holds the lock of its
/// target, so a record found at the start was left by a run that has ended.
///
/// Each target's record is used by one thread at a time; otherwise thread-safe.
class RestoreLedger {
 public:
  /// Look for records of the targets of `run`. Nothing is written. `backend` must outlive the
  /// ledger. kDataLoss naming a record that is damaged.
  static Result<std::unique_ptr<RestoreLedger>> Open(const CallContext& ctx,
                                                     storage::Backend& backend,
                                                     const meta::RunRecord& run);

  /// One that finds nothing and keeps nothing.
  static std::unique_ptr<RestoreLedger> Without(storage::Backend& backend,
                                                const meta::RunRecord& run);

  /// What an unfinished run left of a target; null when there is nothing.
  const meta::RestoreProgress* Find(const std::string& target) const;
  /// Who left it: `restore by process …`.
  std::string WhoLeft(const std::string& target) const;
  /// Where it lies: `restore-temp-…/ from <storage>`, as to be removed.
  std::string WhereLeft(const std::string& target) const;
  /// Whether everything that this run is going to do has been done: there is nothing to go on with.
  bool IsFinished() const;
  /// Milliseconds since 1970 by the clock of the storage; 0 before Begin.
  int64_t NowMs() const;

  /// Remove what a run that was killed while it removed its records has left of them.
  Status RemoveRemains(const CallContext& ctx);
  /// Leave the marker, before anything else is written.
  Status Begin(const CallContext& ctx);
  /// Keep no records from now on.
  void Disable() { enabled_ = false; }
  bool enabled() const { return enabled_; }

  /// Directory in Milvus' storage for the staged files of a target and for its record; ends with a
  /// slash.
  const std::string& DirOf(const std::string& target) const { return entries_.at(target).dir; }

  /// Write the record; of a run that was taken up also the marker when another run, which took up
  /// other targets of it, has removed that.
  Status Write(const CallContext& ctx, const meta::RestoreProgress& progress);
  /// The target's collection is as if there had been no run.
  Status Forget(const CallContext& ctx, const std::string& target);

  /// Remove every record and marker of this run, the marker first: from then on the run counts as
  /// finished.
  Status End(const CallContext& ctx);
  /// After a run that failed: remove markers of which no record is left; returns whether some are.
  Result<bool> RemoveEmptyMarkers(const CallContext& ctx);

 private:
  struct Entry {
    std::string dir;
    std::string key;
    std::optional<meta::RestoreProgress> left;
  };

  RestoreLedger(storage::Backend& backend, meta::RunRecord run);

  void PlaceTargets();
  Status FindRuns(const CallContext& ctx);
  Status LookInto(const CallContext& ctx, const std::string& dir);
  Status ReadRecords(const CallContext& ctx, const std::string& dir, const meta::RunRecord& owner);
  Result<meta::RestoreProgress> ReadRecord(const CallContext& ctx,
                                           const storage::ObjectInfo& record) const;
  /// Records of a directory without a marker were left by a run that was killed while it removed
  /// them, unless a run that is at work on their targets is about to write the marker again.
  Status NoteRemains(const CallContext& ctx, const std::string& dir);
  /// What other runs hold the locks of.
  Result<std::set<std::string>> TargetsOfOthers(const CallContext& ctx) const;
  Status WriteMarker(const CallContext& ctx, const std::string& dir);
  /// The marker of `dir` says nothing, as `damage` tells: an error when a target of this run is
  /// concerned.
  Status PassOver(const CallContext& ctx, const std::string& dir, Status damage) const;
  Status RemoveRun(const CallContext& ctx, const std::string& dir);

  storage::Backend& backend_;
  meta::RunRecord run_;
  /// By target.
  std::map<std::string, Entry> entries_;
  /// Directories of unfinished runs with a target of this one, and this run's own.
  std::map<std::string, meta::RunRecord> owners_;
  /// Where targets without a record belong.
  std::string home_;
  /// Records without a marker.
  std::vector<std::string> remains_;
  /// Of the storage, and of this process at the same time.
  std::optional<std::chrono::system_clock::time_point> begun_;
  std::chrono::steady_clock::time_point begun_here_;
  bool enabled_ = true;
};

}  // namespace milvus_backup::backup
