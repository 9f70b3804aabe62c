#include "cron.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <span>
#include <string>
#include <vector>

namespace milvus_backup::service {
namespace {

using std::chrono::days;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

/// The calendar repeats itself after so many days.
constexpr days kWholeCalendar{146097};

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};

struct Macro {
  std::string_view name;
  std::string_view text;
};
constexpr Macro kMacros[] = {{"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},
                             {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
                             {"@monthly", "0 0 1 * *"},  {"@yearly", "0 0 1 1 *"},
                             {"@annually", "0 0 1 1 *"}};

/// What one of the five fields may hold.
struct Field {
  std::string_view name;
  int min = 0;
  int max = 0;
  /// Of the values from `min` on; empty where there are none.
  std::span<const std::string_view> names{};
};
constexpr std::array<Field, 5> kFields = {{{"minute", 0, 59},
                                           {"hour", 0, 23},
                                           {"day of month", 1, 31},
                                           {"month", 1, 12, kMonths},
                                           {"day of week", 0, 7, kWeekdays}}};
constexpr size_t kWeekdayField = 4;

using Values = std::bitset<60>;

Status Wrong(const Field& field, std::string_view item, std::string_view why) {
  return InvalidArgumentError(fmt::format("{} '{}': {}", field.name, item, why));
}

std::string LowerText(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

std::optional<int> ParseNumber(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = error == std::errc() && end == text.data() + text.size() &&
                         std::isdigit(static_cast<unsigned char>(text.front())) != 0;
  return is_number ? std::optional(value) : std::nullopt;
}

Result<int> ParseValue(const Field& field, std::string_view item, std::string_view text) {
  const auto* const name = std::ranges::find(
      field.names.data(), field.names.data() + field.names.size(), LowerText(text));
  if (name != field.names.data() + field.names.size()) {
    return field.min + static_cast<int>(name - field.names.data());
  }
  const std::optional<int> number = text.empty() ? std::nullopt : ParseNumber(text);
  if (!number) {
    return Wrong(field, item,
                 field.names.empty()
                     ? "want a number, *, a range a-b, a list a,b or a step */n"
                     : "want a number, a name such as " + std::string(field.names.back()) +
                           ", *, a range a-b, a list a,b or a step */n");
  }
  if (*number < field.min || *number > field.max) {
    return Wrong(field, item, fmt::format("want {} to {}", field.min, field.max));
  }
  return *number;
}

struct Range {
  int first = 0;
  int last = 0;
};

Result<Range> ParseRange(const Field& field, std::string_view item, std::string_view text,
                         bool has_step) {
  if (text == "*") return Range{field.min, field.max};
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    MB_ASSIGN_OR_RETURN(const int value, ParseValue(field, item, text));
    // `5/15` counts from 5 to the end, as most programs have it.
    return Range{value, has_step ? field.max : value};
  }
  MB_ASSIGN_OR_RETURN(const int first, ParseValue(field, item, text.substr(0, dash)));
  MB_ASSIGN_OR_RETURN(int last, ParseValue(field, item, text.substr(dash + 1)));
  // The week ends with Sunday as well as it begins with it.
  if (&field == &kFields[kWeekdayField] && last == 0 && first > 0) last = 7;
  if (first > last) return Wrong(field, item, "the range ends before it begins");
  return Range{first, last};
}

Status AddItem(const Field& field, std::string_view item, Values& values) {
  const size_t slash = item.find('/');
  const bool has_step = slash != std::string_view::npos;
  int step = 1;
  if (has_step) {
    const std::string_view text = item.substr(slash + 1);
    const std::optional<int> number = text.empty() ? std::nullopt : ParseNumber(text);
    if (!number || *number < 1 || *number > field.max) {
      return Wrong(field, item, fmt::format("want a step from 1 to {}", field.max));
    }
    step = *number;
  }
  MB_ASSIGN_OR_RETURN(const Range range, ParseRange(field, item, item.substr(0, slash), has_step));
  for (int value = range.first; value <= range.last; value += step) {
    values.set(static_cast<size_t>(value));
  }
  return Status::Ok();
}

Result<Values> ParseField(const Field& field, std::string_view text) {
  Values values;
  while (true) {
    const size_t comma = text.find(',');
    MB_RETURN_IF_ERROR(AddItem(field, text.substr(0, comma), values));
    if (comma == std::string_view::npos) return values;
    text.remove_prefix(comma + 1);
  }
}

std::vector<std::string_view> SplitAtBlanks(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  std::vector<std::string_view> words;
  for (size_t begin = text.find_first_not_of(kBlanks); begin != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(kBlanks, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kBlanks, end);
  }
  return words;
}

template <size_t kSize>
std::bitset<kSize> Resized(const Values& values) {
  std::bitset<kSize> resized;
  for (size_t i = 0; i < std::min(kSize, values.size()); ++i) resized.set(i, values.test(i));
  return resized;
}

}  // namespace

Result<Cron> Cron::Parse(std::string_view text, const TimeZone& zone) {
  std::vector<std::string_view> words = SplitAtBlanks(text);
  if (words.size() == 1 && words[0].starts_with('@')) {
    const auto* const macro = std::ranges::find(kMacros, LowerText(words[0]), &Macro::name);
    if (macro == std::end(kMacros)) {
      return InvalidArgumentError(fmt::format("'{}' is no time", words[0]))
          .WithAdvice("use @hourly, @daily, @weekly, @monthly, @yearly or five fields");
    }
    words = SplitAtBlanks(macro->text);
  }
  if (words.size() != kFields.size()) {
    return InvalidArgumentError(fmt::format("'{}' has {} fields instead of 5", text, words.size()))
        .WithAdvice(
            "write minute, hour, day of month, month and day of week: \"30 2 * * mon-fri\"");
  }
  std::array<Values, kFields.size()> values;
  for (size_t i = 0; i < kFields.size(); ++i) {
    MB_ASSIGN_OR_RETURN(values.at(i), ParseField(kFields.at(i), words[i]));
  }
  Cron cron;
  cron.zone_ = zone;
  cron.minutes_ = values[0];
  cron.hours_ = Resized<24>(values[1]);
  cron.days_ = Resized<32>(values[2]);
  cron.months_ = Resized<13>(values[3]);
  cron.weekdays_ = Resized<7>(values[kWeekdayField]);
  if (values[kWeekdayField].test(7)) cron.weekdays_.set(0);
  cron.by_clock_ = words[0].starts_with('*') || words[1].starts_with('*');
  cron.either_day_ = !words[2].starts_with('*') && !words[kWeekdayField].starts_with('*');
  if (!cron.HasDays()) {
    return InvalidArgumentError(
        fmt::format("'{}' never comes: no month of it has such a day", text));
  }
  return cron;
}

bool Cron::MatchesDay(sys_days day) const {
  const std::chrono::year_month_day date(day);
  if (!months_.test(static_cast<unsigned>(date.month()))) return false;
  const bool day_fits = days_.test(static_cast<unsigned>(date.day()));
  const bool weekday_fits = weekdays_.test(std::chrono::weekday(day).c_encoding());
  return either_day_ ? day_fits || weekday_fits : day_fits && weekday_fits;
}

bool Cron::HasDays() const {
  for (days day{0}; day < kWholeCalendar; ++day) {
    if (MatchesDay(sys_days(day))) return true;
  }
  return false;
}

std::optional<WallTime> Cron::NextOnWall(WallTime from) const {
  constexpr size_t kMinutesOfDay = size_t{24} * 60;
  // A time on the wall is counted as if it were UTC.
  const sys_seconds first = std::chrono::ceil<minutes>(sys_seconds(from.time_since_epoch()));
  const auto first_day = std::chrono::floor<days>(first);
  for (sys_days day = first_day; day <= first_day + kWholeCalendar; day += days(1)) {
    if (!MatchesDay(day)) continue;
    const auto begin = std::chrono::duration_cast<minutes>(std::max<sys_seconds>(first, day) - day);
    for (auto minute = static_cast<size_t>(begin.count()); minute < kMinutesOfDay; ++minute) {
      if (!hours_.test(minute / 60) || !minutes_.test(minute % 60)) continue;
      const sys_seconds time = day + minutes(minute);
      return WallTime(time.time_since_epoch());
    }
  }
  return std::nullopt;
}

std::optional<sys_seconds> Cron::NextByClock(sys_seconds after) const {
  sys_seconds from = after + seconds(1);
  while (true) {
    const TimeZone::Period period = zone_.PeriodAt(from);
    const auto wall = NextOnWall(WallTime(from.time_since_epoch() + period.offset));
    if (!wall) return std::nullopt;
    const sys_seconds time(wall->time_since_epoch() - period.offset);
    if (time < period.end) return time;
    from = period.end;
  }
}

std::optional<sys_seconds> Cron::NextFixed(sys_seconds after) const {
  // What the clocks have shown by then does not come again.
  WallTime from = zone_.ToWall(after) + seconds(1);
  while (true) {
    const auto wall = NextOnWall(from);
    if (!wall) return std::nullopt;
    const sys_seconds time = zone_.ToUtc(*wall);
    if (time > after) return time;
    from = *wall + minutes(1);
  }
}

std::optional<sys_seconds> Cron::Next(sys_seconds after) const {
  return by_clock_ ? NextByClock(after) : NextFixed(after);
}

}  // namespace milvus_backup::service
