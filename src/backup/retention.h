/// Which backups of a history go: the policy of prune, without a storage or a clock. Pure
/// functions.
#pragma once

#include "milvus_backup/backup/prune.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// What a policy knows of one backup.
struct HistoryEntry {
  enum class State {
    kComplete,
    kPartial,     ///< has a header that says what it lacks
    kUnfinished,  ///< has no header
    kPruned,      ///< has a tombstone instead of a header
    kUnreadable,  ///< has a header, but what is in it cannot be told
  };

  std::string name;
  /// When it was taken; of an unfinished one its latest sign of life. 1970 when nothing tells.
  std::chrono::sys_seconds time{};
  State state = State::kComplete;
  /// Collections that are whole in it, by number, ascending.
  std::vector<uint32_t> collections{};
  /// Those of them that it has rows of, ascending: a backup of metas alone has none.
  std::vector<uint32_t> with_rows{};
  /// It has rows of any collection.
  bool has_rows = true;
  std::vector<std::string> tags{};
  /// Among those that the rules are for.
  bool is_in_scope = true;
  /// A live run works on it.
  bool is_in_use = false;
  /// That run deletes or prunes it.
  bool is_going = false;
  /// kUnfinished: a marker says which run of this program left it.
  bool has_marker = false;
  /// kPruned.
  std::chrono::sys_seconds remove_after{};
  /// kPruned: it was complete and can be taken back whole.
  bool is_restorable = false;
  /// kPruned: some of its data may be gone.
  bool is_removing = false;
};

enum class Verdict {
  kKeep,
  kMark,    ///< replace the header by a tombstone
  kWait,    ///< a tombstone whose data stays for now
  kRemove,  ///< a tombstone whose data goes
  kInUse,   ///< would be marked or removed if no run worked on it
};

struct Decision {
  Verdict verdict = Verdict::kKeep;
  /// For people; may be empty only where `last_good_of` is not.
  std::vector<std::string> reasons{};
  /// Collections whose last good backup it is, ascending.
  std::vector<uint32_t> last_good_of{};
};

/// One decision per entry, in the order of `history`, which may be any; names tell backups of one
/// time apart, the greater one counts as newer. What holds whatever the rules are:
///   - the newest complete entry of a collection is kept, in scope or not, and the newest one that
///     has rows of it; one that is being deleted does not count;
///   - so is, while no complete entry has a collection (rows of it), the newest pruned one that
///   does;
///   - entries without rows are counted by the rules among themselves;
///   - entries out of scope and entries in use are never marked or removed.
std::vector<Decision> Decide(const std::vector<HistoryEntry>& history, const RetentionRules& rules,
                             std::chrono::sys_seconds now);

/// `time` less `span`, by the calendar: a day that the month does not have is its last.
std::chrono::sys_seconds Before(std::chrono::sys_seconds time, const CalendarSpan& span);

}  // namespace milvus_backup::backup
