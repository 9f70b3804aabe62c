#include "milvus_backup/backup/prune.h"

#include "copy_job.h"
#include "prune_history.h"
#include "removal.h"
#include "retention.h"
#include "seal.h"

#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/base/process.h"
#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/tags.h"
#include "milvus_backup/meta/tombstone.h"
#include "milvus_backup/meta/writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace milvus_backup::backup {
namespace {

using std::chrono::sys_seconds;
using State = HistoryEntry::State;

constexpr char kOperation[] = "prune";

PruneOutcome OutcomeOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kKeep:
      return PruneOutcome::kKept;
    case Verdict::kMark:
      return PruneOutcome::kMarked;
    case Verdict::kWait:
      return PruneOutcome::kWaiting;
    case Verdict::kRemove:
      return PruneOutcome::kRemoved;
    case Verdict::kInUse:
      return PruneOutcome::kInUse;
  }
  return PruneOutcome::kFailed;
}

Status InUse(const meta::RunRecord& run) {
  return AlreadyExistsError("backup " + run.backup + " is being worked on: " + run.ToString());
}

/// What is at the key of a header; none when nothing is.
Result<std::optional<std::string>> ReadHeaderText(const CallContext& ctx, storage::Backend& backend,
                                                  const std::string& backup_dir) {
  const std::string key = meta::MetaKey(backup_dir, meta::MetaFile::kHeader);
  auto text = storage::ReadAll(ctx, backend, key, kMaxHeaderBytes);
  if (text.ok()) return std::optional<std::string>(*std::move(text));
  if (text.status().code() == Code::kNotFound) return std::optional<std::string>();
  return text.status().Annotate("reading " + key);
}

class Pruning {
 public:
  Pruning(const CallContext& ctx, const Place& place, const PruneRequest& request, Clock& clock)
      : ctx_(ctx),
        place_(place),
        backend_(*place.backend),
        request_(request),
        clock_(clock),
        now_(std::chrono::floor<std::chrono::seconds>(clock.WallNow())) {}

  Result<PruneReport> Run() {
    MB_ASSIGN_OR_RETURN(history_, ReadHistory(ctx_, place_, request_.schedule, clock_.WallNow()));
    decisions_ = Decide(history_.entries, request_.rules, now_);
    report_.warnings = std::move(history_.warnings);
    std::vector<size_t> order;
    for (size_t i = 0; i < history_.entries.size(); ++i) {
      if (history_.entries[i].is_in_scope) order.push_back(i);
    }
    std::ranges::sort(order, [this](size_t a, size_t b) {
      const HistoryEntry& one = history_.entries[a];
      const HistoryEntry& other = history_.entries[b];
      return std::pair(one.time, std::string_view(one.name)) >
             std::pair(other.time, std::string_view(other.name));
    });
    for (const size_t i : order) report_.backups.push_back(Planned(i));
    // A disk may be too full for a tombstone before something is removed.
    MB_RETURN_IF_ERROR(CarryAll(order, /*removals=*/true));
    MB_RETURN_IF_ERROR(CarryAll(order, /*removals=*/false));
    return std::move(report_);
  }

 private:
  /// The oldest first: what a run that ends early has done is what would be missed least.
  Status CarryAll(const std::vector<size_t>& order, bool removals) {
    for (size_t at = order.size(); at-- > 0;) {
      if ((decisions_[order[at]].verdict == Verdict::kRemove) != removals) continue;
      MB_RETURN_IF_ERROR(ctx_.Check());
      MB_RETURN_IF_ERROR(Carry(order[at], report_.backups[at]));
    }
    return Status::Ok();
  }

  /// What is to become of an entry.
  PrunedBackup Planned(size_t i) const {
    const HistoryEntry& entry = history_.entries[i];
    const Decision& decision = decisions_[i];
    PrunedBackup one{.name = entry.name,
                     .time = entry.time,
                     .outcome = OutcomeOf(decision.verdict),
                     .reasons = decision.reasons,
                     .tags = entry.tags};
    if (!decision.last_good_of.empty()) one.reasons.push_back(LastGoodText(decision));
    if (decision.verdict == Verdict::kMark) one.remove_after = now_ + request_.grace;
    if (decision.verdict == Verdict::kWait) one.remove_after = entry.remove_after;
    if (decision.verdict == Verdict::kInUse) {
      one.status = InUse(history_.locked.at(entry.name));
    }
    return one;
  }

  std::string LastGoodText(const Decision& decision) const {
    std::string text = "last good backup of " + history_.collections[decision.last_good_of.front()];
    const size_t others = decision.last_good_of.size() - 1;
    if (others > 0)
      text += fmt::format(" and {} other collection{}", others, others == 1 ? "" : "s");
    return text;
  }

  /// Do it. An error ends the run; what concerns this backup alone is in `one`.
  Status Carry(size_t i, PrunedBackup& one) {
    MB_ASSIGN_OR_RETURN(const std::string backup_dir, meta::BackupDir(place_.root, one.name));
    const Verdict verdict = decisions_[i].verdict;
    Status status;
    if (verdict == Verdict::kKeep && history_.has_stale_tombstone[i]) {
      return SettleStaleTombstone(one, backup_dir);
    }
    if (verdict == Verdict::kMark || verdict == Verdict::kRemove) {
      const Status deletable = meta::CheckDeletable(ctx_, backend_, backup_dir);
      if (deletable.code() == Code::kFailedPrecondition) return Leave(verdict, deletable, one);
      status = deletable;
      if (status.ok()) status = verdict == Verdict::kMark ? Mark(i, one) : Remove(one);
    }
    if (status.ok()) return Status::Ok();
    if (EndsTheCopy(status)) return std::move(status).Annotate("pruning backup " + one.name);
    one.outcome =
        status.code() == Code::kAlreadyExists ? PruneOutcome::kInUse : PruneOutcome::kFailed;
    one.remove_after.reset();
    one.status = std::move(status);
    return Status::Ok();
  }

  /// What could never be removed is not marked either, or every later run would fail on it.
  Status Leave(Verdict verdict, const Status& why, PrunedBackup& one) {
    const bool is_pruned = verdict == Verdict::kRemove;
    one.outcome = is_pruned ? PruneOutcome::kWaiting : PruneOutcome::kKept;
    one.reasons = {"it cannot be deleted"};
    one.remove_after.reset();
    report_.warnings.push_back(fmt::format("{} {}, for it cannot be deleted: {}", one.name,
                                           is_pruned ? "waits" : "is kept", why.ToString()));
    return Status::Ok();
  }

  Status Mark(size_t i, PrunedBackup& one) {
    if (request_.dry_run) {
      if (request_.grace == std::chrono::seconds(0)) return Measure(one);
      return Status::Ok();
    }
    MB_ASSIGN_OR_RETURN(const std::string backup_dir, meta::BackupDir(place_.root, one.name));
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock,
                        LockForRemoval(ctx_, place_, one.name, kOperation));
    MB_ASSIGN_OR_RETURN(const std::optional<std::string> header,
                        ReadHeaderText(ctx_, backend_, backup_dir));
    MB_ASSIGN_OR_RETURN(const bool is_as_found, IsAsFound(i, backup_dir, header));
    if (!is_as_found) {
      return Keep(one, "it was changed meanwhile: the next run decides");
    }
    const std::string why = fmt::format("{}", fmt::join(one.reasons, "; "));
    MB_RETURN_IF_ERROR(PutTombstone(backup_dir, lock.get(), header.value_or(""), why, one));
    const std::string key = meta::MetaKey(backup_dir, meta::MetaFile::kHeader);
    if (header) MB_RETURN_IF_ERROR(backend_.Delete(ctx_, key).Annotate("deleting " + key));
    log::Info("backup={} is pruned: {}", one.name, why);
    if (request_.grace > std::chrono::seconds(0)) return Status::Ok();
    return RemoveNow(backup_dir, lock.get(), one);
  }

  /// Under the lock: whether what was decided is still about this backup.
  Result<bool> IsAsFound(size_t i, const std::string& backup_dir,
                         const std::optional<std::string>& header) {
    const std::optional<meta::BackupInfo>& listed = history_.headers[i];
    if (header.has_value() != listed.has_value()) return false;
    if (header) {
      const auto now =
          meta::DecodeBackup(meta::SourceOf(*header), backup_dir, meta::Depth::kCollections);
      if (!now.ok() || *now != *listed) return false;
    } else {
      MB_ASSIGN_OR_RETURN(const std::optional<meta::Tombstone> tombstone,
                          meta::ReadTombstone(ctx_, backend_, backup_dir));
      if (tombstone) return false;
      const Status marker = backend_.Stat(ctx_, meta::MarkerKey(backup_dir)).status();
      if (marker.code() == Code::kNotFound) return false;
      MB_RETURN_IF_ERROR(marker);
    }
    MB_ASSIGN_OR_RETURN(const std::vector<std::string> tags,
                        meta::ReadTags(ctx_, backend_, backup_dir));
    return tags == history_.entries[i].tags;
  }

  static Status Keep(PrunedBackup& one, std::string reason) {
    one.outcome = PruneOutcome::kKept;
    one.reasons = {std::move(reason)};
    one.remove_after.reset();
    return Status::Ok();
  }

  Status PutTombstone(const std::string& backup_dir, RunLock* lock, std::string header,
                      const std::string& why, PrunedBackup& one) {
    const auto now = std::chrono::floor<std::chrono::seconds>(clock_.WallNow());
    const meta::Tombstone tombstone{.header = std::move(header),
                                    .pruned = now,
                                    .remove_after = now + request_.grace,
                                    .reason = why,
                                    .host = HostName()};
    one.remove_after = tombstone.remove_after;
    if (lock != nullptr) MB_RETURN_IF_ERROR(lock->Check(ctx_));
    Status written = meta::WriteTombstone(ctx_, backend_, backup_dir, tombstone);
    if (written.code() != Code::kResourceExhausted) return written;
    return std::move(written).WithAdvice("`delete -n " + one.name +
                                         "` removes it at once and needs no space");
  }

  Status Remove(PrunedBackup& one) {
    if (request_.dry_run) return Measure(one);
    MB_ASSIGN_OR_RETURN(const std::string backup_dir, meta::BackupDir(place_.root, one.name));
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock,
                        LockForRemoval(ctx_, place_, one.name, kOperation));
    MB_ASSIGN_OR_RETURN(const std::optional<meta::Tombstone> tombstone,
                        meta::ReadTombstone(ctx_, backend_, backup_dir));
    const std::string key = meta::MetaKey(backup_dir, meta::MetaFile::kHeader);
    Status header = backend_.Stat(ctx_, key).status();
    if (!header.ok() && header.code() != Code::kNotFound) return header;
    if (header.ok()) return Keep(one, "it was taken back meanwhile");
    if (!tombstone) return Keep(one, "it was removed or taken back meanwhile");
    if (!tombstone->is_removing && tombstone->remove_after > now_) {
      return Keep(one, "it was pruned anew meanwhile");
    }
    return RemoveNow(backup_dir, lock.get(), one);
  }

  Status RemoveNow(const std::string& backup_dir, RunLock* lock, PrunedBackup& one) {
    if (lock != nullptr) MB_RETURN_IF_ERROR(lock->Check(ctx_));
    MB_ASSIGN_OR_RETURN(const meta::DeletedBackup removed, RemoveLocked(ctx_, place_, backup_dir));
    NoteRemoved(removed, one);
    log::Info("backup={} is removed: objects={} bytes={}", one.name, one.objects, one.bytes);
    return Status::Ok();
  }

  /// A dry run's removal.
  Status Measure(PrunedBackup& one) {
    MB_ASSIGN_OR_RETURN(const std::string backup_dir, meta::BackupDir(place_.root, one.name));
    MB_ASSIGN_OR_RETURN(const meta::DeletedBackup there,
                        meta::MeasureBackup(ctx_, backend_, backup_dir));
    NoteRemoved(there, one);
    return Status::Ok();
  }

  static void NoteRemoved(const meta::DeletedBackup& removed, PrunedBackup& one) {
    one.outcome = PruneOutcome::kRemoved;
    one.remove_after.reset();
    one.objects = removed.objects;
    one.bytes = removed.bytes;
  }

  /// A run that was about to prune it ended between the tombstone and the header. It would speak
  /// for the backup if that lost its header by other means.
  Status SettleStaleTombstone(const PrunedBackup& one, const std::string& backup_dir) {
    Status status = meta::CheckDeletable(ctx_, backend_, backup_dir);
    if (status.ok() && !request_.dry_run) status = DropStaleTombstone(one, backup_dir);
    if (status.ok()) return Status::Ok();
    if (EndsTheCopy(status)) return std::move(status).Annotate("pruning backup " + one.name);
    // The header beside it wins.
    report_.warnings.push_back(
        fmt::format("{} keeps a tombstone beside its header, which cannot be removed: {}", one.name,
                    status.ToString()));
    return Status::Ok();
  }

  Status DropStaleTombstone(const PrunedBackup& one, const std::string& backup_dir) {
    const auto lock = LockForRemoval(ctx_, place_, one.name, kOperation);
    if (lock.status().code() == Code::kAlreadyExists) return Status::Ok();  // the next run's
    MB_RETURN_IF_ERROR(lock.status());
    const Status header =
        backend_.Stat(ctx_, meta::MetaKey(backup_dir, meta::MetaFile::kHeader)).status();
    if (header.code() == Code::kNotFound) return Status::Ok();
    MB_RETURN_IF_ERROR(header);
    return backend_.Delete(ctx_, meta::TombstoneKey(backup_dir));
  }

  const CallContext& ctx_;
  const Place& place_;
  storage::Backend& backend_;
  const PruneRequest& request_;
  Clock& clock_;
  const sys_seconds now_;
  History history_;
  std::vector<Decision> decisions_;
  PruneReport report_;
};

Status CheckRequest(const PruneRequest& request) {
  if (request.rules.empty()) {
    return InvalidArgumentError("no rule says which backups to keep");
  }
  if (request.grace < std::chrono::seconds(0)) return InvalidArgumentError("the grace is negative");
  return request.rules.Validate();
}

}  // namespace

std::string_view NameOf(PruneOutcome outcome) {
  switch (outcome) {
    case PruneOutcome::kKept:
      return "kept";
    case PruneOutcome::kMarked:
      return "marked";
    case PruneOutcome::kWaiting:
      return "waiting";
    case PruneOutcome::kRemoved:
      return "removed";
    case PruneOutcome::kInUse:
      return "in use";
    case PruneOutcome::kFailed:
      return "failed";
  }
  return "";
}

bool PruneReport::some_failed() const {
  return std::ranges::any_of(
      backups, [](const PrunedBackup& one) { return one.outcome == PruneOutcome::kFailed; });
}

Result<PruneReport> Prune(const CallContext& ctx, const Place& place, const PruneRequest& request,
                          Clock& clock) {
  MB_RETURN_IF_ERROR(CheckRequest(request));
  return Pruning(ctx, place, request, clock).Run();
}

Status UndoPrune(const CallContext& ctx, const Place& place, const std::string& name) {
  storage::Backend& backend = *place.backend;
  MB_ASSIGN_OR_RETURN(const std::string backup_dir, meta::BackupDir(place.root, name));
  MB_ASSIGN_OR_RETURN(std::optional<meta::Tombstone> tombstone,
                      meta::ReadTombstone(ctx, backend, backup_dir));
  const auto not_pruned = [&] {
    return FailedPreconditionError("backup " + name + " is not pruned: there is nothing to undo");
  };
  if (!tombstone) {
    // Its error tells what is not there at all.
    MB_RETURN_IF_ERROR(meta::MeasureBackup(ctx, backend, backup_dir).status());
    return not_pruned();
  }
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock,
                      LockForRemoval(ctx, place, name, kOperation));
  MB_ASSIGN_OR_RETURN(tombstone, meta::ReadTombstone(ctx, backend, backup_dir));
  if (!tombstone) return not_pruned();
  MB_ASSIGN_OR_RETURN(const std::optional<std::string> header,
                      ReadHeaderText(ctx, backend, backup_dir));
  if (!header && tombstone->is_removing) {
    return FailedPreconditionError("backup " + name + " was " + tombstone->ToString());
  }
  if (lock != nullptr) MB_RETURN_IF_ERROR(lock->Check(ctx));
  if (!header && !tombstone->header.empty()) {
    // What is no header would leave neither a backup nor the tombstone.
    MB_RETURN_IF_ERROR(
        meta::DecodeBackup(meta::SourceOf(tombstone->header), meta::TombstoneKey(backup_dir))
            .status());
    const std::string key = meta::MetaKey(backup_dir, meta::MetaFile::kHeader);
    const ByteView body = AsBytes(tombstone->header);
    const auto written = backend.Put(ctx, key, body, {.crc32c = Crc32c(body)});
    if (!written.ok()) return written.status().Annotate("writing " + key);
  }
  const std::string key = meta::TombstoneKey(backup_dir);
  Status dropped = backend.Delete(ctx, key).Annotate("deleting " + key);
  // Behind a link of a disk nothing is deleted; the header beside it wins.
  const bool may_stay = dropped.code() == Code::kFailedPrecondition &&
                        (header.has_value() || !tombstone->header.empty());
  if (!dropped.ok() && !may_stay) return dropped;
  if (!dropped.ok()) log::Warn("backup={} is back, but {}", name, dropped.ToString());
  log::Info("backup={} is no longer pruned", name);
  return Status::Ok();
}

}  // namespace milvus_backup::backup
