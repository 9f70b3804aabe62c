#include "retention.h"

#include "milvus_backup/base/clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <numeric>
#include <unordered_map>
#include <utility>

namespace milvus_backup::backup {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::sys_days;
using std::chrono::sys_seconds;
using std::chrono::year_month_day;
using State = HistoryEntry::State;

/// A partial backup may still be taken up by the run's owner.
constexpr std::chrono::seconds kPartialAge = hours(24);

/// Numbers of the periods that a time lies in. Any two times of one period have one number.
int64_t HourOf(sys_seconds time) { return floor<hours>(time).time_since_epoch().count(); }
int64_t DayOf(sys_seconds time) { return floor<days>(time).time_since_epoch().count(); }
int64_t WeekOf(sys_seconds time) {
  // 1970-01-01 was a Thursday, three days after a Monday.
  return floor<std::chrono::weeks>(time + days(3)).time_since_epoch().count();
}
int64_t MonthOf(sys_seconds time) {
  const year_month_day date(floor<days>(time));
  return int64_t{static_cast<int>(date.year())} * 12 + static_cast<unsigned>(date.month());
}
int64_t YearOf(sys_seconds time) {
  return static_cast<int>(year_month_day(floor<days>(time)).year());
}

/// The newest of each period, until `left` periods have one.
struct PeriodRule {
  const char* name = nullptr;
  int left = 0;
  int64_t (*period_of)(sys_seconds time) = nullptr;
  std::optional<int64_t> last{};

  /// To be asked for the entries from the newest to the oldest.
  bool Keeps(sys_seconds time) {
    if (left == 0) return false;
    const int64_t period = period_of(time);
    if (last == period) return false;
    last = period;
    --left;
    return true;
  }
};

bool HasOneOf(const std::vector<std::string>& tags, const std::vector<std::string>& wanted) {
  return std::ranges::any_of(
      tags, [&](const std::string& tag) { return std::ranges::find(wanted, tag) != wanted.end(); });
}

class Policy {
 public:
  Policy(const std::vector<HistoryEntry>& history, const RetentionRules& rules, sys_seconds now)
      : history_(history), rules_(rules), now_(now), decisions_(history.size()) {
    newest_first_.resize(history.size());
    std::iota(newest_first_.begin(), newest_first_.end(), size_t{0});
    std::ranges::sort(newest_first_, [&](size_t a, size_t b) {
      return std::pair(history[a].time, std::string_view(history[a].name)) >
             std::pair(history[b].time, std::string_view(history[b].name));
    });
  }

  std::vector<Decision> Run() {
    FindLastGood();
    ApplyRules();
    for (size_t i = 0; i < history_.size(); ++i) Settle(i);
    return std::move(decisions_);
  }

 private:
  /// The newest complete entry of every collection, and where there is none the newest that could
  /// be taken back.
  void FindLastGood() {
    FindLastGood(&HistoryEntry::collections);
    FindLastGood(&HistoryEntry::with_rows);
    for (Decision& decision : decisions_) {
      std::ranges::sort(decision.last_good_of);
      decision.last_good_of.erase(
          std::unique(decision.last_good_of.begin(), decision.last_good_of.end()),
          decision.last_good_of.end());
    }
  }

  void FindLastGood(std::vector<uint32_t> HistoryEntry::*collections) {
    std::unordered_map<uint32_t, size_t> holders;
    const auto take = [&](const auto& counts) {
      for (const size_t i : newest_first_) {
        if (!counts(history_[i])) continue;
        for (const uint32_t collection : history_[i].*collections) {
          holders.try_emplace(collection, i);
        }
      }
    };
    take([](const HistoryEntry& entry) {
      return entry.state == State::kComplete && !entry.is_going;
    });
    take([](const HistoryEntry& entry) {
      return entry.state == State::kPruned && entry.is_restorable && !entry.is_removing;
    });
    for (const auto& [collection, holder] : holders) {
      decisions_[holder].last_good_of.push_back(collection);
    }
  }

  void ApplyRules() {
    ApplyRules(/*to_those_with_rows=*/true);
    ApplyRules(/*to_those_with_rows=*/false);
    for (size_t i = 0; i < history_.size(); ++i) {
      if (history_[i].is_in_scope && HasOneOf(history_[i].tags, rules_.keep_tags)) {
        decisions_[i].reasons.emplace_back("keep-tag");
      }
    }
  }

  void ApplyRules(bool to_those_with_rows) {
    std::array<PeriodRule, 5> periods = {{{"keep-hourly", rules_.keep_hourly, HourOf},
                                          {"keep-daily", rules_.keep_daily, DayOf},
                                          {"keep-weekly", rules_.keep_weekly, WeekOf},
                                          {"keep-monthly", rules_.keep_monthly, MonthOf},
                                          {"keep-yearly", rules_.keep_yearly, YearOf}}};
    int last_left = rules_.keep_last;
    std::optional<sys_seconds> oldest_within;
    for (const size_t i : newest_first_) {
      const HistoryEntry& entry = history_[i];
      if (entry.state != State::kComplete || !entry.is_in_scope || entry.is_going) continue;
      if (entry.has_rows != to_those_with_rows) continue;
      std::vector<std::string>& reasons = decisions_[i].reasons;
      if (last_left > 0) {
        --last_left;
        reasons.emplace_back("keep-last");
      }
      for (PeriodRule& rule : periods) {
        if (rule.Keeps(entry.time)) reasons.emplace_back(rule.name);
      }
      if (!rules_.keep_within) continue;
      // Counted from the newest, so that nothing goes because no more backups are taken.
      if (!oldest_within) oldest_within = Before(std::min(entry.time, now_), *rules_.keep_within);
      if (entry.time >= *oldest_within) reasons.emplace_back("keep-within");
    }
  }

  void Settle(size_t i) {
    const HistoryEntry& entry = history_[i];
    Decision& decision = decisions_[i];
    if (!entry.is_in_scope) {
      decision.reasons.emplace_back("not in the scope of the rules");
      return;
    }
    switch (entry.state) {
      case State::kComplete:
        if (decision.reasons.empty() && decision.last_good_of.empty()) {
          Mark(i, "no rule keeps it");
        }
        return;
      case State::kPartial:
        if (decision.reasons.empty()) SettlePartial(i);
        return;
      case State::kUnfinished:
        if (decision.reasons.empty()) SettleUnfinished(i);
        return;
      case State::kPruned:
        SettlePruned(i);
        return;
      case State::kUnreadable:
        decision.reasons.emplace_back("what it holds cannot be read");
        return;
    }
  }

  void SettlePartial(size_t i) {
    const HistoryEntry& entry = history_[i];
    for (const size_t other : newest_first_) {
      const HistoryEntry& complete = history_[other];
      if (complete.time <= entry.time) break;
      if (complete.state != State::kComplete || complete.is_going ||
          !std::ranges::includes(complete.collections, entry.collections) ||
          !std::ranges::includes(complete.with_rows, entry.with_rows)) {
        continue;
      }
      if (now_ - entry.time < kPartialAge) {
        decisions_[i].reasons.emplace_back("partial, but not a day old");
      } else {
        Mark(i, fmt::format("partial, and {} has all it holds", complete.name));
      }
      return;
    }
    decisions_[i].reasons.emplace_back("partial, but no newer complete backup has all it holds");
  }

  void SettleUnfinished(size_t i) {
    const HistoryEntry& entry = history_[i];
    if (!entry.has_marker) {
      decisions_[i].reasons.emplace_back(
          "unfinished, but nothing tells who writes it; `delete` removes it");
    } else if (now_ - entry.time < kUnfinishedAge) {
      decisions_[i].reasons.emplace_back("unfinished, but written to within the last 7 days");
    } else {
      Mark(i, fmt::format("unfinished since {}", FormatIso8601(entry.time)));
    }
  }

  void SettlePruned(size_t i) {
    const HistoryEntry& entry = history_[i];
    Decision& decision = decisions_[i];
    if (entry.is_removing) {
      decision.reasons = {"its removal had begun"};
      decision.verdict = entry.is_in_use ? Verdict::kInUse : Verdict::kRemove;
    } else if (now_ < entry.remove_after) {
      decision.reasons = {"pruned, and its grace has not passed"};
      decision.verdict = Verdict::kWait;
    } else if (!decision.last_good_of.empty() || !decision.reasons.empty()) {
      decision.verdict = Verdict::kWait;
    } else {
      decision.reasons = {"pruned, and its grace has passed"};
      decision.verdict = entry.is_in_use ? Verdict::kInUse : Verdict::kRemove;
    }
  }

  void Mark(size_t i, std::string reason) {
    decisions_[i].verdict = history_[i].is_in_use ? Verdict::kInUse : Verdict::kMark;
    decisions_[i].reasons.push_back(std::move(reason));
  }

  const std::vector<HistoryEntry>& history_;
  const RetentionRules& rules_;
  const sys_seconds now_;
  std::vector<Decision> decisions_;
  std::vector<size_t> newest_first_;
};

}  // namespace

std::vector<Decision> Decide(const std::vector<HistoryEntry>& history, const RetentionRules& rules,
                             std::chrono::sys_seconds now) {
  return Policy(history, rules, now).Run();
}

std::chrono::sys_seconds Before(std::chrono::sys_seconds time, const CalendarSpan& span) {
  const sys_days day = floor<days>(time);
  year_month_day date =
      year_month_day(day) - std::chrono::years(span.years) - std::chrono::months(span.months);
  if (!date.ok()) date = date.year() / date.month() / std::chrono::last;
  return sys_days(date) + (time - day) - days(span.days) - hours(span.hours);
}

}  // namespace milvus_backup::backup
