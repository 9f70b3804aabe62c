/// Retention: which backups of a place to keep, and removing the others in two steps.
///
/// A backup that goes loses its header to a tombstone (`meta/tombstone.json`) that holds it: nobody
/// sees a backup there any more, and UndoPrune brings it back. A later run, once the grace has
/// passed, removes the data. So a mistake, or a reader that could not leave a lock, has that long.
/// docs/format.md describes the tombstone, docs/decisions/013-pruning.md tells why.
#pragma once

#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::backup {

/// A span of the calendar (UTC), such as `2y5m7d3h`.
struct CalendarSpan {
  int years = 0;
  int months = 0;
  int days = 0;
  int hours = 0;
  friend bool operator==(const CalendarSpan&, const CalendarSpan&) = default;

  /// `2y5m7d3h`.
  std::string ToString() const;
};

/// Numbers with the units y, m (months), d and h, each at most once and in this order; not empty,
/// not zero. kInvalidArgument says what is wrong.
Result<CalendarSpan> ParseKeepWithin(std::string_view text);

/// `90s`, `30m` (minutes), `12h`, `7d`; 0 may stand without a unit. kInvalidArgument says what is
/// wrong.
Result<std::chrono::seconds> ParseGrace(std::string_view text);

/// What keeps a complete backup; one rule that does is enough. Periods are those of the calendar in
/// UTC, weeks begin on Mondays. 0, none and empty: no such rule.
struct RetentionRules {
  /// The newest so many.
  int keep_last = 0;
  /// The newest of each of the latest so many hours (days…) that have a backup at all.
  int keep_hourly = 0;
  int keep_daily = 0;
  int keep_weekly = 0;
  int keep_monthly = 0;
  int keep_yearly = 0;
  /// All that are not older than this, counted back from the newest one, or from now if that one's
  /// time is in the future.
  std::optional<CalendarSpan> keep_within{};
  /// All with one of these tags, partial ones too.
  std::vector<std::string> keep_tags{};

  bool empty() const;
  /// kInvalidArgument for a negative count, an empty span or a text that cannot be a tag. Empty
  /// rules are valid here; Prune refuses them.
  Status Validate() const;
};

/// Between a backup's mark as pruned and the removal of its data. Below a day, so that what one
/// daily run marks the next one removes.
inline constexpr std::chrono::seconds kDefaultGrace = std::chrono::hours(12);

/// How old a backup without a header must be, by the newest of its marks, to be taken for given up.
inline constexpr std::chrono::seconds kUnfinishedAge = std::chrono::hours(24 * 7);

struct PruneRequest {
  RetentionRules rules{};
  /// Of what this run marks; 0 removes the data in the same run. What earlier runs have marked goes
  /// when the grace that they gave has passed.
  std::chrono::seconds grace = kDefaultGrace;
  /// Only backups of this schedule, that is those called `<schedule>_<YYYYMMDDTHHMMSSZ>`; empty for
  /// all. The others are neither counted by the rules nor removed nor reported, but a collection's
  /// last good backup may be one of them.
  std::string schedule{};
  /// Find out what would be done; nothing is written, also no lock.
  bool dry_run = false;
};

enum class PruneOutcome {
  kKept,
  /// The header has given way to a tombstone.
  kMarked,
  /// Marked by an earlier run; its grace has not passed.
  kWaiting,
  /// The data is removed.
  kRemoved,
  /// Would have gone, but another run reads, writes, copies or deletes it.
  kInUse,
  kFailed,
};

/// `kept`, `marked`, `waiting`, `removed`, `in use`, `failed`.
std::string_view NameOf(PruneOutcome outcome);

/// What became of one backup; in a dry run, what would.
struct PrunedBackup {
  std::string name;
  /// When it was taken, as well as its objects tell; of an unfinished one its latest sign of life.
  /// 1970 when nothing tells.
  std::chrono::system_clock::time_point time{};
  PruneOutcome outcome = PruneOutcome::kKept;
  /// The rules that keep it (`keep-daily`), or why it goes; never empty.
  std::vector<std::string> reasons;
  std::vector<std::string> tags;
  /// kMarked and kWaiting: when the data may go.
  std::optional<std::chrono::system_clock::time_point> remove_after;
  /// kRemoved: how much.
  uint64_t objects = 0;
  uint64_t bytes = 0;
  /// kInUse and kFailed: by whom, or why.
  Status status;
};

struct PruneReport {
  /// The newest first.
  std::vector<PrunedBackup> backups;
  /// One sentence each.
  std::vector<std::string> warnings;

  /// Whether one has failed; one in use has not.
  bool some_failed() const;
};

/// Apply `request` to the backups below `place`. The newest complete backup of every collection
/// stays whatever the rules say, and so does one that another run is at work on. Rules count
/// complete backups only:
///   - a partial one goes when a newer complete one has all of its collections, and a day has
///     passed since it was taken;
///   - an unfinished one goes after kUnfinishedAge without a sign of life.
/// kInvalidArgument when there is no rule or one is wrong; errors that no backup can survive (a
/// stop, a storage gone, credentials) end the run. May be repeated after any end, also a kill.
Result<PruneReport> Prune(const CallContext& ctx, const Place& place, const PruneRequest& request,
                          Clock& clock);

/// Take back the pruning of a backup whose data is still whole. kNotFound when there is nothing of
/// that name, kFailedPrecondition when it was not pruned or its data is being removed already,
/// kAlreadyExists when another run is at work on it. A call that was cut off is ended by the next.
Status UndoPrune(const CallContext& ctx, const Place& place, const std::string& name);

/// The name that a schedule's backup taken at `time` has: `<schedule>_<YYYYMMDDTHHMMSSZ>`.
std::string ScheduledName(std::string_view schedule, std::chrono::system_clock::time_point time);

/// When a backup of `schedule` called `name` was taken; none when `name` is not one of its names.
std::optional<std::chrono::system_clock::time_point> ScheduledTime(std::string_view schedule,
                                                                   std::string_view name);

}  // namespace milvus_backup::backup
