/// Cron expressions: `minute hour day-of-month month day-of-week`. docs/configuration.md describes
/// what may stand there.
#pragma once

#include "time_zone.h"

#include "milvus_backup/base/status.h"

#include <bitset>
#include <chrono>
#include <optional>
#include <string_view>

namespace milvus_backup::service {

/// The times at which something is to be done. A value type; thread-safe.
class Cron {
 public:
  /// Five fields or one of `@hourly`, `@daily` (`@midnight`), `@weekly`, `@monthly`, `@yearly`
  /// (`@annually`). kInvalidArgument naming the field, also when no day there ever was or will be
  /// fits, such as 31 February.
  static Result<Cron> Parse(std::string_view text, const TimeZone& zone);

  /// The first time after `after`. Where the clocks of the zone change this is what Vixie's cron
  /// does: an expression with a `*` in front of its minutes or its hours goes by what the clocks
  /// show, so it has nothing to do in an hour that is left out and comes again in one that is
  /// repeated. Any other has a time of a left out hour right after it, once, and a time of a
  /// repeated hour the first time only.
  ///
  /// None when that lies more than four hundred years ahead, or beyond what can be told.
  std::optional<std::chrono::sys_seconds> Next(std::chrono::sys_seconds after) const;

 private:
  Cron() = default;

  bool MatchesDay(std::chrono::sys_days day) const;
  bool HasDays() const;
  /// The first time on the wall that fits and is not before `from`.
  std::optional<WallTime> NextOnWall(WallTime from) const;
  std::optional<std::chrono::sys_seconds> NextByClock(std::chrono::sys_seconds after) const;
  std::optional<std::chrono::sys_seconds> NextFixed(std::chrono::sys_seconds after) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  /// From 1, as months.
  std::bitset<32> days_;
  std::bitset<13> months_;
  /// 0 is Sunday.
  std::bitset<7> weekdays_;
  /// A `*` stands in front of minutes or hours.
  bool by_clock_ = false;
  /// Both fields of days are restricted, so that one of them is enough.
  bool either_day_ = false;
  TimeZone zone_;
};

}  // namespace milvus_backup::service
