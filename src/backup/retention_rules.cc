#include "milvus_backup/backup/prune.h"
#include "milvus_backup/meta/tags.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <utility>

namespace milvus_backup::backup {
namespace {

constexpr size_t kTimeLength = std::string_view("YYYYMMDDTHHMMSSZ").size();

/// Digits alone; none for anything else and for more than nine.
std::optional<int> ParseDigits(std::string_view text) {
  constexpr size_t kMostDigits = 9;
  if (text.empty() || text.size() > kMostDigits) return std::nullopt;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool fits = error == std::errc() && end == text.data() + text.size() && text[0] != '-';
  return fits ? std::optional(value) : std::nullopt;
}

struct SpanUnit {
  char letter;
  int CalendarSpan::*member;
  /// About a thousand years.
  int most;
};
constexpr std::array<SpanUnit, 4> kSpanUnits = {{{'y', &CalendarSpan::years, 1000},
                                                 {'m', &CalendarSpan::months, 12000},
                                                 {'d', &CalendarSpan::days, 366000},
                                                 {'h', &CalendarSpan::hours, 8784000}}};

Status NoSpan(std::string_view text) {
  return InvalidArgumentError(fmt::format("'{}' is no span of time", text))
      .WithAdvice("give years, months, days and hours, such as 2y5m7d3h");
}

}  // namespace

std::string CalendarSpan::ToString() const {
  std::string text;
  for (const SpanUnit& unit : kSpanUnits) {
    if (this->*unit.member != 0) text += fmt::format("{}{}", this->*unit.member, unit.letter);
  }
  return text;
}

Result<CalendarSpan> ParseKeepWithin(std::string_view text) {
  CalendarSpan span;
  std::string_view rest = text;
  for (const SpanUnit& unit : kSpanUnits) {
    const size_t digits = rest.find_first_not_of("0123456789");
    if (digits == std::string_view::npos || rest[digits] != unit.letter) continue;
    const std::optional<int> value = ParseDigits(rest.substr(0, digits));
    if (!value || *value > unit.most) return NoSpan(text);
    span.*unit.member = *value;
    rest.remove_prefix(digits + 1);
  }
  if (!rest.empty() || span == CalendarSpan()) return NoSpan(text);
  return span;
}

Result<std::chrono::seconds> ParseGrace(std::string_view text) {
  constexpr std::array<std::pair<char, int>, 4> kUnits = {
      {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}}};
  constexpr int64_t kMost = int64_t{3660} * 86400;
  if (text == "0") return std::chrono::seconds(0);
  for (const auto& [letter, seconds] : kUnits) {
    if (!text.ends_with(letter)) continue;
    const std::optional<int> value = ParseDigits(text.substr(0, text.size() - 1));
    if (!value || int64_t{*value} * seconds > kMost) break;
    return std::chrono::seconds(int64_t{*value} * seconds);
  }
  return InvalidArgumentError(fmt::format("'{}' is no length of time", text))
      .WithAdvice("give a number with s, m (minutes), h or d, such as 12h, or 0");
}

bool RetentionRules::empty() const {
  return keep_last == 0 && keep_hourly == 0 && keep_daily == 0 && keep_weekly == 0 &&
         keep_monthly == 0 && keep_yearly == 0 && !keep_within && keep_tags.empty();
}

Status RetentionRules::Validate() const {
  const std::array<std::pair<const char*, int>, 6> counts = {{{"keep-last", keep_last},
                                                              {"keep-hourly", keep_hourly},
                                                              {"keep-daily", keep_daily},
                                                              {"keep-weekly", keep_weekly},
                                                              {"keep-monthly", keep_monthly},
                                                              {"keep-yearly", keep_yearly}}};
  for (const auto& [name, count] : counts) {
    if (count < 0)
      return InvalidArgumentError(fmt::format("{} is {}: give 0 or more", name, count));
  }
  if (keep_within) {
    for (const SpanUnit& unit : kSpanUnits) {
      const int value = (*keep_within).*(unit.member);
      if (value < 0 || value > unit.most)
        return InvalidArgumentError("keep-within is out of range");
    }
    if (*keep_within == CalendarSpan()) return InvalidArgumentError("keep-within is empty");
  }
  for (const std::string& tag : keep_tags) {
    MB_RETURN_IF_ERROR(meta::ValidateTag(tag).Annotate("keep-tag"));
  }
  return Status::Ok();
}

std::string ScheduledName(std::string_view schedule, std::chrono::system_clock::time_point time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  return fmt::format("{}_{:04}{:02}{:02}T{:02}{:02}{:02}Z", schedule, static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::optional<std::chrono::system_clock::time_point> ScheduledTime(std::string_view schedule,
                                                                   std::string_view name) {
  if (name.size() != schedule.size() + 1 + kTimeLength || !name.starts_with(schedule) ||
      name[schedule.size()] != '_') {
    return std::nullopt;
  }
  const std::string_view text = name.substr(schedule.size() + 1);
  if (text[8] != 'T' || text[15] != 'Z') return std::nullopt;
  const auto year = ParseDigits(text.substr(0, 4));
  const auto month = ParseDigits(text.substr(4, 2));
  const auto day = ParseDigits(text.substr(6, 2));
  const auto hour = ParseDigits(text.substr(9, 2));
  const auto minute = ParseDigits(text.substr(11, 2));
  const auto second = ParseDigits(text.substr(13, 2));
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day)));
  // Beyond these years a point of the system's clock could not hold it.
  constexpr int kFirstYear = 1970;
  constexpr int kLastYear = 2261;
  if (!date.ok() || *year < kFirstYear || *year > kLastYear || *hour > 23 || *minute > 59 ||
      *second > 59) {
    return std::nullopt;
  }
  return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second);
}

}  // namespace milvus_backup::backup
