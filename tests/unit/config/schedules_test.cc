#include "config/sections.h"
#include "config_fixture.h"

#include "milvus_backup/config/migrate.h"

#include <sstream>

namespace milvus_backup::config {
namespace {

using milvus_backup::testing::IsError;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class SchedulesTest : public ConfigFixture {
 protected:
  /// What is wrong with a schedule that has these keys besides its name and cron.
  std::string ErrorOf(const std::string& keys) const {
    const auto config = LoadText(
        "storages: {archive: {port: 1}}\nschedules:\n- {name: a, cron: '@daily', " + keys + "}\n");
    EXPECT_FALSE(config.ok()) << keys;
    EXPECT_EQ(config.status().origin(), Origin::kConfig);
    return config.status().ToString();
  }
};

TEST_F(SchedulesTest, EveryKeyIsRead) {
  for (const std::string version : {"v1", "v2"}) {
    ASSERT_OK_AND_ASSIGN(const Config config, LoadText("configVersion: " + version + R"(
storages: {Archive: {port: 1}, disk: {storageType: local, backupRootPath: /x}}
schedules:
  - name: Nightly
    cron: "30 2 * * *"
    timeZone: Europe/Berlin
    filter: [a.*, b]
    strategy: bulk_flush
    rbac: true
    copyTo: [ARCHIVE, disk]
    verify: deep
    retention: {keepLast: 1, keepHourly: 2, keepDaily: 3, keepWeekly: 4, keepMonthly: 5,
                keepYearly: 6, keepWithin: 2d, keepTags: [x, y], grace: 1h}
    missed: skip
    missedMaxAge: 7d
    jitter: 90s
    retries: 5
    retryDelay: 10m
    hooks:
      before: {command: [a, "b,c"], timeout: 2m}
      after: {command: "x | y", shell: true}
      failure: {webhook: "https://example.com/s3cret", headersFile: h, caCertPath: c}
  - {name: hourly, cron: "@hourly"}
)"));
    EXPECT_TRUE(config.warnings.empty());
    ASSERT_EQ(config.schedules.size(), 2U);
    const ScheduleSettings& nightly = config.schedules[1];
    EXPECT_EQ(nightly.name, "Nightly");
    EXPECT_EQ(nightly.cron, "30 2 * * *");
    EXPECT_EQ(nightly.time_zone, "Europe/Berlin");
    EXPECT_EQ(nightly.filter, "a.*,b");
    EXPECT_EQ(nightly.strategy, "bulk_flush");
    EXPECT_TRUE(nightly.rbac);
    EXPECT_EQ(nightly.copy_to, (std::vector<std::string>{"archive", "disk"}));
    EXPECT_EQ(nightly.verify, VerifyDepth::kDeep);
    EXPECT_EQ(nightly.retention.keep_last, 1);
    EXPECT_EQ(nightly.retention.keep_hourly, 2);
    EXPECT_EQ(nightly.retention.keep_daily, 3);
    EXPECT_EQ(nightly.retention.keep_weekly, 4);
    EXPECT_EQ(nightly.retention.keep_monthly, 5);
    EXPECT_EQ(nightly.retention.keep_yearly, 6);
    EXPECT_EQ(nightly.retention.keep_within, "2d");
    EXPECT_EQ(nightly.retention.keep_tags, (std::vector<std::string>{"x", "y"}));
    EXPECT_EQ(nightly.retention.grace, "1h");
    EXPECT_EQ(nightly.missed, MissedRuns::kSkip);
    EXPECT_EQ(nightly.missed_max_age, hours(7 * 24));
    EXPECT_EQ(nightly.jitter, seconds(90));
    EXPECT_EQ(nightly.retries, 5);
    EXPECT_EQ(nightly.retry_delay, minutes(10));
    EXPECT_EQ(nightly.before.command, (std::vector<std::string>{"a", "b,c"}));
    EXPECT_FALSE(nightly.before.shell);
    EXPECT_EQ(nightly.before.timeout, minutes(2));
    EXPECT_EQ(nightly.before.key, "schedules.nightly.hooks.before");
    EXPECT_EQ(nightly.after.command, std::vector<std::string>{"x | y"});
    EXPECT_TRUE(nightly.after.shell);
    EXPECT_EQ(nightly.failure.webhook.Reveal(), "https://example.com/s3cret");
    EXPECT_EQ(nightly.failure.headers_file, "h");
    EXPECT_EQ(nightly.failure.ca_cert_path, "c");
    EXPECT_EQ(nightly.failure.timeout, seconds(60));
    const auto shown = ByKey(config);
    EXPECT_EQ(shown.at("schedules.nightly.hooks.failure.webhook").value, "ht****et");
    EXPECT_EQ(shown.at("schedules.hourly.verify").source, "default");
  }
}

TEST_F(SchedulesTest, MostKeysHaveDefaults) {
  ASSERT_OK_AND_ASSIGN(const Config config, LoadText("schedules: [{name: a, cron: '@daily'}]"));
  const ScheduleSettings& schedule = config.schedules.at(0);
  EXPECT_EQ(schedule.time_zone, "UTC");
  EXPECT_EQ(schedule.filter, "");
  EXPECT_EQ(schedule.strategy, "serial_flush");
  EXPECT_FALSE(schedule.rbac);
  EXPECT_TRUE(schedule.copy_to.empty());
  EXPECT_EQ(schedule.verify, VerifyDepth::kQuick);
  EXPECT_EQ(schedule.retention.keep_last, 0);
  EXPECT_TRUE(schedule.retention.keep_tags.empty());
  EXPECT_EQ(schedule.missed, MissedRuns::kRunOnce);
  EXPECT_EQ(schedule.missed_max_age, hours(24));
  EXPECT_EQ(schedule.jitter, seconds(0));
  EXPECT_EQ(schedule.retries, 2);
  EXPECT_EQ(schedule.retry_delay, minutes(1));
  EXPECT_FALSE(schedule.before.is_set() || schedule.after.is_set() || schedule.failure.is_set());
  EXPECT_TRUE(LoadText("schedules: []")->schedules.empty());
  EXPECT_TRUE(LoadText("schedules:")->schedules.empty());
}

TEST_F(SchedulesTest, AKeyCanBeOverridden) {
  const std::string path = WriteFile("url", "https://example.com/from-a-file\n");
  ASSERT_OK_AND_ASSIGN(
      const Config config,
      LoadText(
          "schedules: [{name: a, cron: '@daily', hooks: {after: {webhookFile: " + path + "}}}]",
          {"schedules.a.cron=@hourly", R"("schedules.a.filter=x,y")"}));
  EXPECT_EQ(config.schedules.at(0).cron, "@hourly");
  EXPECT_EQ(config.schedules.at(0).filter, "x,y");
  EXPECT_EQ(config.schedules.at(0).after.webhook.Reveal(), "https://example.com/from-a-file");
}

TEST_F(SchedulesTest, WhatIsWrongIsNamed) {
  const auto load = [&](const std::string& text) { return LoadText("schedules: " + text); };
  EXPECT_THAT(load("x"), IsError(Code::kInvalidArgument, "unknown key schedules"));
  EXPECT_THAT(load("[x]"),
              IsError(Code::kInvalidArgument, "line 1: an entry of schedules: has no name"));
  EXPECT_THAT(load("[{cron: '@daily'}]"), IsError(Code::kInvalidArgument, "has no name"));
  EXPECT_THAT(load("[{name: a}]"), IsError(Code::kInvalidArgument, "schedules.a.cron is missing"));
  EXPECT_THAT(load("[{name: a, cron: x}, {name: A, cron: y}]"),
              IsError(Code::kInvalidArgument, "two entries are called 'A'"));
  for (const std::string& name :
       std::vector<std::string>{"a.b", "'a b'", "a-b", "1a", std::string(101, 'a')}) {
    EXPECT_THAT(load("[{name: " + name + ", cron: '@daily'}]"),
                IsError(Code::kInvalidArgument, "cannot be a name"))
        << name;
  }
  const std::pair<const char*, const char*> cases[] = {
      {"cronn: x", "unknown key schedules.a.cronn"},
      {"hooks: {befor: {command: x}}", "unknown key schedules.a.hooks.befor.command"},
      {"retention: {keepLst: 1}", "unknown key schedules.a.retention.keeplst"},
      {"retention: 3", "schedules.a.retention is a single value"},
      {"timeZone: [x]", "schedules.a.timeZone is a list"},
      {"rbac: maybe", "schedules.a.rbac is 'maybe'"},
      {"copyTo: [archiv]", "schedules.a.copyTo: no storage is called 'archiv'"},
      {"copyTo: backup", "schedules.a.copyTo: 'backup' is no storage of its own"},
      {"copyTo: [archive, ARCHIVE]", "schedules.a.copyTo names 'archive' twice"},
      {"verify: all", "schedules.a.verify is 'all'; use none, quick or deep"},
      {"retention: {keepLast: -1}", "schedules.a.retention.keepLast is '-1'"},
      {"missed: never", "schedules.a.missed is 'never'; use skip or run_once"},
      {"missedMaxAge: 32d", "schedules.a.missedMaxAge is '32d'; use a time such as"},
      {"jitter: 5", "schedules.a.jitter is '5'; use a time such as"},
      {"jitter: 25h", "at most 24h"},
      {"retryDelay: x", "schedules.a.retryDelay is 'x'"},
      {"retries: 101", "schedules.a.retries is '101'"},
      {"hooks: {before: {command: x, webhook: 'http://x/'}}",
       "schedules.a.hooks.before has a command and a webhook"},
      {"hooks: {before: {command: [a, b], shell: true}}", "schedules.a.hooks.before.shell wants"},
      {"hooks: {before: {command: x, timeout: 0s}}", "schedules.a.hooks.before.timeout is '0s'"},
      {"hooks: {before: {command: x, headersFile: y}}",
       "schedules.a.hooks.before.headersFile is for a webhook"},
      {"hooks: {before: {webhook: 'ftp://x'}}",
       "schedules.a.hooks.before.webhook is no http:// or https:// URL"},
      {"hooks: {before: {webhook: 'https://u:p@x/'}}",
       "schedules.a.hooks.before.webhook has a user or password in it"},
  };
  for (const auto& [keys, message] : cases) {
    EXPECT_NE(ErrorOf(keys).find(message), std::string::npos) << ErrorOf(keys);
  }
}

TEST_F(SchedulesTest, AreTranslated) {
  const std::string path = WriteFile("v1.yaml", R"(
schedules:
- name: Nightly
  cron: "@daily"
  filter: [a, b]
  hooks: {before: {command: [x, "y,z"]}, after: {webhookFile: /run/secrets/url}}
)");
  ASSERT_OK_AND_ASSIGN(const Migration migration, Migrate(OptionsFor(path)));
  EXPECT_TRUE(migration.lost.empty());
  EXPECT_NE(migration.yaml.find("webhookFile: /run/secrets/url"), std::string::npos)
      << migration.yaml;
  std::string yaml = migration.yaml;
  yaml.replace(yaml.find("/run/secrets/url"), 16, WriteFile("url", "http://x/"));
  ASSERT_OK_AND_ASSIGN(const Config config, LoadText(yaml));
  ASSERT_EQ(config.schedules.size(), 1U);
  EXPECT_EQ(config.schedules[0].name, "Nightly");
  EXPECT_EQ(config.schedules[0].filter, "a,b");
  EXPECT_EQ(config.schedules[0].before.command, (std::vector<std::string>{"x", "y,z"}));
}

TEST_F(SchedulesTest, SampleAndDocumentationNameEveryKey) {
  const auto read = [](const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(testing::ConfigsDir() + "/" + name, std::ios::binary).rdbuf();
    return text.str();
  };
  const std::string sample = read("backup-schedules.yaml");
  const std::string documentation = read("../docs/configuration.md");
  for (const std::string& key : ScheduleKeys()) {
    const std::string leaf = key.substr(key.rfind('.') + 1);
    EXPECT_NE(documentation.find("`" + key + "`"), std::string::npos) << key;
    EXPECT_NE(sample.find(leaf + (leaf == "webhookFile" ? "" : ":")), std::string::npos) << key;
  }
}

TEST(DurationTest, HaveAUnit) {
  EXPECT_EQ(ParseDuration("0"), seconds(0));
  EXPECT_EQ(ParseDuration("90s"), seconds(90));
  EXPECT_EQ(ParseDuration("10m"), minutes(10));
  EXPECT_EQ(ParseDuration("24h"), hours(24));
  EXPECT_EQ(ParseDuration("7d"), hours(168));
  for (const char* text : {"", "s", "1", "-1s", "1.5h", "1 s", "1w", "99999999999999999999s"}) {
    EXPECT_FALSE(ParseDuration(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace milvus_backup::config
