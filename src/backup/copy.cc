#include "milvus_backup/backup/copy.h"

#include "copy_extra.h"
#include "copy_job.h"
#include "copy_marker.h"
#include "copy_merge.h"
#include "copy_objects.h"
#include "copy_section.h"
#include "copy_survey.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// A bucket that does not exist is a mistake, a directory that does not exist has nothing in it.
Status OpenSource(const CallContext& ctx, const Tree& source) {
  const Status access = source.backend->CheckAccess(ctx);
  if (IsMissing(access) && access.service_code() != "NoSuchBucket") {
    return NotFoundError("nothing is at the source, " + source.Describe());
  }
  return access.Annotate("opening the source");
}

class TreeCopy {
 public:
  TreeCopy(const CallContext& ctx, transfer::CopyEngine& engine, const Tree& source,
           const Tree& destination, const CopyRules& rules)
      : job_{.ctx = ctx,
             .source = source,
             .destination = destination,
             .rules = rules,
             .filter = KeyFilter(rules.include, rules.exclude),
             .engine = engine,
             .report = {}},
        marker_(*destination.backend, TreeMarkerKey(destination.dir), destination.dir,
                meta::NewRunRecord("copy", CopyLockName(destination.dir))) {}

  /// `as_backup`: the source must be one backup.
  Result<CopyReport> Run(bool as_backup) {
    const auto start = std::chrono::steady_clock::now();
    MB_RETURN_IF_ERROR(Prepare(as_backup));
    Status status = Copy();
    if (status.ok()) status = Finish();
    if (!status.ok()) {
      if (section_) section_->LeaveUnfinished();
      return status;
    }
    // One backup that cannot be copied at all is the command's own error.
    std::vector<CopiedBackup>& backups = job_.report.backups;
    if (IsOneBackup() && !backups.front().status.ok() && job_.report.failure_count == 0) {
      return backups.front().status;
    }
    job_.report.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(job_.report);
  }

 private:
  Status Prepare(bool as_backup) {
    Enter("look");
    MB_RETURN_IF_ERROR(OpenSource(job_.ctx, job_.source));
    if (as_backup) {
      MB_ASSIGN_OR_RETURN(backups_, SurveyBackup(job_.ctx, job_.source));
    } else {
      MB_ASSIGN_OR_RETURN(TreeSurvey survey, SurveyTree(job_.ctx, job_.source, job_.filter));
      backups_ = std::move(survey.backups);
      job_.left_out = std::move(survey.pruned);
      objects_ = std::move(survey.objects);
      for (const std::string& dir : job_.left_out) {
        job_.report.warnings.push_back(job_.source.dir + dir + " is left out, for it was pruned");
      }
    }
    MB_RETURN_IF_ERROR(OpenDestination());
    if (job_.rules.delete_extra && !job_.destination_is_missing) {
      MB_ASSIGN_OR_RETURN(extra_, ExtraBackups::Find(job_, backups_));
    }
    if (IsOneBackup()) return Status::Ok();
    return OpenTree();
  }

  bool IsOneBackup() const { return !backups_.empty() && backups_.front().dir.empty(); }

  /// Made when missing: a copy may go to a place of its own.
  Status OpenDestination() {
    storage::Backend& backend = *job_.destination.backend;
    const Status access = backend.CheckAccess(job_.ctx);
    if (!IsMissing(access)) return access.Annotate("opening the destination");
    job_.destination_is_missing = job_.rules.dry_run;
    if (IsOneBackup() && !backups_.front().checked) {
      // Nothing is made for a backup that is refused.
      MB_RETURN_IF_ERROR(CheckSource(job_.ctx, job_.source, backups_.front()));
      backups_.front().checked = Status::Ok();
    }
    job_.report.made_destination = true;
    if (job_.rules.dry_run) return Status::Ok();
    MB_RETURN_IF_ERROR(backend.CreateContainer(job_.ctx).Annotate("making the destination"));
    log::Info("made the missing destination: {}", backend.Describe());
    return Status::Ok();
  }

  /// What lies around the backups has a lock and a marker of its own.
  Status OpenTree() {
    if (!job_.rules.dry_run) {
      MB_ASSIGN_OR_RETURN(lock_, LockTree(job_));
      MB_RETURN_IF_ERROR(CheckTreesApart(job_));
      MB_ASSIGN_OR_RETURN(const std::optional<meta::RunRecord> left, marker_.ReadLeft(job_.ctx));
      if (left) {
        MB_RETURN_IF_ERROR(marker_.TakeOver(job_.ctx, *left));
        job_.report.resumed = true;
      }
    }
    others_.emplace(job_, marker_, job_.rules.overwrite);
    return Status::Ok();
  }

  Status Copy() {
    Enter("copy");
    const Tree nothing;
    const Tree& destination = job_.destination_is_missing ? nothing : job_.destination;
    MergedListing pairs =
        objects_ ? MergedListing(job_.ctx, *std::move(objects_), job_.source, destination)
                 : MergedListing(job_.ctx, job_.source, destination, "",
                                 [this](std::string_view key) { NotePassedOver(key); });
    auto next = backups_.begin();
    for (;;) {
      MB_ASSIGN_OR_RETURN(const KeyPair pair, pairs.Next());
      const bool ended = pair.source == nullptr && pair.destination == nullptr;
      if (section_ && (ended || !section_->Holds(pair.key))) {
        MB_RETURN_IF_ERROR(section_->Close());
        section_.reset();
      }
      // A backup that is passed has no object any more.
      while (!section_ && next != backups_.end() && (ended || IsBehind(*next, pair.key))) {
        ReportVanished(*next++);
      }
      if (ended) {
        WarnOfPassedOver();
        return others_ ? others_->Finish() : Status::Ok();
      }
      if (IsLockKey(pair.key) || !job_.Takes(pair.key)) continue;
      if (!section_ && next != backups_.end() && pair.key.starts_with(next->dir)) {
        section_.emplace(job_, *next++);
        MB_RETURN_IF_ERROR(section_->Open());
      }
      MB_RETURN_IF_ERROR(section_ ? section_->Take(pair) : TakeOther(pair));
    }
  }

  void NotePassedOver(std::string_view key) {
    if (!job_.Takes(key)) return;
    if (++passed_over_ > kMostNamed) return;
    job_.report.warnings.push_back(
        fmt::format("{}{} in {} is passed over, for it is neither a file nor a directory",
                    Printable(job_.source.dir), Printable(key), job_.source.backend->Describe()));
  }

  void WarnOfPassedOver() {
    if (passed_over_ <= kMostNamed) return;
    job_.report.warnings.push_back(
        fmt::format("{} more of {} are passed over, for they are neither files nor directories",
                    passed_over_ - kMostNamed, job_.source.Describe()));
  }

  static bool IsBehind(const BackupInTree& backup, std::string_view key) {
    return backup.dir < key && !key.starts_with(backup.dir);
  }

  void ReportVanished(const BackupInTree& backup) {
    job_.report.backups.push_back(
        {backup.dir.empty() ? "" : backup.dir.substr(0, backup.dir.size() - 1),
         CopiedBackup::Outcome::kFailed,
         Status(Code::kAborted, "it vanished from the source while the tree was copied")
             .WithOrigin(Origin::kStorage)});
  }

  Status TakeOther(const KeyPair& pair) {
    std::string_view dir;
    if (IsMarkerKey(pair.key, dir)) return Status::Ok();
    if (pair.source != nullptr && IsHeaderKey(pair.key, dir)) {
      if (pair.destination == nullptr) MB_RETURN_IF_ERROR(LeaveToNextRun(std::string(dir)));
      job_.AddFailure(pair.source->key,
                      Status(Code::kAborted, "a backup was finished while the tree was copied")
                          .WithOrigin(Origin::kStorage)
                          .WithAdvice("run the same command again"));
      return Status::Ok();
    }
    if (pair.source != nullptr) {
      if (extra_) extra_->NoteSource(pair.key);
      return others_->Take(pair);
    }
    if (job_.rules.dry_run && extra_ && extra_->WouldLose(pair.key)) ++job_.report.deleted_objects;
    return Status::Ok();
  }

  /// What was copied of a backup before its header appeared is the next run's to go on with.
  Status LeaveToNextRun(const std::string& dir) {
    if (job_.rules.dry_run) return Status::Ok();
    const std::string there = job_.destination.dir + dir;
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock, LockDestination(job_, there));
    CopyMarker marker(*job_.destination.backend, meta::MarkerKey(there), there,
                      meta::NewRunRecord("copy", CopyLockName(there)));
    return marker.Write(job_.ctx);
  }

  /// Remove what is extra around the backups; nothing is removed after a failure. What came there
  /// through this process was proved object by object: only a backup, whose header speaks of all of
  /// it, is looked through once more.
  Status Finish() {
    if (job_.rules.dry_run) return Status::Ok();
    Enter("check");
    if (others_) {
      // Every time: what was too young for the run that went on with a killed one is left.
      MB_RETURN_IF_ERROR(RemoveDeadWrites(job_, job_.destination.dir));
      MB_RETURN_IF_ERROR(RemoveDeadWrites(job_, LocksDirOf(job_.destination.dir)));
    }
    const bool removes = job_.rules.delete_extra && !job_.report.some_failed();
    if (others_) MB_RETURN_IF_ERROR(SettleOthers(removes));
    if (removes && extra_ && !job_.report.some_failed()) return extra_->Remove(job_);
    return Status::Ok();
  }

  Status SettleOthers(bool removes) {
    // Of what a service copies by itself nothing was seen on the way.
    const bool compares =
        job_.rules.check && job_.report.server_side_objects > 0 && others_->names_all_failures();
    // Another run may have taken over while this one stood still.
    if (removes && lock_ != nullptr) MB_RETURN_IF_ERROR(lock_->Check(job_.ctx));
    if (removes || compares) {
      LooseKeys loose(job_, std::nullopt);
      MB_RETURN_IF_ERROR(Settle(job_, {.below = "",
                                       .compares = compares,
                                       .after_failures = others_->failed(),
                                       .concerns =
                                           [this](std::string_view key) {
                                             std::string_view dir;
                                             return !IsHeaderKey(key, dir) &&
                                                    !IsMarkerKey(key, dir) && !IsIn(key, backups_);
                                           },
                                       .may_remove = [&](std::string_view key) -> Result<bool> {
                                         if (!removes) return false;
                                         return loose.Contain(key);
                                       }}));
    }
    if (others_->failed() && marker_.has_uploads()) return Status::Ok();  // for the next run
    MB_RETURN_IF_ERROR(marker_.EndUploads(job_.ctx));
    return marker_.End(job_.ctx);
  }

  static bool IsIn(std::string_view key, const std::vector<BackupInTree>& backups) {
    return std::ranges::any_of(backups,
                               [key](const auto& one) { return key.starts_with(one.dir); });
  }

  void Enter(const char* phase) {
    if (job_.engine.progress() != nullptr) job_.engine.progress()->SetPhase(phase);
  }

  /// Pipes, sockets and devices that get a warning each.
  static constexpr uint64_t kMostNamed = 100;

  CopyJob job_;
  uint64_t passed_over_ = 0;
  std::vector<BackupInTree> backups_;
  /// Of the source, where the survey has kept them.
  std::optional<std::vector<storage::ObjectInfo>> objects_;
  /// Looked for where they are to be removed.
  std::optional<ExtraBackups> extra_;
  std::unique_ptr<RunLock> lock_;
  CopyMarker marker_;
  std::optional<ObjectCopies> others_;
  std::optional<BackupCopy> section_;
};

void Add(const CopyReport& one, const std::string& name, CopyReport& total,
         const CopyObserver& observer) {
  total.objects += one.objects;
  total.bytes += one.bytes;
  total.reused_bytes += one.reused_bytes;
  total.kept_objects += one.kept_objects;
  total.undecided_objects += one.undecided_objects;
  total.deleted_objects += one.deleted_objects;
  total.server_side_objects += one.server_side_objects;
  total.second_reads += one.second_reads;
  total.resumed = total.resumed || one.resumed;
  total.made_destination = total.made_destination || one.made_destination;
  for (CopiedBackup backup : one.backups) {
    backup.dir = name;
    if (observer) observer(backup);
    total.backups.push_back(std::move(backup));
  }
  for (const FailedObject& failure : one.failures) total.AddFailure(failure);
  total.failure_count += one.failure_count - one.failures.size();
  total.warnings.insert(total.warnings.end(), one.warnings.begin(), one.warnings.end());
}

}  // namespace

bool CopyReport::some_failed() const {
  return failure_count > 0 || std::ranges::any_of(backups, [](const CopiedBackup& backup) {
           return backup.outcome == CopiedBackup::Outcome::kFailed;
         });
}

void CopyReport::AddFailure(FailedObject failure) {
  ++failure_count;
  if (failures.size() < transfer::kMostFailures) failures.push_back(std::move(failure));
}

Result<CopyReport> CopyTree(const CallContext& ctx, transfer::CopyEngine& engine,
                            const Tree& source, const Tree& destination, const CopyRules& rules) {
  return TreeCopy(ctx, engine, source, destination, rules).Run(false);
}

Result<CopyReport> CopyBackup(const CallContext& ctx, transfer::CopyEngine& engine,
                              const Tree& source, const Tree& destination, const CopyRules& rules) {
  return TreeCopy(ctx, engine, source, destination, rules).Run(true);
}

Result<CopyAllReport> CopyAllBackups(const CallContext& ctx, transfer::CopyEngine& engine,
                                     const Tree& source, const Tree& destination,
                                     const CopyRules& rules, const CopyObserver& observer) {
  const auto start = std::chrono::steady_clock::now();
  MB_RETURN_IF_ERROR(OpenSource(ctx, source));
  MB_ASSIGN_OR_RETURN(const meta::BackupList list,
                      meta::ListBackups(ctx, *source.backend, source.dir));
  CopyAllReport report;
  using Outcome = CopiedBackup::Outcome;
  const KeyFilter names(rules.include, rules.exclude);
  const auto fail = [&](const std::string& name, Status status) {
    report.total.backups.push_back({name, Outcome::kFailed, std::move(status)});
    if (observer) observer(report.total.backups.back());
  };
  for (const meta::UnfinishedBackup& one : list.unfinished) {
    if (one.is_unreadable && names.Takes(one.name)) {
      fail(one.name, FailedPreconditionError(one.reason));
    } else {
      report.left_out.push_back({one.name, Outcome::kFailed, FailedPreconditionError(one.reason)});
    }
  }
  for (const meta::ListedTombstone& one : list.pruned) {
    report.left_out.push_back(
        {one.name, Outcome::kFailed, FailedPreconditionError(one.tombstone.ToString())});
  }
  CopyRules each = rules;
  each.include.clear();
  each.exclude.clear();
  size_t fitting = 0;
  for (const meta::ListedBackup& backup : list.backups) {
    if (!names.Takes(backup.name)) continue;
    ++fitting;
    if (backup.header.partial) {
      report.left_out.push_back(
          {backup.name, Outcome::kFailed, FailedPreconditionError("a partial backup")});
      continue;
    }
    Tree from = source;
    Tree to = destination;
    from.dir += backup.name + "/";
    to.dir += backup.name + "/";
    const auto copied = CopyBackup(ctx, engine, from, to, each);
    if (copied.ok()) {
      Add(*copied, backup.name, report.total, observer);
    } else if (EndsTheCopy(copied.status())) {
      return copied.status().Annotate("copying backup " + backup.name);
    } else {
      fail(backup.name, copied.status());
    }
  }
  const bool chooses = !rules.include.empty() || !rules.exclude.empty();
  if (chooses && fitting == 0) {
    return NotFoundError(
               fmt::format("none of the {} backups in {} has a name that fits the patterns",
                           list.backups.size(), source.Describe()))
        .WithAdvice("with --all the patterns are for names of backups; look at `list`");
  }
  report.total.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace milvus_backup::backup
