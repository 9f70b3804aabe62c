#include "service/schedule_run.h"

#include "service/schedule_store.h"
#include "support/fake_milvus.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"
#include "support/test_paths.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/service/services.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::service {
namespace {

using nlohmann::json;
using std::chrono::seconds;
using std::chrono::sys_seconds;
using testing::IsError;
using Texts = std::vector<std::string>;

constexpr sys_seconds kTime{seconds(1767322800)};  // 2026-01-02T03:00:00Z
constexpr char kBackup[] = "nightly_20260102T030000Z";

/// A fake clock, and something that happens while it is waited for.
class WaitingClock final : public Clock {
 public:
  std::chrono::steady_clock::time_point Now() const override { return clock_.Now(); }
  std::chrono::system_clock::time_point WallNow() const override { return clock_.WallNow(); }
  bool SleepFor(std::chrono::nanoseconds duration, const std::stop_token& stop) override {
    if (on_sleep) on_sleep();
    return clock_.SleepFor(duration, stop);
  }
  std::chrono::nanoseconds elapsed() const { return clock_.elapsed(); }

  std::function<void()> on_sleep;

 private:
  FakeClock clock_;
};

class Job final : public JobContext {
 public:
  explicit Job(std::stop_token stop = {}) : call_{.stop = std::move(stop)} {}
  const CallContext& call() const override { return call_; }
  transfer::Progress& progress() override { return progress_; }
  void SetItem(const std::string& name, JobState state) override {
    items.push_back(name + " " + std::string(NameOf(state)));
  }
  void Warn(const std::string& warning) override { items.push_back("warning " + warning); }

  Texts items;

 private:
  const CallContext call_;
  transfer::Progress progress_;
};

class ScheduleRunTest : public ::testing::Test {
 protected:
  ScheduleRunTest() {
    config_.milvus = milvus_.client_options();
    config_.milvus_storage = Disk("data");
    config_.backup_storage = Disk("backup");
    config_.storages = {{"a", Disk("a")}, {"b", Disk("b")}};
    config_.gc_pause.enable = false;
    config_.server.state_dir = Path("state");
    testing::FakeCollection hello;
    hello.info.schema.name = "hello";
    hello.info.schema.fields = {
        {.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5},
        {.field_id = 101, .name = "v", .data_type = 101, .type_params = {{"dim", "4"}}}};
    hello.info.shards_num = 1;
    milvus_.Add("default", hello);
    settings_ = {.name = "nightly",
                 .cron = "@daily",
                 .strategy = "serial_flush",
                 .copy_to = {"a", "b"},
                 .retries = 2,
                 .retry_delay = std::chrono::minutes(1),
                 .section = "schedules.nightly"};
  }

  config::StorageSettings Disk(const std::string& name) const {
    config::StorageSettings disk;
    disk.kind = config::StorageKind::kLocal;
    disk.provider = "local";
    disk.bucket = "";
    disk.root_path = Path(name);
    return disk;
  }
  std::string Path(const std::string& name) const { return dir_.path() + "/" + name; }
  config::HookSettings Writes(const std::string& name, const std::string& more = "") const {
    return {.command = {"cat > " + Path(name) + more},
            .shell = true,
            .key = "schedules.nightly.hooks." + name};
  }
  json Read(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(Path(name)).rdbuf();
    return json::parse(text.str(), nullptr, false);
  }

  RunReport Run(sys_seconds scheduled = kTime) {
    auto schedule = MakeSchedule(settings_);
    EXPECT_OK(schedule);
    job_ = std::make_unique<Job>(stop_.get_token());
    return RunSchedule(*job_, config_, *schedule, scheduled, clock_);
  }
  static Texts Steps(const RunReport& report) {
    Texts steps;
    for (const RunStep& step : report.steps) {
      constexpr const char* kOutcomes[] = {"", " failed", " skipped"};
      steps.push_back(step.name + kOutcomes[static_cast<size_t>(step.outcome)]);
    }
    return steps;
  }
  /// Names of the complete backups of a storage.
  Texts Backups(const std::string& storage) const {
    backup::Place place;
    const auto backend = OpenPlace(Disk(storage), place);
    EXPECT_OK(backend);
    const auto list = meta::ListBackups({}, **backend, "");
    EXPECT_OK(list);
    Texts names;
    if (!list.ok()) return names;
    for (const meta::ListedBackup& backup : list->backups) names.push_back(backup.name);
    return names;
  }

  testing::TempDir dir_;
  testing::FakeMilvus milvus_;
  WaitingClock clock_;
  std::stop_source stop_;
  config::Config config_;
  config::ScheduleSettings settings_;
  std::unique_ptr<Job> job_;
};

TEST_F(ScheduleRunTest, ABackupIsTakenCopiedAndProved) {
  settings_.verify = config::VerifyDepth::kDeep;
  const RunReport report = Run();
  EXPECT_OK(report.status);
  EXPECT_EQ(report.backup, kBackup);
  EXPECT_TRUE(report.created);
  EXPECT_EQ(Steps(report),
            (Texts{"create", "copy a", "copy b", "verify backup", "verify a", "verify b"}));
  for (const char* storage : {"backup", "a", "b"}) {
    EXPECT_EQ(Backups(storage), Texts{kBackup}) << storage;
  }
  ASSERT_EQ(job_->items.size(), 12U);
  EXPECT_EQ(job_->items[0], "create running");
  EXPECT_EQ(job_->items[1], "create succeeded");
}

TEST_F(ScheduleRunTest, WhatIsDoneIsNotDoneAgain) {
  EXPECT_OK(Run().status);
  const size_t calls = milvus_.calls().size();
  const RunReport again = Run();
  EXPECT_OK(again.status);
  EXPECT_TRUE(again.created);
  EXPECT_EQ(milvus_.calls().size(), calls);
  EXPECT_EQ(Backups("a"), Texts{kBackup});
}

TEST_F(ScheduleRunTest, VerifyingMayBeLeftOut) {
  settings_.verify = config::VerifyDepth::kNone;
  settings_.copy_to = {};
  EXPECT_EQ(Steps(Run()), Texts{"create"});
}

TEST_F(ScheduleRunTest, HooksGetADescription) {
  settings_.copy_to = {"a"};
  settings_.before = Writes("before");
  settings_.after = Writes("after");
  settings_.failure = Writes("failure");
  const RunReport report = Run();
  EXPECT_OK(report.status);
  EXPECT_EQ(Steps(report),
            (Texts{"before", "create", "copy a", "verify backup", "verify a", "after"}));
  json before = Read("before");
  EXPECT_EQ(before["event"], "before");
  EXPECT_EQ(before["steps"], json::array());
  json after = Read("after");
  EXPECT_EQ(after["event"], "after");
  EXPECT_EQ(after["schedule"], "nightly");
  EXPECT_EQ(after["backup"], kBackup);
  EXPECT_EQ(after["scheduled"], "2026-01-02T03:00:00Z");
  EXPECT_EQ(after["started"], "2026-01-02T03:04:05Z");
  EXPECT_EQ(after["ended"], "2026-01-02T03:04:05Z");
  EXPECT_EQ(after["status"], "ok");
  EXPECT_EQ(after["created"], true);
  EXPECT_EQ(after["error"], "");
  ASSERT_EQ(after["steps"].size(), 5U);
  EXPECT_EQ(after["steps"][2]["name"], "copy a");
  EXPECT_EQ(after["steps"][2]["outcome"], "succeeded");
  EXPECT_EQ(after["steps"][2]["error"], "");
  EXPECT_FALSE(std::filesystem::exists(Path("failure")));
}

TEST_F(ScheduleRunTest, NothingIsDoneWhenTheFirstHookFails) {
  settings_.before = Writes("before", "; exit 3");
  settings_.after = Writes("after");
  settings_.failure = Writes("failure");
  const RunReport report = Run();
  EXPECT_THAT(report.status, IsError(Code::kFailedPrecondition,
                                     "before: schedules.nightly.hooks.before: '/bin/sh' ended "
                                     "with status 3"));
  EXPECT_EQ(Steps(report), (Texts{"before failed", "create skipped", "failure"}));
  EXPECT_FALSE(report.created);
  EXPECT_EQ(milvus_.calls().size(), 0U);
  EXPECT_EQ(Read("failure")["status"], "failed");
  EXPECT_FALSE(std::filesystem::exists(Path("after")));
  // A hook is not tried again.
  EXPECT_EQ(clock_.elapsed().count(), 0);
}

TEST_F(ScheduleRunTest, AHookThatFailsAfterwardsFailsTheRun) {
  settings_.copy_to = {};
  settings_.after = Writes("after", "; exit 1");
  settings_.failure = Writes("failure");
  const RunReport report = Run();
  EXPECT_THAT(report.status, IsError(Code::kFailedPrecondition, "after: "));
  EXPECT_TRUE(report.created);
  EXPECT_EQ(Steps(report), (Texts{"create", "verify backup", "after failed", "failure"}));
}

TEST_F(ScheduleRunTest, AFailedCreateIsTriedAgainAndEndsTheRun) {
  settings_.filter = "nope";
  settings_.failure = Writes("failure");
  const RunReport report = Run();
  EXPECT_FALSE(report.status.ok());
  EXPECT_EQ(Steps(report), (Texts{"create failed", "failure"}));
  EXPECT_NE(Read("failure")["error"].get<std::string>().find("nope"), std::string::npos);
  EXPECT_EQ(Backups("backup"), Texts());
  EXPECT_FALSE(std::filesystem::exists(Path("a") + "/" + kBackup));
}

TEST_F(ScheduleRunTest, ACopyThatFailsKeepsNoOtherFromBeingMade) {
  std::ofstream(Path("a")) << "a file where a directory should be";
  settings_.retention.keep_last = 3;
  const RunReport report = Run();
  EXPECT_FALSE(report.status.ok());
  EXPECT_NE(report.status.ToString().find("copy a: "), std::string::npos);
  EXPECT_TRUE(report.created);
  EXPECT_EQ(Steps(report), (Texts{"create", "copy a failed", "copy b", "verify backup",
                                  "retention backup", "verify b", "retention b"}));
  EXPECT_EQ(Backups("b"), Texts{kBackup});
  // Twice more, after a minute and after two.
  EXPECT_EQ(clock_.elapsed(), std::chrono::minutes(3));
}

TEST_F(ScheduleRunTest, ATryMayBeTheLastOne) {
  std::ofstream(Path("a")) << "a file where a directory should be";
  clock_.on_sleep = [&] { std::filesystem::remove(Path("a")); };
  const RunReport report = Run();
  EXPECT_OK(report.status);
  EXPECT_EQ(Backups("a"), Texts{kBackup});
  EXPECT_EQ(clock_.elapsed(), std::chrono::minutes(1));
}

TEST_F(ScheduleRunTest, OldBackupsGoEverywhere) {
  settings_.retention.keep_last = 2;
  settings_.retention.grace = "0";
  for (int day = 0; day < 4; ++day) EXPECT_OK(Run(kTime + day * std::chrono::hours(24)).status);
  const Texts left = {"nightly_20260104T030000Z", "nightly_20260105T030000Z"};
  for (const char* storage : {"backup", "a", "b"}) EXPECT_EQ(Backups(storage), left) << storage;
}

TEST_F(ScheduleRunTest, OthersBackupsStay) {
  settings_.name = "nightly_a";
  EXPECT_OK(Run().status);
  settings_.name = "nightly";
  settings_.retention.keep_last = 1;
  settings_.retention.grace = "0";
  for (int day = 0; day < 2; ++day) EXPECT_OK(Run(kTime + day * std::chrono::hours(24)).status);
  EXPECT_EQ(Backups("backup"), (Texts{"nightly_20260103T030000Z", "nightly_a_20260102T030000Z"}));
}

TEST_F(ScheduleRunTest, NothingGoesForABackupThatIsDamaged) {
  settings_.copy_to = {};
  settings_.verify = config::VerifyDepth::kDeep;
  settings_.retention.keep_last = 1;
  settings_.retention.grace = "0";
  EXPECT_OK(Run().status);
  const sys_seconds next = kTime + std::chrono::hours(24);
  settings_.retention.keep_last = 5;
  EXPECT_OK(Run(next).status);
  settings_.retention.keep_last = 1;
  const std::string damaged = Path("backup") + "/nightly_20260103T030000Z/meta/full_meta.json";
  std::ofstream(damaged, std::ios::app) << " ";
  const RunReport report = Run(next);  // goes on with a run that died before it verified
  EXPECT_THAT(report.status, IsError(Code::kDataLoss, "verify backup: the backup is damaged"));
  EXPECT_EQ(Steps(report), (Texts{"create", "verify backup failed", "retention backup skipped"}));
  EXPECT_EQ(Backups("backup").size(), 2U);
}

TEST_F(ScheduleRunTest, AStoppedRunRunsNoHook) {
  settings_.before = Writes("before");
  settings_.failure = Writes("failure");
  stop_.request_stop();
  const RunReport report = Run();
  EXPECT_THAT(report.status, IsError(Code::kCancelled, ""));
  EXPECT_EQ(Steps(report), Texts());
  EXPECT_FALSE(std::filesystem::exists(Path("before")));
  EXPECT_FALSE(std::filesystem::exists(Path("failure")));
}

TEST_F(ScheduleRunTest, AStopEndsTheWaitForAnotherTry) {
  std::ofstream(Path("a")) << "a file where a directory should be";
  settings_.failure = Writes("failure");
  clock_.on_sleep = [&] { stop_.request_stop(); };
  EXPECT_THAT(Run().status, IsError(Code::kCancelled, ""));
  EXPECT_FALSE(std::filesystem::exists(Path("failure")));
  EXPECT_EQ(Backups("backup"), Texts{kBackup});
}

class RunNowTest : public ScheduleRunTest {
 protected:
  RunNowTest() {
    settings_.copy_to = {};
    config_.schedules = {settings_};
  }
  Result<RunReport> RunNow(const std::string& name = "nightly") {
    return RunScheduleNow({.stop = stop_.get_token()}, config_, name, nullptr, clock_);
  }
  ScheduleView View() {
    const auto views = ListSchedules(config_, std::chrono::floor<seconds>(clock_.WallNow()), 2);
    EXPECT_OK(views);
    EXPECT_EQ(views->size(), 1U);
    return views->front();
  }
};

TEST_F(RunNowTest, TakesABackupOfNow) {
  EXPECT_FALSE(View().last.has_value());
  ASSERT_OK_AND_ASSIGN(const RunReport report, RunNow("NIGHTLY"));
  EXPECT_OK(report.status);
  EXPECT_EQ(report.backup, "nightly_20260102T030405Z");
  // In the same second it is another one.
  ASSERT_OK_AND_ASSIGN(const RunReport second, RunNow());
  EXPECT_EQ(second.backup, "nightly_20260102T030406Z");
  EXPECT_EQ(Backups("backup").size(), 2U);
  const ScheduleView view = View();
  EXPECT_EQ(view.unfinished, "");
  ASSERT_TRUE(view.last.has_value());
  EXPECT_EQ(view.last->backup, second.backup);
  EXPECT_TRUE(view.last->succeeded);
  ASSERT_EQ(view.next.size(), 2U);
  EXPECT_EQ(FormatIso8601(view.next[0]), "2026-01-03T00:00:00Z");
  EXPECT_EQ(FormatIso8601(view.next[1]), "2026-01-04T00:00:00Z");
}

TEST_F(RunNowTest, LeavesWhenItSucceeded) {
  config_.metrics_directory = Path("textfile");
  std::filesystem::create_directories(config_.metrics_directory);
  const auto file = [this] {
    std::ostringstream text;
    text << std::ifstream(Path("textfile/milvus_backup_schedule_nightly.prom")).rdbuf();
    return text.str();
  };
  milvus_.Stop();
  settings_.retries = 0;
  config_.schedules = {settings_};
  ASSERT_OK_AND_ASSIGN(const RunReport failed, RunNow());
  EXPECT_FALSE(failed.status.ok());
  EXPECT_EQ(file(), "");
  EXPECT_TRUE(LastSuccesses(config_).empty());
  {
    ASSERT_OK_AND_ASSIGN(const auto store, ScheduleStore::Open(Path("state"), true));
    ASSERT_OK_AND_ASSIGN(const auto claim, store->Claim("nightly"));
    ScheduleState state = claim->state();
    state.last_success = kTime;
    ASSERT_OK(claim->Save(state));
  }
  // It stays while runs fail, also where the file is lost.
  ASSERT_OK(RunNow());
  EXPECT_NE(file().find("\nmilvus_backup_schedule_last_success_timestamp_seconds"
                        "{schedule=\"nightly\"} 1767322800"),
            std::string::npos)
      << file();
  EXPECT_EQ(LastSuccesses(config_), (std::map<std::string, sys_seconds>{{"nightly", kTime}}));
}

// A page of metrics is asked for every few seconds.
TEST_F(RunNowTest, ADamagedStateIsLoggedWhenItChanges) {
  const std::string path = Path("log");
  std::filesystem::create_directories(Path("state/schedules"));
  const std::string state = Path("state/schedules/nightly.json");
  const auto warnings = [&path] {
    std::ifstream file(path);
    int count = 0;
    for (std::string line; std::getline(file, line);) {
      if (line.find("schedule nightly last succeeded is not known") != std::string::npos) ++count;
    }
    return count;
  };
  ASSERT_OK(log::Configure({.console = false, .path = path}));
  for (const char* text : {"{", "{", R"({"handled":1717000000})", "{"}) {
    std::ofstream(state) << text;
    EXPECT_TRUE(LastSuccesses(config_).empty());
  }
  ASSERT_OK(log::Configure({.console = false}));
  EXPECT_EQ(warnings(), 2);
}

TEST_F(RunNowTest, ASuccessIsRemembered) {
  ASSERT_OK_AND_ASSIGN(const RunReport report, RunNow());
  ASSERT_OK(report.status);
  EXPECT_EQ(LastSuccesses(config_),
            (std::map<std::string, sys_seconds>{{"nightly", report.ended}}));
}

TEST_F(RunNowTest, GoesOnWithWhatIsUnfinished) {
  {
    ASSERT_OK_AND_ASSIGN(const auto store, ScheduleStore::Open(Path("state"), true));
    ASSERT_OK_AND_ASSIGN(const auto claim, store->Claim("nightly"));
    ASSERT_OK(claim->Save({.handled = kTime, .unfinished = kTime}));
    EXPECT_THAT(RunNow(), IsError(Code::kAlreadyExists, "schedule nightly is running"));
  }
  EXPECT_EQ(View().unfinished, kBackup);
  ASSERT_OK_AND_ASSIGN(const RunReport report, RunNow());
  EXPECT_EQ(report.backup, kBackup);
  EXPECT_EQ(View().unfinished, "");
}

TEST_F(RunNowTest, AStoppedRunStaysUnfinished) {
  stop_.request_stop();
  ASSERT_OK_AND_ASSIGN(const RunReport report, RunNow());
  EXPECT_THAT(report.status, IsError(Code::kCancelled, ""));
  EXPECT_EQ(View().unfinished, "nightly_20260102T030405Z");
}

TEST_F(RunNowTest, ADamagedStateHidesNoOtherSchedule) {
  config::ScheduleSettings other = settings_;
  other.name = "weekly";
  config_.schedules = {settings_, other};
  std::filesystem::create_directories(Path("state/schedules"));
  std::ofstream(Path("state/schedules/nightly.json")) << "{";
  std::ofstream(Path("state/schedules/weekly.json")) << EncodeScheduleState({.unfinished = kTime});
  ASSERT_OK_AND_ASSIGN(const std::vector<ScheduleView> views, ListSchedules(config_, kTime, 2));
  ASSERT_EQ(views.size(), 2U);
  EXPECT_NE(views[0].problem.find("schedules/nightly.json"), std::string::npos);
  EXPECT_FALSE(views[0].last.has_value());
  EXPECT_EQ(views[0].next.size(), 2U);
  EXPECT_EQ(views[1].problem, "");
  EXPECT_EQ(views[1].unfinished, "weekly_20260102T030000Z");
  // Too large to be one.
  std::ofstream(Path("state/schedules/nightly.json")) << std::string(2 << 20, ' ');
  ASSERT_OK_AND_ASSIGN(const std::vector<ScheduleView> again, ListSchedules(config_, kTime, 2));
  EXPECT_NE(again.at(0).problem.find("too large"), std::string::npos);
}

TEST_F(RunNowTest, ADirectoryInThePlaceOfAStateIsNamedAndLetsNothingRun) {
  std::filesystem::create_directories(Path("state/schedules/nightly.json"));
  EXPECT_NE(View().problem.find("schedules/nightly.json is a directory"), std::string::npos)
      << View().problem;
  EXPECT_EQ(View().next.size(), 2U);
  EXPECT_THAT(RunNow(), IsError(Code::kFailedPrecondition, "nightly.json is a directory"));
  EXPECT_TRUE(Backups("backup").empty());
  std::filesystem::remove(Path("state/schedules/nightly.json"));
  EXPECT_EQ(View().problem, "");
  ASSERT_OK_AND_ASSIGN(const RunReport report, RunNow());
  EXPECT_OK(report.status);
}

TEST_F(RunNowTest, NamesNobodyKnowsAreRefused) {
  const auto unknown = RunNow("weekly");
  EXPECT_THAT(unknown, IsError(Code::kInvalidArgument, "no schedule is called 'weekly'"));
  EXPECT_EQ(unknown.status().advice(), "known: nightly");
  EXPECT_FALSE(std::filesystem::exists(Path("state")));
}

TEST_F(ScheduleRunTest, WhatIsWrongNamesItsKey) {
  const auto error = [&](const std::function<void(config::ScheduleSettings&)>& change) {
    config::ScheduleSettings settings = settings_;
    change(settings);
    const auto made = MakeSchedule(settings);
    EXPECT_FALSE(made.ok());
    EXPECT_EQ(made.status().origin(), Origin::kConfig);
    return made.status().ToString();
  };
  using Settings = config::ScheduleSettings;
  const std::pair<std::string, std::string> cases[] = {
      {error([](Settings& s) { s.cron = "0 0 31 2 *"; }), "schedules.nightly.cron: "},
      {error([](Settings& s) { s.time_zone = "Berlin"; }), "schedules.nightly.timeZone: "},
      {error([](Settings& s) { s.filter = "a.b.c"; }), "schedules.nightly.filter: "},
      {error([](Settings& s) { s.strategy = "x"; }), "schedules.nightly.strategy: "},
      {error([](Settings& s) { s.retention.keep_within = "x"; }),
       "schedules.nightly.retention.keepWithin: "},
      {error([](Settings& s) {
         s.retention.keep_last = 1;
         s.retention.grace = "x";
       }),
       "schedules.nightly.retention.grace: "},
      {error([](Settings& s) { s.retention.grace = "1h"; }),
       "schedules.nightly.retention.grace: there is no rule"},
      {error([](Settings& s) { s.retention.keep_tags = {""}; }), "schedules.nightly.retention: "},
  };
  for (const auto& [text, key] : cases) EXPECT_TRUE(text.starts_with(key)) << text;
}

TEST_F(ScheduleRunTest, TheSampleIsUnderstood) {
  ASSERT_OK_AND_ASSIGN(const config::Config config,
                       config::Load({.path = testing::ConfigsDir() + "/backup-schedules.yaml",
                                     .environment = [](const std::string&) {
                                       return std::optional<std::string>();
                                     }}));
  ASSERT_OK_AND_ASSIGN(const std::vector<Schedule> schedules, MakeSchedules(config));
  ASSERT_EQ(schedules.size(), 2U);
  EXPECT_TRUE(schedules[1].prune.has_value());
}

TEST_F(ScheduleRunTest, NothingIsServedWithoutSchedules) {
  EXPECT_THAT(ServeSchedules({}, config_, [] {}),
              IsError(Code::kFailedPrecondition, "has no schedules"));
}

}  // namespace
}  // namespace milvus_backup::service
