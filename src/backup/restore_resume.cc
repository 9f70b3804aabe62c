#include "restore_resume.h"

#include "restore_schema.h"

#include "milvus_backup/base/log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <optional>
#include <utility>

namespace milvus_backup::backup {
namespace {

using meta::RestoreMode;
using meta::RestoreProgress;
using meta::RestoreState;

void AppendSkipped(const char* flag, const std::set<std::string>& keys, std::string& text) {
  if (!keys.empty()) text += fmt::format(" {} {}", flag, fmt::join(keys, ","));
}

/// The physical part of a hybrid timestamp of Milvus.
std::chrono::milliseconds TimeOf(uint64_t hybrid) {
  constexpr int kLogicalBits = 18;
  return std::chrono::milliseconds(static_cast<int64_t>(hybrid >> kLogicalBits));
}

/// A run sends CreateCollection right after it has written down that it will: the call may wait a
/// minute for a connection and half a minute for its answer.
constexpr auto kCreateLimit = std::chrono::minutes(2);

class TakeOver {
 public:
  TakeOver(const CallContext& ctx, milvus::Client& client, const RestoreOptions& options,
           const CollectionPlan& plan, const RestoreLedger& ledger, const RestoreProgress& left,
           Destination& destination)
      : ctx_(ctx),
        client_(client),
        options_(options),
        db_(plan.target.db),
        ledger_(ledger),
        left_(left),
        who_(ledger.WhoLeft(left.target)),
        destination_(destination) {}

  Result<bool> Run() {
    if (left_.request != destination_.request_text) return WantsSomethingElse();
    if (left_.state == RestoreState::kDone) return IsDone();
    if (left_.mode == RestoreMode::kReuse) return GoOnWithReused();
    if (left_.state == RestoreState::kSwapping) return GoOnWithSwap();
    return GoOnWithCreated();
  }

 private:
  /// None when nobody has the name, or only as an alias.
  Result<std::optional<milvus::Collection>> Find(const std::string& name) {
    auto found = client_.DescribeCollection(ctx_, db_, name);
    if (found.status().code() == Code::kNotFound) return std::optional<milvus::Collection>();
    MB_RETURN_IF_ERROR(found.status());
    if (found->schema.name != name) return std::optional<milvus::Collection>();
    return std::optional(*std::move(found));
  }

  std::string TargetName() const { return left_.target.substr(db_.size() + 1); }
  bool FillsTargetItself() const { return left_.filled_as == TargetName(); }

  Result<bool> WantsSomethingElse() {
    // The collection is whole, so all that is left of that run are others.
    if (left_.state == RestoreState::kDone) return false;
    MB_ASSIGN_OR_RETURN(const bool is_gone, IsGone());
    if (is_gone) return Discard(left_.target + ", which was not restored to its end, is gone");
    const std::string what = fmt::format("{} is unfinished: a {} was going to restore {}",
                                         left_.target, who_, left_.request);
    const bool is_swapping = left_.state == RestoreState::kSwapping;
    if (options_.existing == ExistingTarget::kReplace && !is_swapping) {
      return Discard(what + ", not " + destination_.request_text);
    }
    std::string advice = "run that command again to finish it";
    if (!is_swapping && left_.mode != RestoreMode::kReuse) {
      advice += ", or start anew with --drop_exist_collection";
    } else {
      advice += fmt::format(", or put {} right by hand and remove {} to forget that restore",
                            left_.target, ledger_.WhereLeft(left_.target));
    }
    return AlreadyExistsError(what).WithAdvice(std::move(advice));
  }

  /// Whether Milvus has nothing any more of what that run has made or changed.
  Result<bool> IsGone() {
    MB_ASSIGN_OR_RETURN(const auto filled, Find(left_.filled_as));
    if (left_.state == RestoreState::kCreating && left_.mode != RestoreMode::kReuse) {
      return !filled || (FillsTargetItself() && !IsMadeByThatRun(*filled));
    }
    if (filled && filled->id == left_.collection_id) return false;
    if (left_.state != RestoreState::kSwapping) return true;
    MB_ASSIGN_OR_RETURN(const auto target, Find(TargetName()));
    if (target && target->id == left_.collection_id) return false;
    MB_ASSIGN_OR_RETURN(const auto retired, Find(left_.retired_as));
    return !retired;
  }

  /// Of a collection whose id was not written down: nobody else would give a name beside the
  /// target's, and under the target's own only the time tells. Milvus takes a second
  /// CreateCollection of the same schema for a success, so who was first at that time is all the
  /// same to it.
  bool IsMadeByThatRun(const milvus::Collection& found) const {
    if (!FillsTargetItself()) return found.created_timestamp > left_.created_after;
    if (left_.created_after == 0 || found.created_timestamp <= left_.created_after) return false;
    return TimeOf(found.created_timestamp) - TimeOf(left_.created_after) < kCreateLimit;
  }

  /// What that run left has to go, but for a collection under the target's own name.
  Result<bool> Discard(const std::string& reason) {
    log::Warn("{}: it is started again", reason);
    destination_.discarded = left_;
    return false;
  }

  /// Nothing is left but, perhaps, staged objects.
  bool StartAgain() {
    destination_.left = RestoreProgress{.uploads = left_.uploads};
    return false;
  }

  bool GoOn(int64_t collection_id) {
    destination_.working_name = left_.filled_as;
    destination_.retired_name = left_.retired_as;
    destination_.request.schema.name = left_.filled_as;
    destination_.left = left_;
    destination_.left->collection_id = collection_id;
    switch (left_.mode) {
      case RestoreMode::kCreate:
        break;
      case RestoreMode::kReplace:
        destination_.existing = ExistingTarget::kReplace;
        break;
      case RestoreMode::kReuse:
        destination_.existing = ExistingTarget::kReuse;
        break;
    }
    log::Info("target={} msg=\"going on with a {}\"", left_.target, who_);
    return true;
  }

  Result<bool> IsDone() {
    MB_ASSIGN_OR_RETURN(const auto found, Find(TargetName()));
    if (!found || found->id != left_.collection_id) return false;
    if (options_.existing == ExistingTarget::kReplace) {
      // To replace is what was asked for; what is right, and part of a restore that goes on, need
      // not be replaced by the same.
      if (ledger_.IsFinished()) return false;
      MB_ASSIGN_OR_RETURN(const int64_t rows, CountRows(ctx_, client_, db_, TargetName()));
      if (rows != left_.rows) {
        log::Warn("{} has {} rows instead of {}: it is restored again", left_.target, rows,
                  left_.rows);
        return false;
      }
    }
    GoOn(left_.collection_id);
    destination_.working_name = TargetName();
    return true;
  }

  Result<bool> GoOnWithReused() {
    MB_ASSIGN_OR_RETURN(auto found, Find(TargetName()));
    if (!found || found->id != left_.collection_id) return StartAgain();
    destination_.found = std::move(found);
    return GoOn(left_.collection_id);
  }

  Result<bool> GoOnWithSwap() {
    MB_ASSIGN_OR_RETURN(const auto target, Find(TargetName()));
    MB_ASSIGN_OR_RETURN(const auto filled, Find(left_.filled_as));
    const auto is_restored = [&](const std::optional<milvus::Collection>& one) {
      return one && one->id == left_.collection_id;
    };
    if (is_restored(target) || is_restored(filled)) return GoOn(left_.collection_id);
    MB_ASSIGN_OR_RETURN(const auto retired, Find(left_.retired_as));
    if (!retired) return StartAgain();
    return FailedPreconditionError(fmt::format("the restored {}.{} was dropped before it could "
                                               "replace {}, which is {}.{} now",
                                               db_, left_.filled_as, left_.target, db_,
                                               left_.retired_as))
        .WithAdvice(fmt::format("rename it back to {}, or drop it", TargetName()));
  }

  Result<bool> GoOnWithCreated() {
    MB_ASSIGN_OR_RETURN(const auto filled, Find(left_.filled_as));
    if (left_.mode == RestoreMode::kReplace && !FillsTargetItself()) {
      // May have been replaced by its owner since: what is there now is what was asked about.
      MB_ASSIGN_OR_RETURN(const auto target, Find(TargetName()));
      if (!target) return filled ? Discard(left_.target + " is not there any more") : StartAgain();
      destination_.found = target;
    }
    if (!filled || filled->id == left_.replaced_id) return StartAgain();
    const bool is_known = left_.state != RestoreState::kCreating;
    if (is_known && filled->id != left_.collection_id) return StartAgain();
    const bool fits = CheckSchemaFits(destination_.request.schema, filled->schema).ok();
    if (is_known && fits) return GoOnReplacing(filled->id);
    if (is_known) return Discard(left_.target + " does not have the schema of the backup");
    // Made between two steps of a run that was killed, or by somebody else since.
    MB_ASSIGN_OR_RETURN(const int64_t rows, client_.CountStoredRows(ctx_, db_, left_.filled_as));
    const bool is_as_made = fits && rows == 0;
    if (is_as_made && IsMadeByThatRun(*filled)) return GoOnReplacing(filled->id);
    if (!FillsTargetItself()) return Discard(left_.filled_as + " is not as it was to be made");
    if (is_as_made && options_.existing == ExistingTarget::kRefuse) return CannotBeProved();
    return StartAgain();
  }

  Status CannotBeProved() const {
    return AlreadyExistsError(
               fmt::format("{} is there and empty, and it cannot be proved that the {} made it, "
                           "which was not finished",
                           left_.target, who_))
        .WithAdvice(
            "drop it if nobody needs it, replace it with --drop_exist_collection, or "
            "choose another name with -s/--suffix or -r/--rename; nothing was changed");
  }

  bool GoOnReplacing(int64_t collection_id) {
    GoOn(collection_id);
    if (destination_.found) destination_.left->replaced_id = destination_.found->id;
    return true;
  }

  const CallContext& ctx_;
  milvus::Client& client_;
  const RestoreOptions& options_;
  const std::string& db_;
  const RestoreLedger& ledger_;
  const RestoreProgress& left_;
  const std::string who_;
  Destination& destination_;
};

}  // namespace

Result<int64_t> CountRows(const CallContext& ctx, milvus::Client& client, const std::string& db,
                          const std::string& collection) {
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Segment> segments,
                      client.ListPersistentSegments(ctx, db, collection));
  int64_t rows = 0;
  for (const milvus::Segment& segment : segments) rows += segment.num_rows;
  return rows;
}

std::string DescribeRequest(const meta::BackupInfo& info, const CollectionPlan& plan,
                            const RestoreOptions& options) {
  std::string text = fmt::format("{} of backup {}", plan.source.ToString(), options.name);
  if (!info.id.empty()) text += fmt::format(" (id {})", info.id);
  if (options.existing == ExistingTarget::kReplace) text += " --drop_exist_collection";
  if (options.existing == ExistingTarget::kReuse) text += " --skip_create_collection";
  if (options.meta_only) text += " --meta_only";
  if (options.rebuild_index) text += " --rebuild_index";
  if (options.rebuild_index && options.use_auto_index) text += " --use_auto_index";
  if (options.max_shard_num > 0) text += fmt::format(" --max_shard_num {}", options.max_shard_num);
  const SkipParams& skip = options.skip_params;
  AppendSkipped("without collection properties", skip.collection_properties, text);
  AppendSkipped("without field index params", skip.field_index_params, text);
  AppendSkipped("without field type params", skip.field_type_params, text);
  AppendSkipped("without index params", skip.index_params, text);
  return text;
}

Result<bool> TakeUp(const CallContext& ctx, milvus::Client& client, const RestoreOptions& options,
                    const RestoreLedger& ledger, const CollectionPlan& plan,
                    Destination& destination) {
  const std::string target = plan.target.ToString();
  const RestoreProgress* left = ledger.Find(target);
  if (left == nullptr) return false;
  return TakeOver(ctx, client, options, plan, ledger, *left, destination).Run();
}

}  // namespace milvus_backup::backup
