/// What the configuration says of backups that are taken by the clock. Plain data.
#pragma once

#include "milvus_backup/base/secret.h"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::config {

/// How a backup, and each of its copies, is proved.
enum class VerifyDepth { kNone, kQuick, kDeep };

/// What becomes of times at which nobody was there to begin, or the run before was still at work.
enum class MissedRuns {
  kSkip,     ///< nothing
  kRunOnce,  ///< one run for all of them, unless the last of them is too long ago
};

/// A command or a request at one point of a run. One of `command` and `webhook`, or neither.
struct HookSettings {
  /// The program and its arguments; with `shell` one text.
  std::vector<std::string> command;
  bool shell = false;
  /// An http or https URL. A secret, for some services have no other.
  Secret webhook;
  /// Lines `Name: value` to send along; empty sends none.
  std::string headers_file;
  /// PEM file of the authority that signed the certificate of the webhook; empty: the system's.
  std::string ca_cert_path;
  std::chrono::seconds timeout{60};
  /// What the user calls it: `schedules.nightly.hooks.before`.
  std::string key;

  bool is_set() const { return !command.empty() || !webhook.empty(); }
};

/// Which backups of a schedule stay; 0 and empty are no rule. docs/cli.md, `prune`.
struct RetentionSettings {
  int keep_last = 0;
  int keep_hourly = 0;
  int keep_daily = 0;
  int keep_weekly = 0;
  int keep_monthly = 0;
  int keep_yearly = 0;
  std::string keep_within;
  std::vector<std::string> keep_tags;
  /// Empty is the default of `prune`.
  std::string grace;
};

struct ScheduleSettings {
  /// As it is written; names of schedules differ in more than case.
  std::string name;
  std::string cron;
  std::string time_zone = "UTC";
  /// As of `create --filter`; empty for everything.
  std::string filter;
  std::string strategy;
  bool rbac = false;
  /// Names of storages, in lower case.
  std::vector<std::string> copy_to;
  VerifyDepth verify = VerifyDepth::kQuick;
  RetentionSettings retention;
  MissedRuns missed = MissedRuns::kRunOnce;
  std::chrono::seconds missed_max_age{0};
  /// A run begins up to so much later than its time, by chance.
  std::chrono::seconds jitter{0};
  /// How often a step that failed is tried again.
  int retries = 0;
  /// Before the first time; doubled each time.
  std::chrono::seconds retry_delay{0};
  HookSettings before;
  HookSettings after;
  HookSettings failure;
  /// `schedules.nightly`, for messages.
  std::string section;

  std::string KeyOf(std::string_view key) const { return section + "." + std::string(key); }
};

}  // namespace milvus_backup::config
