/// Local time of a place, from the time zone database of the system.
#pragma once

#include "milvus_backup/base/status.h"

#include <chrono>
#include <string>

namespace date {
class time_zone;
}

namespace milvus_backup::service {

/// What the clocks on the wall of a place show: seconds since 1970-01-01 00:00:00 of their own.
using WallTime = std::chrono::time_point<std::chrono::local_t, std::chrono::seconds>;

/// A value type; thread-safe.
class TimeZone {
 public:
  /// Between two changes of the clocks.
  struct Period {
    /// The first second after it.
    std::chrono::sys_seconds end;
    /// Added to UTC it gives the local time.
    std::chrono::seconds offset{0};
  };

  /// UTC.
  TimeZone() = default;
  /// `Europe/Berlin`, as in the system's database; UTC needs no database. kInvalidArgument when
  /// there is no such zone, kFailedPrecondition when there is no database.
  static Result<TimeZone> Find(const std::string& name);

  const std::string& name() const { return name_; }
  Period PeriodAt(std::chrono::sys_seconds time) const;
  WallTime ToWall(std::chrono::sys_seconds time) const;
  /// When the clocks show `wall`: of a time that they show twice the first, and for one that they
  /// leave out the moment in which they are put forward.
  std::chrono::sys_seconds ToUtc(WallTime wall) const;

 private:
  std::string name_ = "UTC";
  /// Null is UTC. Of the library, which keeps it for as long as the program runs.
  const date::time_zone* zone_ = nullptr;
};

}  // namespace milvus_backup::service
