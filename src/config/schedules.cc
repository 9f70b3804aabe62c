#include "sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::config {
namespace {

using std::chrono::seconds;

/// With the time of a run behind it a name must still be one of a backup.
constexpr size_t kMaxScheduleName = 100;
constexpr int64_t kMaxKept = 100000;
constexpr seconds kDay = std::chrono::hours(24);

struct ScheduleKey {
  std::string_view name;
  std::string_view fallback;
  Kind kind = Kind::kText;
  int64_t max = 0;
};
constexpr ScheduleKey kScheduleKeys[] = {
    {"name", ""},
    {"cron", ""},
    {"timeZone", "UTC"},
    {"filter", "", Kind::kList},
    {"strategy", "serial_flush"},
    {"rbac", "false", Kind::kBool},
    {"copyTo", "", Kind::kList},
    {"verify", "quick"},
    {"retention.keepLast", "0", Kind::kNumber, kMaxKept},
    {"retention.keepHourly", "0", Kind::kNumber, kMaxKept},
    {"retention.keepDaily", "0", Kind::kNumber, kMaxKept},
    {"retention.keepWeekly", "0", Kind::kNumber, kMaxKept},
    {"retention.keepMonthly", "0", Kind::kNumber, kMaxKept},
    {"retention.keepYearly", "0", Kind::kNumber, kMaxKept},
    {"retention.keepWithin", ""},
    {"retention.keepTags", "", Kind::kList},
    {"retention.grace", ""},
    {"missed", "run_once"},
    {"missedMaxAge", "24h"},
    {"jitter", "0s"},
    {"retries", "2", Kind::kNumber, 100},
    {"retryDelay", "1m"},
};
constexpr ScheduleKey kHookKeys[] = {
    {"command", "", Kind::kWords},
    {"shell", "false", Kind::kBool},
    {"webhook", "", Kind::kSecret},
    {"headersFile", ""},
    {"caCertPath", ""},
    {"timeout", "60s"},
};
constexpr std::array<std::string_view, 3> kHooks = {"before", "after", "failure"};

Status Wrong(const Value& value, std::string_view want) {
  return ConfigError(fmt::format("{} is '{}'; {}", value.name(), value.text, want));
}

/// One entry, resolved.
class ScheduleEntry {
 public:
  ScheduleEntry(Resolver& values, const std::string& name)
      : values_(values), name_(name), section_("schedules." + name) {}

  Result<ScheduleSettings> Load(const Config& config) {
    for (const ScheduleKey& key : kScheduleKeys) MB_RETURN_IF_ERROR(Resolve(key, ""));
    for (const std::string_view hook : kHooks) {
      for (const ScheduleKey& key : kHookKeys) {
        MB_RETURN_IF_ERROR(Resolve(key, fmt::format("hooks.{}.", hook)));
      }
    }
    ScheduleSettings schedule{.section = section_};
    MB_ASSIGN_OR_RETURN(schedule.name, LoadName());
    MB_RETURN_IF_ERROR(LoadBackup(config, schedule));
    MB_RETURN_IF_ERROR(LoadTimes(schedule));
    schedule.retention = LoadRetention();
    MB_ASSIGN_OR_RETURN(schedule.before, LoadHook("before"));
    MB_ASSIGN_OR_RETURN(schedule.after, LoadHook("after"));
    MB_ASSIGN_OR_RETURN(schedule.failure, LoadHook("failure"));
    return schedule;
  }

 private:
  Status Resolve(const ScheduleKey& key, const std::string& prefix) {
    const std::string id = fmt::format("{}.{}{}", section_, prefix, key.name);
    return values_.Resolve({.id = id,
                            .names = {id},
                            .environment = "",
                            .fallback = std::string(key.fallback),
                            .kind = key.kind,
                            .min = 0,
                            .max = key.max,
                            .inherits = ""});
  }
  const Value& Get(std::string_view key) const {
    return values_.Get(fmt::format("{}.{}", section_, key));
  }
  int Number(std::string_view key) const {
    return static_cast<int>(values_.Number(fmt::format("{}.{}", section_, key)));
  }
  bool Bool(std::string_view key) const {
    return values_.Bool(fmt::format("{}.{}", section_, key));
  }
  std::vector<std::string> Items(std::string_view key) const {
    return values_.Items(fmt::format("{}.{}", section_, key));
  }

  Result<std::string> LoadName() const {
    const Value& name = Get("name");
    const std::string& text = name.is_set() ? name.text : name_;
    const auto is_word = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
    const bool is_plain = !text.empty() && text.size() <= kMaxScheduleName &&
                          std::isdigit(static_cast<unsigned char>(text[0])) == 0 &&
                          std::ranges::all_of(text, is_word);
    if (!is_plain) {
      return ConfigError(fmt::format("schedules: '{}' cannot be a name", text))
          .WithAdvice(fmt::format("use up to {} letters, digits and '_', and no digit first",
                                  kMaxScheduleName));
    }
    if (ToLower(text) != name_) {
      return Wrong(name, fmt::format("the entry itself is called '{}'", name_));
    }
    return text;
  }

  Status LoadBackup(const Config& config, ScheduleSettings& schedule) const {
    const Value& cron = Get("cron");
    if (cron.text.empty()) {
      return ConfigError(cron.name() + " is missing")
          .WithAdvice("say when to run: cron: \"30 2 * * *\"");
    }
    schedule.cron = cron.text;
    schedule.time_zone = Get("timeZone").text;
    schedule.filter = Get("filter").text;
    schedule.strategy = Get("strategy").text;
    schedule.rbac = Bool("rbac");
    MB_RETURN_IF_ERROR(LoadCopies(config, schedule));
    const Value& verify = Get("verify");
    constexpr std::array<std::string_view, 3> kDepths = {"none", "quick", "deep"};
    const auto* const depth = std::ranges::find(kDepths, verify.text);
    if (depth == kDepths.end()) return Wrong(verify, "use none, quick or deep");
    schedule.verify = static_cast<VerifyDepth>(depth - kDepths.begin());
    return Status::Ok();
  }

  Status LoadCopies(const Config& config, ScheduleSettings& schedule) const {
    const std::string key = Get("copyTo").name();
    for (const std::string& item : Items("copyTo")) {
      const std::string name = ToLower(item);
      const Status found = FindStorage(config, name).status();
      if (!found.ok()) return Status(found).WithOrigin(Origin::kConfig).Annotate(key);
      if (name == "backup" || name == "milvus") {
        return ConfigError(fmt::format("{}: '{}' is no storage of its own for copies", key, name))
            .WithAdvice("name one of storages:");
      }
      if (std::ranges::find(schedule.copy_to, name) != schedule.copy_to.end()) {
        return ConfigError(fmt::format("{} names '{}' twice", key, name));
      }
      schedule.copy_to.push_back(name);
    }
    return Status::Ok();
  }

  Status LoadTimes(ScheduleSettings& schedule) const {
    const Value& missed = Get("missed");
    if (missed.text != "skip" && missed.text != "run_once") {
      return Wrong(missed, "use skip or run_once");
    }
    schedule.missed = missed.text == "skip" ? MissedRuns::kSkip : MissedRuns::kRunOnce;
    MB_ASSIGN_OR_RETURN(schedule.missed_max_age, Duration("missedMaxAge", 31 * kDay));
    MB_ASSIGN_OR_RETURN(schedule.jitter, Duration("jitter", kDay));
    MB_ASSIGN_OR_RETURN(schedule.retry_delay, Duration("retryDelay", kDay));
    schedule.retries = Number("retries");
    return Status::Ok();
  }

  RetentionSettings LoadRetention() const {
    return {.keep_last = Number("retention.keepLast"),
            .keep_hourly = Number("retention.keepHourly"),
            .keep_daily = Number("retention.keepDaily"),
            .keep_weekly = Number("retention.keepWeekly"),
            .keep_monthly = Number("retention.keepMonthly"),
            .keep_yearly = Number("retention.keepYearly"),
            .keep_within = Get("retention.keepWithin").text,
            .keep_tags = Items("retention.keepTags"),
            .grace = Get("retention.grace").text};
  }

  Result<HookSettings> LoadHook(std::string_view name) const {
    const std::string key = fmt::format("hooks.{}", name);
    const Value& webhook = Get(key + ".webhook");
    HookSettings hook{.command = Items(key + ".command"),
                      .shell = Bool(key + ".shell"),
                      .webhook = Secret(webhook.text),
                      .headers_file = Get(key + ".headersFile").text,
                      .ca_cert_path = Get(key + ".caCertPath").text,
                      .key = fmt::format("{}.{}", section_, key)};
    MB_ASSIGN_OR_RETURN(hook.timeout, Duration(key + ".timeout", kDay));
    if (hook.timeout == seconds(0)) return Wrong(Get(key + ".timeout"), "use at least 1s");
    const bool has_webhook = !webhook.text.empty() || !webhook.secret_file.empty();
    if (has_webhook && !hook.command.empty()) {
      return ConfigError(fmt::format("{} has a command and a webhook", hook.key))
          .WithAdvice("keep one of them");
    }
    // A URL in a file is not there when a configuration is only translated.
    if (!webhook.text.empty() && !IsAbsoluteUrl(webhook.text)) {
      return ConfigError(webhook.name() + " is no http:// or https:// URL");
    }
    // Messages name the host of a URL.
    if (webhook.text.find('@') < webhook.text.find('/', std::string_view("https://").size())) {
      return ConfigError(webhook.name() + " has a user or password in it")
          .WithAdvice("put them into headersFile");
    }
    if (hook.shell && hook.command.size() != 1) {
      return ConfigError(fmt::format("{}.shell wants a command that is one text", hook.key))
          .WithAdvice("write command: \"a | b\", or a list without shell");
    }
    for (const std::string_view only : {"headersFile", "caCertPath"}) {
      const Value& value = Get(fmt::format("{}.{}", key, only));
      if (value.text.empty() || has_webhook) continue;
      return ConfigError(value.name() + " is for a webhook, and there is none");
    }
    return hook;
  }

  Result<seconds> Duration(std::string_view key, seconds max) const {
    const Value& value = Get(key);
    const auto duration = ParseDuration(value.text);
    if (duration && *duration <= max) return *duration;
    return Wrong(value, fmt::format("use a time such as 90s, 10m, 24h or 7d, at most {}h",
                                    max / std::chrono::hours(1)));
  }

  Resolver& values_;
  const std::string name_;
  const std::string section_;
};

}  // namespace

std::optional<seconds> ParseDuration(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number > 1'000'000'000) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  if (unit == "s" || (unit.empty() && number == 0)) return seconds(number);
  if (unit == "m") return std::chrono::minutes(number);
  if (unit == "h") return std::chrono::hours(number);
  if (unit == "d") return number * kDay;
  return std::nullopt;
}

Status LoadSchedules(Resolver& values, Config& config) {
  for (const std::string& name : values.NamesBelow("schedules")) {
    MB_ASSIGN_OR_RETURN(ScheduleSettings schedule, ScheduleEntry(values, name).Load(config));
    config.schedules.push_back(std::move(schedule));
  }
  for (const auto& unknown : {values.UnknownFileKeys(), values.UnknownSets()}) {
    for (const std::string& key : unknown) {
      if (key != "schedules" && !key.starts_with("schedules.")) continue;
      return ConfigError("unknown key " + key)
          .WithAdvice("docs/configuration.md lists the keys of a schedule");
    }
  }
  return Status::Ok();
}

std::vector<std::string> ScheduleKeys() {
  std::vector<std::string> names;
  for (const ScheduleKey& key : kScheduleKeys) names.emplace_back(key.name);
  for (const std::string_view hook : kHooks) names.push_back(fmt::format("hooks.{}", hook));
  for (const ScheduleKey& key : kHookKeys) names.emplace_back(key.name);
  names.emplace_back("webhookFile");
  return names;
}

}  // namespace milvus_backup::config
