// The policy of prune: cases by hand, and random histories against an oracle that goes about it in
// another way.
#include "backup/retention.h"

#include "support/sanitizer.h"
#include "support/status_matchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;
using State = HistoryEntry::State;
using ::milvus_backup::testing::IsError;

/// `2026-06-15T12`, with minutes where they matter.
sys_seconds At(const std::string& text) {
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  const int read = std::sscanf(text.c_str(), "%d-%d-%dT%d:%d", &year, &month, &day, &hour, &minute);
  EXPECT_GE(read, 4) << text;
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute);
}

/// `NAME TIME WORD…`: a state, `c1` for a collection, `rows1` for rows of it, `+x` for a tag, or
/// what else it is. A pruned entry's data may go a day after its time.
HistoryEntry ParseEntry(const std::string& line) {
  std::istringstream words(line);
  HistoryEntry entry;
  std::string word;
  words >> entry.name >> word;
  entry.time = At(word);
  while (words >> word) {
    if (word == "partial") {
      entry.state = State::kPartial;
    } else if (word == "unfinished" || word == "unmarked") {
      entry.state = State::kUnfinished;
      entry.has_marker = word == "unfinished";
    } else if (word == "pruned" || word == "torn") {
      entry.state = State::kPruned;
      entry.remove_after = entry.time + std::chrono::hours(24);
      entry.is_restorable = word == "pruned";
      entry.is_removing = word == "torn";
    } else if (word == "unreadable") {
      entry.state = State::kUnreadable;
    } else if (word == "in-use") {
      entry.is_in_use = true;
    } else if (word == "going") {
      entry.is_in_use = entry.is_going = true;
    } else if (word == "no-rows") {
      entry.has_rows = false;
    } else if (word.starts_with("rows")) {
      entry.with_rows.push_back(static_cast<uint32_t>(std::stoi(word.substr(4))));
    } else if (word == "elsewhere") {
      entry.is_in_scope = false;
    } else if (word.starts_with('c')) {
      entry.collections.push_back(static_cast<uint32_t>(std::stoi(word.substr(1))));
    } else if (word.starts_with('+')) {
      entry.tags.push_back(word.substr(1));
    } else {
      ADD_FAILURE() << word;
    }
  }
  return entry;
}

std::string NameOfVerdict(Verdict verdict) {
  switch (verdict) {
    case Verdict::kKeep:
      return "keep";
    case Verdict::kMark:
      return "mark";
    case Verdict::kWait:
      return "wait";
    case Verdict::kRemove:
      return "remove";
    case Verdict::kInUse:
      return "in-use";
  }
  return "";
}

struct Case {
  const char* what;
  RetentionRules rules;
  std::vector<std::string> history;
  /// The verdict of each, in the order of `history`.
  std::vector<std::string> expected;
};

constexpr const char* kNow = "2026-06-15T12";  // a Monday

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {"no backup", {.keep_last = 1}, {}, {}},
      {"the newest so many",
       {.keep_last = 2},
       {"a 2026-06-01T00 c1", "b 2026-06-02T00 c1", "d 2026-06-03T00 c1"},
       {"mark", "keep", "keep"}},
      {"a backup of metas alone is nobody's last good one",
       {.keep_last = 1},
       {"a 2026-06-01T00 c1 rows1", "b 2026-06-02T00 c1 rows1", "m 2026-06-03T00 c1 no-rows"},
       {"mark", "keep", "keep"}},
      {"backups of metas alone are counted among themselves",
       {.keep_last = 2},
       {"a 2026-06-01T00 c1 no-rows", "b 2026-06-02T00 c1 no-rows", "d 2026-06-03T00 c1 no-rows"},
       {"mark", "keep", "keep"}},
      {"rows of a collection that the newer ones found empty",
       {.keep_last = 1},
       {"a 2026-06-01T00 c1 rows1 c2 rows2", "b 2026-06-02T00 c1 rows1 c2"},
       {"keep", "keep"}},
      {"one that is being deleted is nobody's last good one",
       {.keep_last = 1},
       {"a 2026-06-01T00 c1", "b 2026-06-02T00 c1 going"},
       {"keep", "in-use"}},
      {"more than there are",
       {.keep_last = 9},
       {"a 2026-06-01T00 c1", "b 2026-06-02T00 c1"},
       {"keep", "keep"}},
      {"rules count complete backups only",
       {.keep_last = 2},
       {"a 2026-06-01T00 c1", "b 2026-06-02T00 c1", "p 2026-06-03T00 partial c1",
        "u 2026-06-14T00 unfinished", "d 2026-06-04T00 c1"},
       {"mark", "keep", "mark", "keep", "keep"}},
      {"the newest of an hour",
       {.keep_hourly = 2},
       {"a 2026-06-14T10:05 c1", "b 2026-06-14T10:59 c1", "d 2026-06-14T11:00 c1"},
       {"mark", "keep", "keep"}},
      {"hours without a backup do not count",
       {.keep_hourly = 2},
       {"a 2026-03-01T10 c1", "b 2026-04-01T10 c1", "d 2026-06-14T11 c1"},
       {"mark", "keep", "keep"}},
      {"days end at midnight UTC",
       {.keep_daily = 2},
       {"a 2026-06-12T23:59 c1", "b 2026-06-13T00:00 c1", "d 2026-06-13T23:59 c1",
        "e 2026-06-14T00:00 c1"},
       {"mark", "mark", "keep", "keep"}},
      {"weeks begin on Mondays",
       {.keep_weekly = 2},
       {"a 2026-06-07T23 c1", "b 2026-06-08T00 c1", "d 2026-06-14T23 c1", "e 2026-06-15T00 c1"},
       {"mark", "mark", "keep", "keep"}},
      {"a week may lie in two years",
       {.keep_weekly = 2},
       {"a 2025-12-28T00 c1", "b 2025-12-29T00 c1", "d 2026-01-04T23 c1"},
       {"keep", "mark", "keep"}},
      {"months",
       {.keep_monthly = 2},
       {"a 2026-04-30T23 c1", "b 2026-05-01T00 c1", "d 2026-05-31T23 c1", "e 2026-06-01T00 c1"},
       {"mark", "mark", "keep", "keep"}},
      {"years",
       {.keep_yearly = 2},
       {"a 2024-12-31T23 c1", "b 2025-01-01T00 c1", "d 2025-12-31T23 c1", "e 2026-01-01T00 c1"},
       {"mark", "mark", "keep", "keep"}},
      {"one rule is enough",
       {.keep_last = 1, .keep_daily = 2},
       {"a 2026-06-12T10 c1", "b 2026-06-13T10 c1", "d 2026-06-14T10 c1", "e 2026-06-14T11 c1"},
       {"mark", "keep", "mark", "keep"}},
      {"a backup may be several rules' own",
       {.keep_daily = 1, .keep_monthly = 1, .keep_yearly = 2},
       {"a 2025-06-12T10 c1", "b 2026-06-13T10 c1", "d 2026-06-14T10 c1"},
       {"keep", "mark", "keep"}},
      {"within a span, its first moment included",
       {.keep_within = CalendarSpan{.days = 7}},
       {"a 2026-06-07T23:59 c1", "b 2026-06-08T00:00 c1", "d 2026-06-15T00:00 c1"},
       {"mark", "keep", "keep"}},
      {"a month before the 31st is the last of the month",
       {.keep_within = CalendarSpan{.months = 1}},
       {"a 2026-02-27T23 c1", "b 2026-02-28T00 c1", "d 2026-03-31T00 c1"},
       {"mark", "keep", "keep"}},
      {"a year before a leap day",
       {.keep_within = CalendarSpan{.years = 1}},
       {"a 2023-02-27T23 c1", "b 2023-02-28T00 c1", "d 2024-02-29T00 c1"},
       {"mark", "keep", "keep"}},
      {"a span of all units",
       {.keep_within = CalendarSpan{.years = 2, .months = 5, .days = 7, .hours = 3}},
       {"a 2024-01-07T20:59 c1", "b 2024-01-07T21:00 c1", "d 2026-06-15T00 c1"},
       {"mark", "keep", "keep"}},
      {"a span is counted from the newest, however old that is",
       {.keep_within = CalendarSpan{.days = 7}},
       {"a 2020-01-01T00 c1", "b 2020-01-05T00 c1", "d 2020-01-09T00 c1"},
       {"mark", "keep", "keep"}},
      {"but not from the future",
       {.keep_within = CalendarSpan{.days = 7}},
       {"a 2026-06-08T11 c1", "b 2026-06-08T12 c1", "d 2030-01-01T00 c1"},
       {"mark", "keep", "keep"}},
      {"tags",
       {.keep_tags = {"x", "y"}},
       {"a 2026-06-01T00 c1 +x", "b 2026-06-02T00 c1 +z", "d 2026-06-03T00 c1 +z +y",
        "e 2026-06-04T00 c1"},
       {"keep", "mark", "keep", "keep"}},
      {"tags keep partial and unfinished ones",
       {.keep_tags = {"x"}},
       {"a 2026-01-01T00 partial c1 +x", "u 2026-01-02T00 unfinished +x", "b 2026-06-03T00 c1"},
       {"keep", "keep", "keep"}},
      {"the last good backup of each collection",
       {.keep_last = 1},
       {"a 2026-06-01T00 c1 c2", "b 2026-06-02T00 c1 c3", "d 2026-06-03T00 c1 c3"},
       {"keep", "mark", "keep"}},
      {"also of one that was dropped long ago",
       {.keep_within = CalendarSpan{.days = 1}},
       {"a 2019-01-01T00 c7", "b 2019-01-02T00 c7", "d 2026-06-03T00 c1"},
       {"mark", "keep", "keep"}},
      {"also when another schedule has it",
       {.keep_last = 1},
       {"a 2026-06-01T00 c1", "b 2026-06-02T00 c2", "d 2026-06-03T00 c1 elsewhere",
        "e 2026-06-02T12 c2"},
       {"mark", "mark", "keep", "keep"}},
      {"a partial backup is nobody's last good one",
       {.keep_last = 1},
       {"a 2026-06-01T00 c1", "p 2026-06-02T00 partial c1", "d 2026-06-03T00 c2"},
       {"keep", "keep", "keep"}},
      {"a partial backup goes when a newer one has all it holds",
       {.keep_last = 1},
       {"p 2026-06-02T00 partial c1 c2", "d 2026-06-03T00 c1 c2 c3"},
       {"mark", "keep"}},
      {"but not when that lacks a collection",
       {.keep_last = 1},
       {"p 2026-06-02T00 partial c1 c2", "d 2026-06-03T00 c1", "e 2026-06-04T00 c2"},
       {"keep", "keep", "keep"}},
      {"nor when that is older, or it is not a day old",
       {.keep_last = 2},
       {"d 2026-06-14T11 c1", "p 2026-06-14T12 partial c1", "q 2026-06-14T12:30 partial c2",
        "e 2026-06-15T00 c2"},
       {"keep", "keep", "keep", "keep"}},
      {"a partial one without any collection",
       {.keep_last = 1},
       {"p 2026-06-02T00 partial", "d 2026-06-03T00 c1"},
       {"mark", "keep"}},
      {"unfinished ones go a week after the last sign of life",
       {.keep_last = 1},
       {"u 2026-06-08T11:59 unfinished", "v 2026-06-08T12:01 unfinished", "d 2026-06-03T00 c1"},
       {"mark", "keep", "keep"}},
      {"unfinished ones of nobody stay",
       {.keep_last = 1},
       {"u 2020-06-08T11 unmarked", "d 2026-06-03T00 c1"},
       {"keep", "keep"}},
      {"what is in use is left, whatever it is",
       {.keep_last = 1},
       {"a 2026-06-01T00 c1 in-use", "u 2026-06-01T00 unfinished in-use",
        "p 2026-06-01T00 partial c1 in-use", "x 2026-06-01T00 pruned c1 in-use",
        "t 2026-06-01T00 torn in-use", "d 2026-06-03T00 c1 in-use"},
       {"in-use", "in-use", "in-use", "in-use", "in-use", "keep"}},
      {"pruned ones wait for their time",
       {.keep_last = 1},
       {"x 2026-06-14T12:01 pruned c1", "y 2026-06-14T12:00 pruned c1", "d 2026-06-03T00 c1"},
       {"wait", "remove", "keep"}},
      {"a pruned one that has become the last of a collection waits",
       {.keep_last = 1},
       {"x 2026-06-01T00 pruned c1", "y 2026-06-02T00 pruned c1", "z 2026-06-03T00 pruned c2",
        "d 2026-06-03T00 c2"},
       {"remove", "wait", "remove", "keep"}},
      {"what is half removed is nobody's last one and goes",
       {.keep_last = 1},
       {"x 2026-06-01T00 pruned c1", "y 2026-06-15T00 torn c1"},
       {"wait", "remove"}},
      {"a pruned one that a tag keeps waits",
       {.keep_tags = {"x"}},
       {"x 2026-06-01T00 pruned c1 +x", "d 2026-06-03T00 c1"},
       {"wait", "keep"}},
      {"what is elsewhere is neither counted nor touched",
       {.keep_last = 1},
       {"a 2026-06-01T00 c1", "b 2026-06-02T00 c1", "x 2026-06-05T00 c1 elsewhere",
        "y 2026-06-04T00 c1 elsewhere", "p 2020-06-04T00 partial elsewhere",
        "u 2020-06-04T00 unfinished elsewhere", "t 2020-06-04T00 torn elsewhere"},
       {"mark", "keep", "keep", "keep", "keep", "keep", "keep"}},
      {"of two of one time the greater name is the newer",
       {.keep_last = 1},
       {"b 2026-06-01T00 c1", "d 2026-06-01T00 c1", "a 2026-06-01T00 c1"},
       {"mark", "keep", "mark"}},
      {"what cannot be read stays",
       {.keep_last = 1},
       {"a 2020-06-01T00 unreadable", "d 2026-06-01T00 c1"},
       {"keep", "keep"}},
  };
  return cases;
}

TEST(RetentionTest, CasesByHand) {
  EXPECT_GE(Cases().size(), 30U);
  for (const Case& one : Cases()) {
    SCOPED_TRACE(one.what);
    std::vector<HistoryEntry> history;
    for (const std::string& line : one.history) history.push_back(ParseEntry(line));
    ASSERT_OK(one.rules.Validate());
    std::vector<std::string> verdicts;
    for (const Decision& decision : Decide(history, one.rules, At(kNow))) {
      verdicts.push_back(NameOfVerdict(decision.verdict));
      EXPECT_FALSE(decision.reasons.empty() && decision.last_good_of.empty());
    }
    EXPECT_EQ(verdicts, one.expected);
  }
}

TEST(RetentionTest, SaysWhichRulesKeepABackup) {
  const std::vector<HistoryEntry> history = {ParseEntry("a 2026-06-01T00 c4 c5 +x"),
                                             ParseEntry("b 2026-06-02T00 c5")};
  const auto decisions = Decide(history,
                                {.keep_last = 1,
                                 .keep_daily = 2,
                                 .keep_monthly = 2,
                                 .keep_within = CalendarSpan{.hours = 24},
                                 .keep_tags = {"x"}},
                                At(kNow));
  EXPECT_EQ(decisions[0].reasons,
            (std::vector<std::string>{"keep-daily", "keep-within", "keep-tag"}));
  EXPECT_EQ(decisions[0].last_good_of, std::vector<uint32_t>{4});
  EXPECT_EQ(decisions[1].reasons,
            (std::vector<std::string>{"keep-last", "keep-daily", "keep-monthly", "keep-within"}));
  EXPECT_EQ(decisions[1].last_good_of, std::vector<uint32_t>{5});
}

/// What the rules should make of a history, found out without passing over it in any order.
class Oracle {
 public:
  Oracle(const std::vector<HistoryEntry>& history, const RetentionRules& rules, sys_seconds now)
      : history_(history), rules_(rules), now_(now) {
    for (const char* format : {kHour, kDay, kWeek, kMonth, kYear}) {
      for (const HistoryEntry& entry : history) {
        periods_[format].push_back(Period(entry.time, format));
      }
    }
  }

  Verdict Of(const HistoryEntry& entry) const {
    if (!entry.is_in_scope || entry.state == State::kUnreadable) return Verdict::kKeep;
    if (entry.state == State::kPruned) return OfPruned(entry);
    const bool kept = IsTagged(entry) || (entry.state == State::kComplete && IsKept(entry)) ||
                      (entry.state == State::kPartial && !IsCovered(entry)) ||
                      (entry.state == State::kUnfinished && !IsAbandoned(entry));
    if (kept) return Verdict::kKeep;
    return entry.is_in_use ? Verdict::kInUse : Verdict::kMark;
  }

 private:
  // In the order of their texts they are in the order of time.
  static constexpr const char* kHour = "%Y-%m-%d %H";
  static constexpr const char* kDay = "%Y-%m-%d";
  static constexpr const char* kWeek = "%G-%V";
  static constexpr const char* kMonth = "%Y-%m";
  static constexpr const char* kYear = "%Y";

  static bool IsNewer(const HistoryEntry& a, const HistoryEntry& b) {
    return a.time != b.time ? a.time > b.time : a.name > b.name;
  }
  using Member = std::vector<uint32_t> HistoryEntry::*;
  static bool Has(const HistoryEntry& entry, Member member, uint32_t collection) {
    return std::ranges::count(entry.*member, collection) > 0;
  }
  /// Whether the entry has something of a collection that nothing better has.
  bool HasLast(const HistoryEntry& entry, const auto& is_better) const {
    const auto has_last = [&](Member member) {
      return std::ranges::any_of(entry.*member, [&](uint32_t collection) {
        return std::ranges::none_of(history_, [&](const HistoryEntry& other) {
          return Has(other, member, collection) && is_better(other);
        });
      });
    };
    return has_last(&HistoryEntry::collections) || has_last(&HistoryEntry::with_rows);
  }

  bool IsTagged(const HistoryEntry& entry) const {
    return std::ranges::any_of(rules_.keep_tags, [&](const std::string& tag) {
      return std::ranges::count(entry.tags, tag) > 0;
    });
  }

  /// Those that the rules count.
  bool Counts(const HistoryEntry& entry) const {
    return entry.state == State::kComplete && entry.is_in_scope && !entry.is_going;
  }
  bool CountsWith(const HistoryEntry& other, const HistoryEntry& entry) const {
    return Counts(other) && other.has_rows == entry.has_rows;
  }

  bool IsKept(const HistoryEntry& entry) const {
    if (entry.is_going) return false;
    const auto newer = std::ranges::count_if(history_, [&](const HistoryEntry& other) {
      return CountsWith(other, entry) && IsNewer(other, entry);
    });
    return newer < rules_.keep_last || IsOfPeriod(entry, kHour, rules_.keep_hourly) ||
           IsOfPeriod(entry, kDay, rules_.keep_daily) ||
           IsOfPeriod(entry, kWeek, rules_.keep_weekly) ||
           IsOfPeriod(entry, kMonth, rules_.keep_monthly) ||
           IsOfPeriod(entry, kYear, rules_.keep_yearly) || IsWithin(entry) ||
           HasLast(entry, [&](const HistoryEntry& other) {
             return other.state == State::kComplete && !other.is_going && IsNewer(other, entry);
           });
  }

  static std::string Period(sys_seconds time, const char* format) {
    const std::time_t number = time.time_since_epoch().count();
    std::tm parts{};
    gmtime_r(&number, &parts);
    std::array<char, 64> text{};
    return {text.data(), std::strftime(text.data(), text.size(), format, &parts)};
  }

  bool IsOfPeriod(const HistoryEntry& entry, const char* format, int count) const {
    if (count == 0) return false;
    const std::vector<std::string>& periods = periods_.at(format);
    const std::string& own = periods[static_cast<size_t>(&entry - history_.data())];
    std::set<std::string> later;
    for (size_t i = 0; i < history_.size(); ++i) {
      if (!CountsWith(history_[i], entry)) continue;
      if (periods[i] == own && IsNewer(history_[i], entry)) return false;
      if (periods[i] > own) later.insert(periods[i]);
    }
    return later.size() < static_cast<size_t>(count);
  }

  bool IsWithin(const HistoryEntry& entry) const {
    if (!rules_.keep_within) return false;
    sys_seconds newest{};
    for (const HistoryEntry& other : history_) {
      if (CountsWith(other, entry)) newest = std::max(newest, other.time);
    }
    std::time_t from = std::min(newest, now_).time_since_epoch().count();
    std::tm parts{};
    gmtime_r(&from, &parts);
    const int month = parts.tm_year * 12 + parts.tm_mon - rules_.keep_within->years * 12 -
                      rules_.keep_within->months;
    parts.tm_year = month / 12;
    parts.tm_mon = month % 12;
    // The day is lowered until the month has it.
    for (;; --parts.tm_mday) {
      std::tm tried = parts;
      from = timegm(&tried);
      if (tried.tm_mon == parts.tm_mon) break;
    }
    from -= int64_t{rules_.keep_within->days} * 86400 + rules_.keep_within->hours * 3600;
    return entry.time.time_since_epoch().count() >= from;
  }

  bool IsCovered(const HistoryEntry& entry) const {
    if (now_ - entry.time < std::chrono::hours(24)) return false;
    return std::ranges::any_of(history_, [&](const HistoryEntry& other) {
      const auto has_all = [&](Member member) {
        return std::ranges::all_of(
            entry.*member, [&](uint32_t collection) { return Has(other, member, collection); });
      };
      return other.state == State::kComplete && !other.is_going && other.time > entry.time &&
             has_all(&HistoryEntry::collections) && has_all(&HistoryEntry::with_rows);
    });
  }

  bool IsAbandoned(const HistoryEntry& entry) const {
    return entry.has_marker && now_ - entry.time >= std::chrono::hours(24 * 7);
  }

  Verdict OfPruned(const HistoryEntry& entry) const {
    const Verdict goes = entry.is_in_use ? Verdict::kInUse : Verdict::kRemove;
    if (entry.is_removing) return goes;
    if (now_ < entry.remove_after || IsTagged(entry)) return Verdict::kWait;
    const bool is_last = entry.is_restorable && HasLast(entry, [&](const HistoryEntry& other) {
                           return (other.state == State::kComplete && !other.is_going) ||
                                  (other.state == State::kPruned && other.is_restorable &&
                                   !other.is_removing && IsNewer(other, entry));
                         });
    return is_last ? Verdict::kWait : goes;
  }

  const std::vector<HistoryEntry>& history_;
  const RetentionRules& rules_;
  const sys_seconds now_;
  std::map<std::string, std::vector<std::string>> periods_;
};

class RandomHistory {
 public:
  explicit RandomHistory(uint32_t seed) : random_(seed) {}

  int Below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }
  bool OneIn(int n) { return Below(n) == 0; }

  std::vector<HistoryEntry> History() {
    std::vector<HistoryEntry> history(static_cast<size_t>(Below(OneIn(20) ? 120 : 25)));
    // Days, months or years long, so that periods have many backups, or one, or none.
    const int span = std::array{3, 60, 1200}[static_cast<size_t>(Below(3))];
    std::set<std::string> names;
    for (HistoryEntry& entry : history) {
      do entry.name = std::to_string(Below(1000));
      while (!names.insert(entry.name).second);
      entry.time =
          At(kNow) - seconds(int64_t{Below(span * 24)} * 3600) + seconds(int64_t{Below(4)} * 1800);
      if (OneIn(40)) entry.time = At(kNow) + std::chrono::hours(Below(span * 24));
      entry.state = OneIn(3) ? static_cast<State>(Below(5)) : State::kComplete;
      for (uint32_t collection = 0; collection < 4; ++collection) {
        if (Below(2) == 0) continue;
        entry.collections.push_back(collection);
        if (!OneIn(3)) entry.with_rows.push_back(collection);
      }
      entry.has_rows = !entry.with_rows.empty() || entry.collections.empty();
      for (const char* tag : {"x", "y"}) {
        if (OneIn(5)) entry.tags.emplace_back(tag);
      }
      entry.is_in_scope = !OneIn(6);
      entry.is_in_use = OneIn(10);
      entry.is_going = entry.is_in_use && OneIn(3);
      entry.has_marker = !OneIn(3);
      entry.remove_after = entry.time + std::chrono::hours(Below(48));
      entry.is_removing = OneIn(4);
      entry.is_restorable = !OneIn(3);
    }
    return history;
  }

  RetentionRules Rules() {
    RetentionRules rules;
    for (int* count : {&rules.keep_last, &rules.keep_hourly, &rules.keep_daily, &rules.keep_weekly,
                       &rules.keep_monthly, &rules.keep_yearly}) {
      if (OneIn(3)) *count = Below(8);
    }
    if (OneIn(3)) {
      rules.keep_within = CalendarSpan{
          .years = Below(2), .months = Below(14), .days = Below(40), .hours = 1 + Below(30)};
    }
    if (OneIn(3)) rules.keep_tags.emplace_back("x");
    return rules;
  }

 private:
  std::mt19937 random_;
};

using Kept = std::set<std::string>;

/// Names of what is neither marked nor removed.
Kept KeptOf(const std::vector<HistoryEntry>& history, const std::vector<Decision>& decisions) {
  Kept kept;
  for (size_t i = 0; i < history.size(); ++i) {
    const Verdict verdict = decisions[i].verdict;
    if (verdict != Verdict::kMark && verdict != Verdict::kRemove) kept.insert(history[i].name);
  }
  return kept;
}

void ExpectNothingIsLost(const std::vector<HistoryEntry>& history,
                         std::vector<uint32_t> HistoryEntry::*member, const Kept& kept) {
  std::map<uint32_t, const HistoryEntry*> newest;
  std::set<uint32_t> in_pruned;
  std::set<uint32_t> left;
  for (const HistoryEntry& entry : history) {
    const bool can_return =
        entry.state == State::kPruned && entry.is_restorable && !entry.is_removing;
    for (const uint32_t collection : entry.*member) {
      if (entry.state == State::kComplete && !entry.is_going) {
        const HistoryEntry*& known = newest[collection];
        if (known == nullptr ||
            std::tie(known->time, known->name) < std::tie(entry.time, entry.name)) {
          known = &entry;
        }
      }
      if (can_return) in_pruned.insert(collection);
      if ((can_return || entry.state == State::kComplete) && kept.contains(entry.name)) {
        left.insert(collection);
      }
    }
  }
  for (const auto& [collection, entry] : newest) {
    EXPECT_TRUE(kept.contains(entry->name)) << "the last good one of " << collection;
  }
  for (const uint32_t collection : in_pruned) EXPECT_TRUE(left.contains(collection)) << collection;
  for (const HistoryEntry& entry : history) {
    if (entry.is_in_use || !entry.is_in_scope) {
      EXPECT_TRUE(kept.contains(entry.name)) << entry.name;
    }
  }
}

TEST(RetentionTest, TenThousandRandomHistories) {
  const char* chosen = std::getenv("MB_SEED");
  const uint32_t first = chosen != nullptr ? static_cast<uint32_t>(std::atol(chosen)) : 1;
  for (uint32_t seed = first; seed < first + milvus_backup::testing::Cases(10000); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomHistory random(seed);
    const std::vector<HistoryEntry> history = random.History();
    RetentionRules rules = random.Rules();
    const std::vector<Decision> decisions = Decide(history, rules, At(kNow));
    ASSERT_EQ(decisions.size(), history.size());
    const Oracle oracle(history, rules, At(kNow));
    for (size_t i = 0; i < history.size(); ++i) {
      EXPECT_EQ(NameOfVerdict(decisions[i].verdict), NameOfVerdict(oracle.Of(history[i])))
          << history[i].name;
    }
    const Kept kept = KeptOf(history, decisions);
    ExpectNothingIsLost(history, &HistoryEntry::collections, kept);
    ExpectNothingIsLost(history, &HistoryEntry::with_rows, kept);
    // More of a rule never keeps less.
    ++rules.keep_last;
    ++rules.keep_weekly;
    const Kept more = KeptOf(history, Decide(history, rules, At(kNow)));
    EXPECT_TRUE(std::ranges::includes(more, kept));
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(RetentionRulesTest, SpansAreReadStrictly) {
  ASSERT_OK_AND_ASSIGN(CalendarSpan span, ParseKeepWithin("2y5m7d3h"));
  EXPECT_EQ(span, (CalendarSpan{.years = 2, .months = 5, .days = 7, .hours = 3}));
  EXPECT_EQ(span.ToString(), "2y5m7d3h");
  ASSERT_OK_AND_ASSIGN(span, ParseKeepWithin("36h"));
  EXPECT_EQ(span, CalendarSpan{.hours = 36});
  ASSERT_OK_AND_ASSIGN(span, ParseKeepWithin("1y0d"));
  EXPECT_EQ(span, CalendarSpan{.years = 1});
  for (const char* text : {"", "7", "d", "7w", "-7d", "7d2y", "7d7d", "1.5d", "7 d", "7d ", "0h",
                           "1001y", "99999999999d", "2y,5m"}) {
    EXPECT_THAT(ParseKeepWithin(text).status(), IsError(Code::kInvalidArgument, "2y5m7d3h"))
        << text;
  }
}

TEST(RetentionRulesTest, LengthsOfTimeAreReadStrictly) {
  for (const auto& [text, expected] : std::vector<std::pair<const char*, int64_t>>{
           {"0", 0}, {"0h", 0}, {"90s", 90}, {"30m", 1800}, {"12h", 43200}, {"7d", 604800}}) {
    ASSERT_OK_AND_ASSIGN(const seconds read, ParseGrace(text));
    EXPECT_EQ(read.count(), expected);
  }
  for (const char* text : {"", "12", "h", "-1h", "1w", "1h30m", "4000d", "99999999999s"}) {
    EXPECT_THAT(ParseGrace(text).status(), IsError(Code::kInvalidArgument, "12h")) << text;
  }
}

TEST(RetentionRulesTest, RulesAreValidated) {
  EXPECT_TRUE(RetentionRules().empty());
  EXPECT_OK(RetentionRules().Validate());
  EXPECT_FALSE(RetentionRules{.keep_tags = {"x"}}.empty());
  EXPECT_FALSE(RetentionRules{.keep_within = CalendarSpan{.hours = 1}}.empty());
  EXPECT_THAT(RetentionRules{.keep_weekly = -1}.Validate(),
              IsError(Code::kInvalidArgument, "keep-weekly"));
  EXPECT_THAT(RetentionRules{.keep_within = CalendarSpan()}.Validate(),
              IsError(Code::kInvalidArgument, "keep-within"));
  EXPECT_THAT(RetentionRules{.keep_within = CalendarSpan{.days = -1}}.Validate(),
              IsError(Code::kInvalidArgument, "keep-within"));
  EXPECT_THAT(RetentionRules{.keep_tags = {"a b"}}.Validate(),
              IsError(Code::kInvalidArgument, "keep-tag"));
}

TEST(ScheduledNameTest, BelongsToOneScheduleAlone) {
  const auto time = At("2026-01-02T03:04");
  const std::string name = ScheduledName("nightly", time);
  EXPECT_EQ(name, "nightly_20260102T030400Z");
  const auto read = ScheduledTime("nightly", name);
  ASSERT_TRUE(read.has_value());
  EXPECT_TRUE(*read == time);
  EXPECT_FALSE(ScheduledTime("night", name));
  EXPECT_FALSE(ScheduledTime("a", ScheduledName("a_b", time)));
  EXPECT_TRUE(ScheduledTime("a_b", ScheduledName("a_b", time)));
  for (const char* other :
       {"a", "a_", "a_20260102T030400", "a_20260102T030400Zx", "a_20260102t030400Z",
        "a_20261302T030400Z", "a_20260230T030400Z", "a_20260102T240400Z", "a_20260102T036000Z",
        "a_20260102T030460Z", "a_2026010 T030400Z", "a_+0260102T030400Z", "a_-0260102T030400Z",
        "a_99990102T030400Z", "a-20260102T030400Z", "b_20260102T030400Z"}) {
    EXPECT_FALSE(ScheduledTime("a", other)) << other;
  }
}

}  // namespace
}  // namespace milvus_backup::backup
