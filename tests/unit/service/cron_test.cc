#include "service/cron.h"

#include "support/status_matchers.h"

#include "milvus_backup/base/clock.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace milvus_backup::service {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_seconds;
using testing::IsError;

/// `2026-03-29T01:00:00Z`.
sys_seconds At(const std::string& text) {
  std::tm parts{};
  EXPECT_NE(strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts), nullptr) << text;
  return sys_seconds(seconds(timegm(&parts)));
}

/// The next `count` times after `after`.
std::vector<std::string> Times(const std::string& expression, const std::string& zone_name,
                               const std::string& after, size_t count) {
  auto zone = TimeZone::Find(zone_name);
  EXPECT_OK(zone);
  const auto cron = Cron::Parse(expression, *zone);
  EXPECT_OK(cron);
  std::vector<std::string> times;
  if (!cron.ok()) return times;
  for (auto time = cron->Next(At(after)); time && times.size() < count; time = cron->Next(*time)) {
    times.push_back(FormatIso8601(*time));
  }
  return times;
}

using Texts = std::vector<std::string>;

TEST(CronTest, FieldsMeanWhatTheySay) {
  const std::string start = "2026-01-02T03:04:05Z";  // a Friday
  EXPECT_EQ(Times("* * * * *", "UTC", start, 2),
            (Texts{"2026-01-02T03:05:00Z", "2026-01-02T03:06:00Z"}));
  EXPECT_EQ(Times("30 2 * * *", "UTC", start, 2),
            (Texts{"2026-01-03T02:30:00Z", "2026-01-04T02:30:00Z"}));
  EXPECT_EQ(Times("5-10/5,59 3 * * *", "UTC", start, 3),
            (Texts{"2026-01-02T03:05:00Z", "2026-01-02T03:10:00Z", "2026-01-02T03:59:00Z"}));
  EXPECT_EQ(Times("50/5 3 * * *", "UTC", start, 2),
            (Texts{"2026-01-02T03:50:00Z", "2026-01-02T03:55:00Z"}));
  EXPECT_EQ(Times("0 */12 * * *", "UTC", start, 2),
            (Texts{"2026-01-02T12:00:00Z", "2026-01-03T00:00:00Z"}));
  EXPECT_EQ(Times("0 0 * jan-Mar/2 SAT", "UTC", start, 1), (Texts{"2026-01-03T00:00:00Z"}));
  EXPECT_EQ(Times("0 0 1 FEB *", "UTC", start, 2),
            (Texts{"2026-02-01T00:00:00Z", "2027-02-01T00:00:00Z"}));
  EXPECT_EQ(Times("0 0 * * 7", "UTC", start, 1), (Texts{"2026-01-04T00:00:00Z"}));
  EXPECT_EQ(Times("0 0 * * 0", "UTC", start, 1), (Texts{"2026-01-04T00:00:00Z"}));
  EXPECT_EQ(Times("0 0 * * sat-sun", "UTC", start, 3),
            (Texts{"2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-10T00:00:00Z"}));
  EXPECT_EQ(Times("0 0 29 2 *", "UTC", start, 2),
            (Texts{"2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"}));
  // 29 February on a Sunday, across a century that has none.
  EXPECT_EQ(Times("0 0 29 2 */7", "UTC", "2088-03-01T00:00:00Z", 1),
            (Texts{"2128-02-29T00:00:00Z"}));
}

TEST(CronTest, OneOfTwoRestrictedDaysIsEnough) {
  const std::string start = "2026-01-02T00:00:00Z";
  EXPECT_EQ(Times("0 0 13 * fri", "UTC", start, 3),
            (Texts{"2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z", "2026-01-16T00:00:00Z"}));
  // With a star in front of one of them both must fit.
  EXPECT_EQ(Times("0 0 */2 * fri", "UTC", start, 2),
            (Texts{"2026-01-09T00:00:00Z", "2026-01-23T00:00:00Z"}));
  EXPECT_EQ(Times("0 0 31 feb mon", "UTC", start, 1), (Texts{"2026-02-02T00:00:00Z"}));
}

TEST(CronTest, MacrosStandForFields) {
  const std::string start = "2026-01-02T03:04:05Z";
  EXPECT_EQ(Times("@hourly", "UTC", start, 1), (Texts{"2026-01-02T04:00:00Z"}));
  EXPECT_EQ(Times("@daily", "UTC", start, 1), (Texts{"2026-01-03T00:00:00Z"}));
  EXPECT_EQ(Times(" @Midnight ", "UTC", start, 1), (Texts{"2026-01-03T00:00:00Z"}));
  EXPECT_EQ(Times("@weekly", "UTC", start, 1), (Texts{"2026-01-04T00:00:00Z"}));
  EXPECT_EQ(Times("@monthly", "UTC", start, 1), (Texts{"2026-02-01T00:00:00Z"}));
  EXPECT_EQ(Times("@yearly", "UTC", start, 1), (Texts{"2027-01-01T00:00:00Z"}));
  EXPECT_EQ(Times("@annually", "UTC", start, 1), (Texts{"2027-01-01T00:00:00Z"}));
}

TEST(CronTest, WhatIsNoTimeIsNamed) {
  const TimeZone utc;
  const std::pair<const char*, const char*> cases[] = {
      {"", "'' has 0 fields instead of 5"},
      {"* * * *", "has 4 fields instead of 5"},
      {"0 * * * * *", "has 6 fields instead of 5"},
      {"@reboot", "'@reboot' is no time"},
      {"60 * * * *", "minute '60': want 0 to 59"},
      {"* 24 * * *", "hour '24': want 0 to 23"},
      {"* * 0 * *", "day of month '0': want 1 to 31"},
      {"* * * 13 *", "month '13': want 1 to 12"},
      {"* * * * 8", "day of week '8': want 0 to 7"},
      {"-1 * * * *", "minute '-1': want a number"},
      {"+1 * * * *", "minute '+1': want a number"},
      {"x * * * *", "minute 'x': want a number"},
      {"1,, * * * *", "minute '': want a number"},
      {"1- * * * *", "minute '1-': want a number"},
      {"? * * * *", "minute '?': want a number"},
      {"* * * mon *", "month 'mon': want a number, a name such as dec"},
      {"* * L * *", "day of month 'L': want a number"},
      {"* * * * fri#2", "day of week 'fri#2': want a number"},
      {"30-10 * * * *", "minute '30-10': the range ends before it begins"},
      {"*/0 * * * *", "minute '*/0': want a step from 1 to 59"},
      {"*/60 * * * *", "minute '*/60': want a step from 1 to 59"},
      {"*/ * * * *", "minute '*/': want a step"},
      {"*/x * * * *", "minute '*/x': want a step"},
      {"99999999999 * * * *", "minute '99999999999': want a number"},
      {"0 0 31 feb *", "never comes"},
      {"0 0 31 2,4,6,9,11 *", "never comes"},
      {"0 0 30-31 2 *", "never comes"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(Cron::Parse(text, utc), IsError(Code::kInvalidArgument, message)) << text;
  }
}

TEST(CronTest, ZonesAreThoseOfTheSystem) {
  EXPECT_EQ(Times("30 2 * * *", "Asia/Kolkata", "2026-01-02T00:00:00Z", 1),
            (Texts{"2026-01-02T21:00:00Z"}));
  EXPECT_EQ(Times("0 0 1 * *", "Pacific/Auckland", "2026-01-02T00:00:00Z", 1),
            (Texts{"2026-01-31T11:00:00Z"}));
  EXPECT_THAT(TimeZone::Find("Mars/Olympus"),
              IsError(Code::kInvalidArgument, "no time zone is called 'Mars/Olympus'"));
  EXPECT_THAT(TimeZone::Find(""), IsError(Code::kInvalidArgument, "no time zone is called ''"));
  EXPECT_THAT(TimeZone::Find("../../etc/passwd"), IsError(Code::kInvalidArgument, "no time zone"));
  ASSERT_OK_AND_ASSIGN(const TimeZone utc, TimeZone::Find("Etc/UTC"));
  EXPECT_EQ(utc.name(), "UTC");
}

// 2026-03-29 the clocks of Berlin go from 02:00 to 03:00.
TEST(CronTest, ATimeThatIsLeftOutComesOnceRightAfterIt) {
  const std::string start = "2026-03-28T12:00:00Z";
  EXPECT_EQ(Times("30 2 * * *", "Europe/Berlin", start, 2),
            (Texts{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}));
  EXPECT_EQ(Times("0,15,30 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 4),
            (Texts{"2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z", "2026-03-29T01:30:00Z",
                   "2026-03-30T00:00:00Z"}));
  // What goes by the clock has nothing to do there.
  EXPECT_EQ(Times("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:29:00Z", 3),
            (Texts{"2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"}));
  EXPECT_EQ(Times("*/30 2 * * *", "Europe/Berlin", start, 2),
            (Texts{"2026-03-30T00:00:00Z", "2026-03-30T00:30:00Z"}));
  // A whole day: Samoa had no 30 December 2011.
  EXPECT_EQ(Times("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", 1),
            (Texts{"2011-12-30T10:00:00Z"}));
}

// 2026-10-25 they go from 03:00 back to 02:00.
TEST(CronTest, ATimeThatIsRepeatedComesTheFirstTimeOnly) {
  EXPECT_EQ(Times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            (Texts{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}));
  EXPECT_EQ(Times("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", 1),
            (Texts{"2026-10-26T01:30:00Z"}));
  // By the clock it comes twice.
  EXPECT_EQ(Times("30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 3),
            (Texts{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}));
  // Half an hour on Lord Howe Island: 2026-04-05 from 02:00 back to 01:30.
  EXPECT_EQ(Times("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", 2),
            (Texts{"2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"}));
  // At midnight, so that the day before is longer: Havana, 2025-11-02 from 01:00 back to 00:00.
  EXPECT_EQ(Times("30 0 * * *", "America/Havana", "2025-11-01T12:00:00Z", 2),
            (Texts{"2025-11-02T04:30:00Z", "2025-11-03T05:30:00Z"}));
}

/// One field, drawn at random: what it allows, and how it is written.
struct DrawnField {
  std::vector<bool> values;
  std::string text;
  bool has_star = false;
};

DrawnField Draw(std::mt19937& random, int min, int max, const std::vector<std::string>& names) {
  const auto number = [&](int from, int to) {
    return std::uniform_int_distribution<int>(from, to)(random);
  };
  const auto write = [&](int value) {
    const auto index = static_cast<size_t>(value - min);
    return index < names.size() && number(0, 1) == 0 ? names[index] : std::to_string(value);
  };
  DrawnField field{.values = std::vector<bool>(static_cast<size_t>(max) + 1)};
  const int items = number(0, 3);
  std::vector<std::string> texts;
  for (int i = 0; i <= items; ++i) {
    int first = min;
    int last = max;
    int step = 1;
    switch (number(0, 5)) {
      case 0:
        texts.emplace_back("*");
        field.has_star = field.has_star || i == 0;
        break;
      case 1:
        step = number(1, std::min(max, 20));
        texts.push_back(fmt::format("*/{}", step));
        field.has_star = field.has_star || i == 0;
        break;
      case 2:
        first = number(min, max);
        last = number(first, max);
        step = number(1, 5);
        texts.push_back(fmt::format("{}-{}/{}", first, last, step));
        break;
      case 3:
        first = number(min, max);
        last = number(first, max);
        texts.push_back(fmt::format("{}-{}", first, last));
        break;
      default:
        first = last = number(min, max);
        texts.push_back(write(first));
    }
    for (int value = first; value <= last; value += step) {
      field.values[static_cast<size_t>(value)] = true;
    }
  }
  field.text = fmt::format("{}", fmt::join(texts, ","));
  return field;
}

/// What the C library says that the clocks show.
struct LocalMinute {
  sys_seconds time;
  std::tm local{};
  std::time_t wall_minute = 0;
};

/// Every minute from the one before `begin` on.
std::vector<LocalMinute> LibraryClock(sys_seconds begin, sys_seconds end) {
  std::vector<LocalMinute> clock;
  for (sys_seconds time = begin - minutes(1); time < end; time += minutes(1)) {
    LocalMinute now{.time = time};
    const std::time_t count = time.time_since_epoch().count();
    localtime_r(&count, &now.local);
    std::tm parts = now.local;
    now.wall_minute = timegm(&parts) / 60;
    clock.push_back(now);
  }
  return clock;
}

/// Vixie's cron, minute by minute.
std::vector<sys_seconds> Walk(const std::array<DrawnField, 5>& fields,
                              const std::vector<LocalMinute>& clock) {
  const bool by_clock = fields[0].has_star || fields[1].has_star;
  const bool either_day = !fields[2].has_star && !fields[4].has_star;
  const auto matches = [&](const std::tm& local) {
    const auto has = [&](size_t field, int value) {
      return static_cast<bool>(fields.at(field).values.at(static_cast<size_t>(value)));
    };
    const bool day = has(2, local.tm_mday);
    const bool weekday = has(4, local.tm_wday) || (local.tm_wday == 0 && has(4, 7));
    return has(0, local.tm_min) && has(1, local.tm_hour) && has(3, local.tm_mon + 1) &&
           (either_day ? day || weekday : day && weekday);
  };
  std::vector<sys_seconds> times;
  // The latest minute that the clocks have shown.
  std::time_t shown = clock.front().wall_minute;
  for (const LocalMinute& now : clock) {
    if (&now == &clock.front()) continue;
    bool is_due = matches(now.local) && (by_clock || now.wall_minute > shown);
    for (std::time_t skipped = shown + 1; skipped < now.wall_minute && !by_clock; ++skipped) {
      const std::time_t count = skipped * 60;
      std::tm left_out{};
      gmtime_r(&count, &left_out);
      is_due = is_due || matches(left_out);
    }
    shown = std::max(shown, now.wall_minute);
    if (is_due) times.push_back(now.time);
  }
  return times;
}

/// The time zone of the C library, for a moment.
class LibraryZone {
 public:
  explicit LibraryZone(const char* name) {
    setenv("TZ", name, 1);  // NOLINT(concurrency-mt-unsafe): there is no other thread
    tzset();
  }
  LibraryZone(const LibraryZone&) = delete;
  LibraryZone& operator=(const LibraryZone&) = delete;
  ~LibraryZone() {
    unsetenv("TZ");  // NOLINT(concurrency-mt-unsafe)
    tzset();
  }
};

TEST(CronTest, AgreesWithAWalkThroughEveryMinute) {
  const char* const given = std::getenv("MB_SEED");  // NOLINT(concurrency-mt-unsafe)
  const auto seed = given == nullptr ? 20260102U : static_cast<unsigned>(std::atoll(given));
  SCOPED_TRACE(fmt::format("MB_SEED={}", seed));
  std::mt19937 random(seed);
  // Around the changes of their clocks.
  const std::pair<const char*, const char*> zones[] = {
      {"UTC", "2026-02-26T00:00:00Z"},
      {"Europe/Berlin", "2026-03-27T00:00:00Z"},
      {"Europe/Berlin", "2026-10-23T00:00:00Z"},
      {"America/New_York", "2026-03-07T00:00:00Z"},
      {"America/New_York", "2026-10-30T00:00:00Z"},
      {"Australia/Lord_Howe", "2026-04-03T00:00:00Z"},
      {"Australia/Lord_Howe", "2026-10-02T00:00:00Z"},
      {"America/Havana", "2026-10-30T00:00:00Z"},
      {"Asia/Beirut", "2026-03-27T00:00:00Z"},
  };
  const std::vector<std::string> months = {"jan", "feb", "mar", "apr", "may", "jun",
                                           "jul", "aug", "sep", "oct", "nov", "dec"};
  const std::vector<std::string> weekdays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
  size_t compared = 0;
  for (const auto& [zone_name, begin_text] : zones) {
    const LibraryZone library(zone_name);
    ASSERT_OK_AND_ASSIGN(const TimeZone zone, TimeZone::Find(zone_name));
    const sys_seconds begin = At(begin_text);
    const sys_seconds end = begin + std::chrono::days(4);
    const std::vector<LocalMinute> clock = LibraryClock(begin, end);
    for (int round = 0; round < 40; ++round) {
      const std::array<DrawnField, 5> fields = {
          Draw(random, 0, 59, {}), Draw(random, 0, 23, {}), Draw(random, 1, 31, {}),
          Draw(random, 1, 12, months), Draw(random, 0, 7, weekdays)};
      const std::string text = fmt::format("{} {} {} {} {}", fields[0].text, fields[1].text,
                                           fields[2].text, fields[3].text, fields[4].text);
      const auto cron = Cron::Parse(text, zone);
      if (!cron.ok() && cron.status().ToString().find("never comes") != std::string::npos) continue;
      ASSERT_OK(cron);
      std::vector<sys_seconds> times;
      for (auto time = cron->Next(begin - seconds(1)); time && *time < end;
           time = cron->Next(*time)) {
        times.push_back(*time);
      }
      const std::vector<sys_seconds> expected = Walk(fields, clock);
      ASSERT_EQ(times.size(), expected.size()) << zone_name << " " << text;
      for (size_t i = 0; i < times.size(); ++i) {
        ASSERT_EQ(FormatIso8601(times[i]), FormatIso8601(expected[i])) << zone_name << " " << text;
      }
      compared += times.size();
    }
  }
  EXPECT_GT(compared, 1000U);
}

}  // namespace
}  // namespace milvus_backup::service
