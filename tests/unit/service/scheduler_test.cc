#include "service/scheduler.h"

#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::service {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_seconds;
using testing::IsError;
using Texts = std::vector<std::string>;

config::ScheduleSettings Settings(const std::string& name, const std::string& cron) {
  return {.name = name,
          .cron = cron,
          .strategy = "skip_flush",
          .missed_max_age = hours(24),
          .section = "schedules." + name};
}

/// The clock of the test says 03:04:05 on 2 January 2026.
class SchedulerTest : public ::testing::Test {
 protected:
  SchedulerTest() : settings_{Settings("nightly", "*/10 * * * *")} {}

  /// A server with what the one before has left on the disk.
  void StartServer(size_t max_running = 4, size_t max_queued = 8) {
    EndServer();
    auto jobs = JobRunner::Create({.directory = StateDir(),
                                   .max_running = max_running,
                                   .max_queued = max_queued,
                                   .clock = &clock_});
    ASSERT_OK(jobs);
    jobs_ = *std::move(jobs);
    std::vector<Schedule> schedules;
    for (const config::ScheduleSettings& settings : settings_) {
      auto schedule = MakeSchedule(settings);
      ASSERT_OK(schedule);
      schedules.push_back(*std::move(schedule));
    }
    auto scheduler =
        Scheduler::Create({.state_dir = StateDir(),
                           .seed = seed_,
                           .clock = &clock_,
                           .on_state =
                               [this](const std::string&, const ScheduleState& state) {
                                 const std::scoped_lock lock(mutex_);
                                 told_.push_back(state.last_success);
                               }},
                          std::move(schedules), *jobs_,
                          [this](JobContext& job, const Schedule& schedule, sys_seconds scheduled) {
                            return Work(job, schedule, scheduled);
                          });
    ASSERT_OK(scheduler);
    scheduler_ = *std::move(scheduler);
  }
  void EndServer() {
    if (scheduler_ != nullptr) scheduler_->Stop();
    if (jobs_ != nullptr) jobs_->Stop();
    scheduler_.reset();
    jobs_.reset();
  }
  std::string StateDir() const { return dir_.path() + "/state"; }

  /// What a run does; a test may have it wait, or fail.
  Status Work(JobContext& job, const Schedule& schedule, sys_seconds scheduled) {
    std::unique_lock lock(mutex_);
    runs_.push_back(backup::ScheduledName(schedule.settings.name, scheduled));
    changed_.notify_all();
    if (is_held_ && !changed_.wait(lock, job.call().stop, [this] { return !is_held_; })) {
      return CancelledError();
    }
    return outcome_;
  }
  void Hold() {
    const std::scoped_lock lock(mutex_);
    is_held_ = true;
  }
  void Release() {
    const std::scoped_lock lock(mutex_);
    is_held_ = false;
    changed_.notify_all();
  }
  void WaitForRuns(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return runs_.size() >= count; });
  }
  Texts runs() {
    const std::scoped_lock lock(mutex_);
    return runs_;
  }

  /// Look at the clock, and wait for what that begins.
  void TickAndWait() {
    scheduler_->Tick();
    for (const JobRecord& job : jobs_->List()) EXPECT_OK(jobs_->Wait(job.id));
    scheduler_->Tick();
  }
  void Advance(std::chrono::nanoseconds duration) { clock_.Advance(duration); }
  /// As the clock does, in steps of a few seconds.
  void Pass(std::chrono::seconds duration) {
    for (seconds passed{0}; passed < duration; passed += seconds(5)) {
      Advance(seconds(5));
      TickAndWait();
    }
  }
  ScheduleState StateOf(const std::string& name) {
    auto store = ScheduleStore::Open(StateDir(), false);
    EXPECT_OK(store);
    const auto state = (*store)->Read(name);
    EXPECT_OK(state);
    return state.ok() && *state ? **state : ScheduleState();
  }

  testing::TempDir dir_;
  FakeClock clock_;
  uint64_t seed_ = 1;
  std::vector<config::ScheduleSettings> settings_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool is_held_ = false;
  Status outcome_;
  Texts runs_;
  std::vector<std::optional<sys_seconds>> told_;
  std::unique_ptr<JobRunner> jobs_;
  std::unique_ptr<Scheduler> scheduler_;
};

TEST_F(SchedulerTest, RunsWhenItIsTime) {
  StartServer();
  EXPECT_EQ(FormatIso8601(scheduler_->Tick()), "2026-01-02T03:04:35Z");
  EXPECT_EQ(runs(), Texts());
  Pass(minutes(26));
  EXPECT_EQ(runs(), (Texts{"nightly_20260102T031000Z", "nightly_20260102T032000Z",
                           "nightly_20260102T033000Z"}));
  const auto job = jobs_->Find("nightly_20260102T032000Z");
  ASSERT_TRUE(job.has_value());
  EXPECT_EQ(job->kind, "schedule");
  EXPECT_EQ(job->subject, "nightly_20260102T032000Z");
  EXPECT_EQ(job->state, JobState::kSucceeded);
  EXPECT_EQ(FormatIso8601(std::chrono::sys_seconds(seconds(job->started))), "2026-01-02T03:20:00Z");
  const ScheduleState state = StateOf("nightly");
  EXPECT_FALSE(state.unfinished.has_value());
  ASSERT_TRUE(state.last.has_value());
  EXPECT_EQ(state.last->backup, "nightly_20260102T033000Z");
  EXPECT_TRUE(state.last->succeeded);
}

TEST_F(SchedulerTest, TheLastSuccessStaysWhileRunsFail) {
  StartServer();
  scheduler_->Tick();
  EXPECT_FALSE(StateOf("nightly").last_success.has_value());
  Pass(minutes(7));
  const auto success = StateOf("nightly").last_success;
  ASSERT_TRUE(success.has_value());
  EXPECT_EQ(FormatIso8601(*success), "2026-01-02T03:10:00Z");
  outcome_ = FailedPreconditionError("no space");
  StartServer();
  Pass(minutes(10));
  const ScheduleState state = StateOf("nightly");
  EXPECT_FALSE(state.last->succeeded);
  EXPECT_EQ(state.last_success, success);
  // Told when a server begins, and when a run has ended.
  EXPECT_EQ(told_, (std::vector{std::optional<sys_seconds>(), success, success, success}));
}

TEST_F(SchedulerTest, ComesBackWhenTheNextIsDue) {
  settings_ = {Settings("a", "0 4 * * *"), Settings("b", "5 3 * * *")};
  StartServer();
  scheduler_->Tick();
  EXPECT_EQ(FormatIso8601(scheduler_->Tick()), "2026-01-02T03:04:35Z");
  Advance(seconds(35));
  EXPECT_EQ(FormatIso8601(scheduler_->Tick()), "2026-01-02T03:05:00Z");
}

TEST_F(SchedulerTest, AFailureEndsTheRun) {
  StartServer();
  scheduler_->Tick();
  outcome_ = FailedPreconditionError("no space");
  Pass(minutes(7));
  EXPECT_EQ(runs(), Texts{"nightly_20260102T031000Z"});
  const ScheduleState state = StateOf("nightly");
  EXPECT_FALSE(state.unfinished.has_value());
  EXPECT_FALSE(state.last->succeeded);
  EXPECT_EQ(state.last->error, "no space");
  EXPECT_EQ(jobs_->Find("nightly_20260102T031000Z")->state, JobState::kFailed);
}

TEST_F(SchedulerTest, ARunOverlapsNoOtherOfItsOwn) {
  settings_ = {Settings("slow", "*/10 * * * *"), Settings("other", "*/10 * * * *")};
  StartServer();
  scheduler_->Tick();
  Hold();
  Advance(minutes(6));
  scheduler_->Tick();
  WaitForRuns(2);
  // Three more times of both come and go.
  for (int i = 0; i < 3; ++i) {
    Advance(minutes(10));
    scheduler_->Tick();
  }
  EXPECT_EQ(runs().size(), 2U);
  Release();
  TickAndWait();
  TickAndWait();
  // One run stands for all that were missed.
  Texts sorted = runs();
  std::ranges::sort(sorted);
  EXPECT_EQ(sorted, (Texts{"other_20260102T031000Z", "other_20260102T034000Z",
                           "slow_20260102T031000Z", "slow_20260102T034000Z"}));
}

TEST_F(SchedulerTest, MissedTimesAreRunOnce) {
  StartServer();
  scheduler_->Tick();
  EndServer();
  Advance(hours(3) + minutes(7));
  StartServer();
  TickAndWait();
  TickAndWait();
  EXPECT_EQ(runs(), Texts{"nightly_20260102T061000Z"});
}

TEST_F(SchedulerTest, MissedTimesThatAreTooOldAreNotRun) {
  settings_ = {Settings("nightly", "0 4 * * *")};
  settings_[0].missed_max_age = hours(2);
  StartServer();
  scheduler_->Tick();
  EndServer();
  Advance(hours(3));
  StartServer();
  TickAndWait();
  EXPECT_EQ(runs(), Texts());
  Pass(seconds(60));
  EXPECT_EQ(runs(), Texts());
  Advance(hours(22));
  TickAndWait();
  EXPECT_EQ(runs(), Texts{"nightly_20260103T040000Z"});
}

TEST_F(SchedulerTest, MissedTimesMayBeSkipped) {
  settings_[0].missed = config::MissedRuns::kSkip;
  StartServer();
  scheduler_->Tick();
  EndServer();
  Advance(hours(1));  // 04:04:05
  StartServer();
  TickAndWait();
  EXPECT_EQ(runs(), Texts());
  Pass(minutes(6));
  EXPECT_EQ(runs(), Texts{"nightly_20260102T041000Z"});
}

TEST_F(SchedulerTest, ANewScheduleHasMissedNothing) {
  settings_ = {Settings("nightly", "0 3 * * *")};
  StartServer();
  TickAndWait();
  Pass(seconds(30));
  EXPECT_EQ(runs(), Texts());
}

TEST_F(SchedulerTest, WhatAStopInterruptedIsGoneOnWith) {
  StartServer();
  scheduler_->Tick();
  Hold();
  Advance(minutes(6));
  scheduler_->Tick();
  WaitForRuns(1);
  EndServer();
  EXPECT_TRUE(StateOf("nightly").unfinished.has_value());
  Release();
  Advance(minutes(1));
  StartServer();
  EXPECT_EQ(jobs_->Find("nightly_20260102T031000Z")->state, JobState::kInterrupted);
  TickAndWait();
  EXPECT_EQ(runs(), (Texts{"nightly_20260102T031000Z", "nightly_20260102T031000Z"}));
  EXPECT_EQ(jobs_->Find("nightly_20260102T031000Z")->state, JobState::kSucceeded);
  EXPECT_FALSE(StateOf("nightly").unfinished.has_value());
}

// What a process that was killed has left is a state that says so, and nobody who holds it.
TEST_F(SchedulerTest, WhatAKillInterruptedIsGoneOnWithFirst) {
  {
    ASSERT_OK_AND_ASSIGN(const auto store, ScheduleStore::Open(StateDir(), true));
    ASSERT_OK_AND_ASSIGN(const auto claim, store->Claim("nightly"));
    const auto time = std::chrono::floor<seconds>(clock_.WallNow()) - hours(48);
    ASSERT_OK(claim->Save({.handled = time, .unfinished = time}));
  }
  StartServer();
  TickAndWait();
  TickAndWait();
  EXPECT_EQ(runs(), (Texts{"nightly_20251231T030405Z", "nightly_20260102T030000Z"}));
}

TEST_F(SchedulerTest, ACancelledRunIsNotBegunAgain) {
  StartServer();
  scheduler_->Tick();
  Hold();
  Advance(minutes(6));
  scheduler_->Tick();
  WaitForRuns(1);
  ASSERT_OK(jobs_->Cancel("nightly_20260102T031000Z"));
  TickAndWait();
  Release();
  Pass(minutes(2));
  EXPECT_EQ(runs(), Texts{"nightly_20260102T031000Z"});
  EXPECT_FALSE(StateOf("nightly").unfinished.has_value());
  EXPECT_FALSE(StateOf("nightly").last->succeeded);
}

TEST_F(SchedulerTest, ARunThatWaitsCanBeCancelled) {
  settings_ = {Settings("a", "10 3 * * *"), Settings("b", "11 3 * * *")};
  StartServer(1);
  scheduler_->Tick();
  Hold();
  Advance(minutes(6));
  scheduler_->Tick();
  WaitForRuns(1);
  Advance(minutes(1));
  scheduler_->Tick();
  EXPECT_EQ(jobs_->Find("b_20260102T031100Z")->state, JobState::kQueued);
  ASSERT_OK(jobs_->Cancel("b_20260102T031100Z"));
  scheduler_->Tick();
  EXPECT_FALSE(StateOf("b").unfinished.has_value());
  Release();
  Pass(minutes(1));
  EXPECT_EQ(runs(), Texts{"a_20260102T031000Z"});
}

TEST_F(SchedulerTest, AFullQueueIsWaitedFor) {
  settings_ = {Settings("a", "10 3 * * *"), Settings("b", "11 3 * * *"),
               Settings("c", "12 3 * * *")};
  StartServer(1, 1);
  scheduler_->Tick();
  Hold();
  Advance(minutes(6));
  for (int i = 0; i < 3; ++i) {
    scheduler_->Tick();
    WaitForRuns(1);
    Advance(minutes(1));
  }
  EXPECT_FALSE(jobs_->Find("c_20260102T031200Z").has_value());
  Release();
  Pass(seconds(30));
  EXPECT_EQ(runs(), (Texts{"a_20260102T031000Z", "b_20260102T031100Z", "c_20260102T031200Z"}));
}

TEST_F(SchedulerTest, AnotherProcessThatRunsItIsWaitedFor) {
  StartServer();
  scheduler_->Tick();
  ASSERT_OK_AND_ASSIGN(const auto store, ScheduleStore::Open(StateDir(), true));
  {
    ASSERT_OK_AND_ASSIGN(const auto claim, store->Claim("nightly"));
    EXPECT_THAT(store->Claim("nightly"),
                IsError(Code::kAlreadyExists, "schedule nightly is running"));
    Pass(minutes(8));
    EXPECT_EQ(runs(), Texts());
  }
  Pass(seconds(15));
  EXPECT_EQ(runs(), Texts{"nightly_20260102T031000Z"});
}

TEST_F(SchedulerTest, JitterIsOfTheSeedAndBounded) {
  std::vector<int64_t> delays;
  for (const uint64_t seed : {1U, 1U, 2U}) {
    seed_ = seed;
    settings_ = {Settings("nightly", "10 * * * *")};
    settings_[0].jitter = minutes(5);
    EndServer();
    std::filesystem::remove_all(StateDir());
    StartServer();
    scheduler_->Tick();
    const auto start = clock_.WallNow();
    const size_t before = runs().size();
    while (runs().size() == before) Pass(seconds(5));
    const JobRecord job = jobs_->List().front();
    delays.push_back(job.started % 3600 - 600);
    Advance(start - clock_.WallNow());
  }
  for (const int64_t delay : delays) {
    EXPECT_GE(delay, 0);
    EXPECT_LE(delay, 305);
  }
  EXPECT_EQ(delays[0], delays[1]);
  EXPECT_NE(delays[0], delays[2]);
}

TEST_F(SchedulerTest, JitterIsNoReasonToPutATimeOffForEver) {
  settings_ = {Settings("nightly", "* * * * *")};
  settings_[0].jitter = minutes(10);
  StartServer();
  scheduler_->Tick();
  Pass(minutes(20));
  EXPECT_GT(runs().size(), 3U);
}

TEST_F(SchedulerTest, AClockThatWasSetBackSilencesNobody) {
  {
    ASSERT_OK_AND_ASSIGN(const auto store, ScheduleStore::Open(StateDir(), true));
    ASSERT_OK_AND_ASSIGN(const auto claim, store->Claim("nightly"));
    const auto now = std::chrono::floor<seconds>(clock_.WallNow());
    ASSERT_OK(claim->Save({.handled = now + hours(24 * 365)}));
  }
  StartServer();
  scheduler_->Tick();
  Pass(minutes(7));
  EXPECT_EQ(runs(), Texts{"nightly_20260102T031000Z"});
}

TEST_F(SchedulerTest, ADamagedStateIsBegunAnew) {
  std::filesystem::create_directories(StateDir() + "/schedules");
  std::ofstream(StateDir() + "/schedules/nightly.json") << "{";
  StartServer();
  scheduler_->Tick();
  Pass(minutes(7));
  EXPECT_EQ(runs(), Texts{"nightly_20260102T031000Z"});
}

// By the clock of the wall: 29 March 2026 has no 02:30 in Berlin, 25 October has two.
TEST_F(SchedulerTest, SummerTimeNeitherLosesNorRepeatsARun) {
  settings_ = {Settings("nightly", "30 2 * * *")};
  settings_[0].time_zone = "Europe/Berlin";
  const auto run_through = [&](const std::string& first_day) {
    std::tm parts{};
    ASSERT_NE(strptime(first_day.c_str(), "%Y-%m-%d", &parts), nullptr);
    Advance(std::chrono::system_clock::from_time_t(timegm(&parts)) - clock_.WallNow());
    EndServer();
    std::filesystem::remove_all(StateDir());
    StartServer();
    scheduler_->Tick();
    for (int step = 0; step < 3 * 24 * 12; ++step) {
      Advance(minutes(5));
      TickAndWait();
    }
  };
  run_through("2026-03-28");
  EXPECT_EQ(runs(), (Texts{"nightly_20260328T013000Z", "nightly_20260329T010000Z",
                           "nightly_20260330T003000Z"}));
  runs_.clear();
  run_through("2026-10-24");
  EXPECT_EQ(runs(), (Texts{"nightly_20261024T003000Z", "nightly_20261025T003000Z",
                           "nightly_20261026T013000Z"}));
}

TEST_F(SchedulerTest, AThreadOfItsOwnDoesTheSame) {
  settings_ = {Settings("nightly", "* * * * *")};
  StartServer();
  scheduler_->Start();  // this clock passes as fast as it is waited for
  WaitForRuns(3);
  EndServer();
  EXPECT_GE(runs().size(), 3U);
}

TEST(ScheduleStateTest, StatesComeBack) {
  const sys_seconds time{seconds(1767323045)};
  const ScheduleState states[] = {
      {.handled = time},
      {.handled = time, .unfinished = time + seconds(1)},
      {.handled = time,
       .last = LastRun{.backup = "a",
                       .scheduled = time,
                       .ended = time + seconds(2),
                       .succeeded = true,
                       .error = "e\"\n"},
       .last_success = time + seconds(2)},
      {.handled = time,
       .last = LastRun{.backup = "a", .scheduled = time, .ended = time + seconds(9)},
       .last_success = time + seconds(2)},
  };
  for (const ScheduleState& state : states) {
    ASSERT_OK_AND_ASSIGN(const ScheduleState read,
                         DecodeScheduleState(EncodeScheduleState(state), "x"));
    EXPECT_EQ(read, state);
  }
  // As the first version wrote them.
  ASSERT_OK_AND_ASSIGN(
      const ScheduleState old,
      DecodeScheduleState(R"({"handled":1,"last":{"backup":"a","scheduled":2,"ended":3,
                              "succeeded":true,"error":""}})",
                          "x"));
  EXPECT_EQ(old.last_success, sys_seconds(seconds(3)));
  ASSERT_OK(DecodeScheduleState(R"({"handled":9000000000,"unfinished":0})", "x"));
  for (const char* text :
       {"", "[]", "{}", R"({"handled":"1"})", R"({"handled":9000000001})", R"({"handled":-1})",
        R"({"handled":1.5})", R"({"handled":true})", R"({"handled":1e300})",
        R"({"handled":18446744073709551615})", R"({"handled":1,"unfinished":9223372036854775807})",
        R"({"handled":1,"last":{"backup":"a","scheduled":1,"ended":-9223372036854775808,
            "succeeded":true,"error":""}})"}) {
    EXPECT_THAT(DecodeScheduleState(text, "the file"), IsError(Code::kDataLoss, "the file"))
        << text;
  }
  const Status hostile = DecodeScheduleState("{\"\x7f\xC2\x9B[2J\x1b", "the file").status();
  for (const char* bytes : {"\x1b", "\x7f", "\xC2\x9B"}) {
    EXPECT_EQ(hostile.ToString().find(bytes), std::string::npos) << hostile.ToString();
  }
}

}  // namespace
}  // namespace milvus_backup::service
