#include "time_zone.h"

#include <date/tz.h>
#include <fmt/format.h>

#include <exception>

namespace milvus_backup::service {
namespace {

using std::chrono::sys_seconds;

bool IsUtc(const std::string& name) {
  return name == "UTC" || name == "Etc/UTC" || name == "GMT" || name == "Z";
}

}  // namespace

Result<TimeZone> TimeZone::Find(const std::string& name) {
  TimeZone zone;
  if (IsUtc(name)) return zone;
  // The library throws when it finds no database, and also for a name that is not in it.
  try {
    static_cast<void>(date::get_tzdb());
  } catch (const std::exception&) {
    return FailedPreconditionError(
               "the system has no time zone database, which only UTC does without")
        .WithAdvice("install the package tzdata");
  }
  try {
    zone.zone_ = date::locate_zone(name);
    // The file is read now: what is wrong with it is told here and not later.
    static_cast<void>(zone.zone_->get_info(sys_seconds{}));
  } catch (const std::exception&) {
    return InvalidArgumentError(fmt::format("no time zone is called '{}'", name))
        .WithAdvice("use a name such as Europe/Berlin; `timedatectl list-timezones` prints all");
  }
  zone.name_ = name;
  return zone;
}

TimeZone::Period TimeZone::PeriodAt(sys_seconds time) const {
  if (zone_ == nullptr) return {.end = sys_seconds::max()};
  const date::sys_info info = zone_->get_info(time);
  return {.end = info.end, .offset = info.offset};
}

WallTime TimeZone::ToWall(sys_seconds time) const {
  return WallTime(time.time_since_epoch() + PeriodAt(time).offset);
}

sys_seconds TimeZone::ToUtc(WallTime wall) const {
  if (zone_ == nullptr) return sys_seconds(wall.time_since_epoch());
  const date::local_info info = zone_->get_info(date::local_seconds(wall.time_since_epoch()));
  if (info.result == date::local_info::nonexistent) return info.first.end;
  return sys_seconds(wall.time_since_epoch() - info.first.offset);
}

}  // namespace milvus_backup::service
