#include "milvus_backup/service/job_runner.h"

#include "service/job_store.h"
#include "support/latch.h"
#include "support/sanitizer.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include "milvus_backup/base/bytes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <malloc.h>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <utility>
#include <vector>

namespace milvus_backup::service {
namespace {

using testing::IsError;
using testing::Latch;

Status WaitForStop(const JobContext& job) {
  Latch stopped;
  const std::stop_callback on_stop(job.call().stop, [&] { stopped.Open(); });
  stopped.Wait();
  return CancelledError();
}

class JobRunnerTest : public ::testing::Test {
 protected:
  JobRunnerTest() { options_ = {.directory = dir_.path() + "/state", .clock = &clock_}; }

  std::unique_ptr<JobRunner> Start() {
    auto runner = JobRunner::Create(options_);
    EXPECT_OK(runner);
    return *std::move(runner);
  }
  static JobRequest Request(const std::string& id) {
    return {.id = id, .kind = "create", .subject = "b_" + id, .advice = "send it again"};
  }
  /// Every record of the directory, as a process that was killed by now leaves them.
  std::string CopyOfRecords() {
    std::string copy = dir_.path() + "/copy";
    std::filesystem::remove_all(copy);
    std::filesystem::copy(options_.directory, copy);
    return copy;
  }

  testing::TempDir dir_;
  FakeClock clock_;
  JobRunnerOptions options_;
};

TEST_F(JobRunnerTest, AJobEndsAsItsWorkSays) {
  const auto runner = Start();
  ASSERT_OK(runner->Submit(Request("good"), [](JobContext&) { return Status::Ok(); }));
  ASSERT_OK(runner->Submit(Request("bad"), [](JobContext&) {
    return NotFoundError("no such thing").WithAdvice("look elsewhere");
  }));
  ASSERT_OK(runner->Submit(Request("thrown"),
                           [](JobContext&) -> Status { throw std::runtime_error("oh"); }));
  ASSERT_OK_AND_ASSIGN(const JobRecord good, runner->Wait("good"));
  EXPECT_EQ(good.state, JobState::kSucceeded);
  EXPECT_EQ(good.progress, 100);
  EXPECT_EQ(good.error, "");
  ASSERT_OK_AND_ASSIGN(const JobRecord bad, runner->Wait("bad"));
  EXPECT_EQ(bad.state, JobState::kFailed);
  EXPECT_NE(bad.error.find("no such thing"), std::string::npos);
  EXPECT_NE(bad.error.find("look elsewhere"), std::string::npos);
  ASSERT_OK_AND_ASSIGN(const JobRecord thrown, runner->Wait("thrown"));
  EXPECT_EQ(thrown.state, JobState::kFailed);
  EXPECT_NE(thrown.error.find("oh"), std::string::npos);
  EXPECT_THAT(runner->Wait("other"), IsError(Code::kNotFound, "other"));
}

TEST_F(JobRunnerTest, NoMoreRunOrWaitThanAllowed) {
  options_.max_running = 1;
  options_.max_queued = 1;
  const auto runner = Start();
  Latch begun;
  Latch end;
  ASSERT_OK(runner->Submit(Request("a"), [&](JobContext&) {
    begun.Open();
    end.Wait();
    return Status::Ok();
  }));
  begun.Wait();
  ASSERT_OK(runner->Submit(Request("b"), [](JobContext&) { return Status::Ok(); }));
  EXPECT_EQ(runner->Find("b")->state, JobState::kQueued);
  EXPECT_THAT(runner->Submit(Request("c"), [](JobContext&) { return Status::Ok(); }),
              IsError(Code::kResourceExhausted, "server.maxJobs"));
  EXPECT_THAT(runner->Submit(Request("a"), [](JobContext&) { return Status::Ok(); }),
              IsError(Code::kAlreadyExists, "is running"));
  EXPECT_FALSE(runner->Find("c").has_value());
  end.Open();
  ASSERT_OK_AND_ASSIGN(const JobRecord b, runner->Wait("b"));
  EXPECT_EQ(b.state, JobState::kSucceeded);
}

TEST_F(JobRunnerTest, APlaceHasOneJob) {
  const auto runner = Start();
  const auto at = [](const std::string& id, const std::string& place) {
    return JobRequest{.id = id, .kind = "dump", .place = place};
  };
  Latch end;
  ASSERT_OK(runner->Submit(at("a", "here"), [&](JobContext&) {
    end.Wait();
    return Status::Ok();
  }));
  EXPECT_THAT(runner->Submit(at("b", "here"), [](JobContext&) { return Status::Ok(); }),
              IsError(Code::kAlreadyExists, "task a"));
  ASSERT_OK(runner->Submit(at("c", "there"), [](JobContext&) { return Status::Ok(); }));
  end.Open();
  ASSERT_OK(runner->Wait("a"));
  ASSERT_OK(runner->Submit(at("b", "here"), [](JobContext&) { return Status::Ok(); }));
  ASSERT_OK(runner->Wait("b"));
}

TEST_F(JobRunnerTest, PartsAndWarningsAreKept) {
  {
    const auto runner = Start();
    ASSERT_OK(runner->Submit(Request("a"), [](JobContext& job) {
      job.progress().segments_planned = 3;
      job.progress().imports_planned = 2;
      job.progress().segments_done = 3;
      job.progress().imports_done = 1;
      for (int i = 0; i < 1000; ++i) job.Warn("w" + std::to_string(i));
      return FailedPreconditionError("no");
    }));
    ASSERT_OK(runner->Wait("a"));
  }
  const auto next = Start();
  const auto job = next->Find("a");
  ASSERT_TRUE(job.has_value());
  EXPECT_EQ(job->parts, 5);
  EXPECT_EQ(job->parts_done, 4);
  EXPECT_EQ(job->progress, 75);
  ASSERT_EQ(job->warnings.size(), 100U);
  EXPECT_EQ(job->warnings[99], "w99");
}

TEST_F(JobRunnerTest, CancelStopsRunningAndWaitingJobs) {
  options_.max_running = 1;
  const auto runner = Start();
  Latch begun;
  ASSERT_OK(runner->Submit(Request("a"), [&](JobContext& job) {
    begun.Open();
    return WaitForStop(job);
  }));
  begun.Wait();
  bool ran = false;
  ASSERT_OK(runner->Submit(Request("b"), [&](JobContext&) {
    ran = true;
    return Status::Ok();
  }));
  ASSERT_OK_AND_ASSIGN(const JobRecord b, runner->Cancel("b"));
  EXPECT_EQ(b.state, JobState::kCancelled);
  ASSERT_OK(runner->Cancel("a"));
  ASSERT_OK_AND_ASSIGN(const JobRecord a, runner->Wait("a"));
  EXPECT_EQ(a.state, JobState::kCancelled);
  EXPECT_EQ(a.error, "cancelled; send it again");
  EXPECT_FALSE(ran);
  EXPECT_THAT(runner->Cancel("a"), IsError(Code::kFailedPrecondition, "is cancelled"));
  EXPECT_THAT(runner->Cancel("c"), IsError(Code::kNotFound, "c"));
}

TEST_F(JobRunnerTest, AJobThatEndsWellInSpiteOfAStopHasSucceeded) {
  const auto runner = Start();
  Latch begun;
  ASSERT_OK(runner->Submit(Request("a"), [&](JobContext& job) {
    begun.Open();
    WaitForStop(job).IgnoreError("it was just done");
    return Status::Ok();
  }));
  begun.Wait();
  ASSERT_OK(runner->Cancel("a"));
  ASSERT_OK_AND_ASSIGN(const JobRecord a, runner->Wait("a"));
  EXPECT_EQ(a.state, JobState::kSucceeded);
}

TEST_F(JobRunnerTest, StopInterruptsAndTheNextRunnerSaysSo) {
  options_.max_running = 1;
  {
    const auto runner = Start();
    Latch begun;
    ASSERT_OK(runner->Submit(Request("done"), [](JobContext&) { return Status::Ok(); }));
    ASSERT_OK(runner->Wait("done"));
    ASSERT_OK(runner->Submit(Request("a"), [&](JobContext& job) {
      begun.Open();
      return WaitForStop(job);
    }));
    begun.Wait();
    ASSERT_OK(runner->Submit(Request("b"), [](JobContext&) { return Status::Ok(); }));
    runner->Stop();
    EXPECT_THAT(runner->Submit(Request("c"), [](JobContext&) { return Status::Ok(); }),
                IsError(Code::kUnavailable, "stopped"));
  }
  const auto next = Start();
  EXPECT_EQ(next->Find("done")->state, JobState::kSucceeded);
  for (const char* id : {"a", "b"}) {
    EXPECT_EQ(next->Find(id)->state, JobState::kInterrupted) << id;
    EXPECT_EQ(next->Find(id)->error, "interrupted: the server was stopped; send it again") << id;
  }
}

TEST_F(JobRunnerTest, WhatAKilledServerWasDoingIsInterrupted) {
  options_.max_running = 1;
  const auto runner = Start();
  Latch begun;
  ASSERT_OK(runner->Submit(Request("a"), [&](JobContext& job) {
    job.SetItem("db.c", JobState::kRunning);
    begun.Open();
    return WaitForStop(job);
  }));
  begun.Wait();
  ASSERT_OK(runner->Submit(Request("b"), [](JobContext&) { return Status::Ok(); }));
  options_.directory = CopyOfRecords();
  for (int start = 0; start < 2; ++start) {  // what was found is written down
    const auto next = Start();
    for (const char* id : {"a", "b"}) {
      EXPECT_EQ(next->Find(id)->state, JobState::kInterrupted) << id;
      EXPECT_EQ(next->Find(id)->error,
                "interrupted: the server ended before the task did; send it again")
          << id;
    }
    // The same request once more takes its id over.
    if (start == 0) continue;
    ASSERT_OK(next->Submit(Request("a"), [](JobContext&) { return Status::Ok(); }));
    ASSERT_OK_AND_ASSIGN(const JobRecord again, next->Wait("a"));
    EXPECT_EQ(again.state, JobState::kSucceeded);
  }
}

TEST_F(JobRunnerTest, OneServerHasADirectory) {
  const auto runner = Start();
  EXPECT_THAT(JobRunner::Create(options_), IsError(Code::kAlreadyExists, "--state-dir"));
  struct stat facts {};
  ASSERT_EQ(stat(options_.directory.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0700U);
}

TEST_F(JobRunnerTest, ADirectoryThatCannotBeIsNamed) {
  options_.directory = dir_.path() + "/file/state";
  std::ofstream(dir_.path() + "/file") << "x";
  EXPECT_THAT(JobRunner::Create(options_), IsError(Code::kFailedPrecondition, options_.directory));
}

TEST_F(JobRunnerTest, ADamagedRecordHindersNoOther) {
  {
    const auto runner = Start();
    ASSERT_OK(runner->Submit(Request("a"), [](JobContext&) { return Status::Ok(); }));
    ASSERT_OK(runner->Wait("a"));
  }
  std::ofstream(options_.directory + "/b.json") << "{\"id\":\"b\"";
  std::filesystem::copy(options_.directory + "/a.json", options_.directory + "/c.json");
  const auto next = Start();
  ASSERT_EQ(next->List().size(), 1U);
  EXPECT_EQ(next->List()[0].id, "a");
}

TEST_F(JobRunnerTest, OldJobsAreForgotten) {
  options_.max_finished = 2;
  const auto runner = Start();
  for (const char* id : {"a", "b", "c"}) {
    ASSERT_OK(runner->Submit(Request(id), [](JobContext&) { return Status::Ok(); }));
    ASSERT_OK(runner->Wait(id));
    clock_.Advance(std::chrono::seconds(1));
  }
  std::vector<std::string> ids;
  for (const JobRecord& job : runner->List()) ids.push_back(job.id);
  EXPECT_EQ(ids, (std::vector<std::string>{"c", "b"}));
  EXPECT_FALSE(std::filesystem::exists(options_.directory + "/a.json"));
}

TEST_F(JobRunnerTest, WhatHasEndedIsReadFromTheDisk) {
  const auto runner = Start();
  ASSERT_OK(runner->Submit(Request("a"), [](JobContext& job) {
    job.SetItem("db.c", JobState::kSucceeded);
    job.Warn("w");
    return Status::Ok();
  }));
  ASSERT_OK_AND_ASSIGN(const JobRecord a, runner->Wait("a"));
  EXPECT_EQ(runner->Find("a"), a);
  EXPECT_EQ(runner->FindLatest("create", "b_a"), a);
  ASSERT_EQ(runner->Summaries().size(), 1U);
  EXPECT_EQ(runner->Summaries()[0].id, "a");
  EXPECT_EQ(runner->Summaries()[0].subject, "b_a");
  EXPECT_EQ(runner->Summaries()[0].state, JobState::kSucceeded);
  EXPECT_EQ(runner->Summaries()[0].ended, a.ended);
  // It was not in memory.
  JobRecord other = a;
  other.warnings = {"by hand"};
  const std::string file = options_.directory + "/a.json";
  std::ofstream(file) << EncodeJob(other);
  EXPECT_EQ(runner->Find("a"), other);
  std::ofstream(file) << "{";
  ASSERT_TRUE(runner->Find("a").has_value());
  EXPECT_EQ(runner->Find("a")->state, JobState::kSucceeded);
  EXPECT_NE(runner->Find("a")->error.find("a.json is no record of a task"), std::string::npos);
  std::filesystem::remove(file);
  EXPECT_FALSE(runner->Find("a").has_value());
  EXPECT_TRUE(runner->List().empty());
}

TEST_F(JobRunnerTest, SmallRecordsAreReadForAListOnce) {
  const auto runner = Start();
  const auto run = [&](const std::string& id, size_t warning_bytes, const Status& status) {
    ASSERT_OK(runner->Submit(Request(id), [&](JobContext& job) {
      job.Warn(std::string(warning_bytes, 'w'));
      return status;
    }));
    ASSERT_OK(runner->Wait(id));
  };
  run("small", 10, DataLossError("bad"));
  run("large", 10000, Status::Ok());
  const std::vector<JobRecord> first = runner->List();
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(first[1].id, "small");
  EXPECT_EQ(first[1].warnings, std::vector<std::string>{std::string(10, 'w')});
  for (const char* id : {"small", "large"}) {
    std::filesystem::remove(options_.directory + "/" + id + ".json");
  }
  EXPECT_EQ(runner->List(), std::vector<JobRecord>{first[1]});
  EXPECT_EQ(runner->Find("small"), first[1]);
  EXPECT_FALSE(runner->Find("large").has_value());
  // A job that takes up its id takes its place.
  run("small", 20, Status::Ok());
  ASSERT_EQ(runner->List().size(), 1U);
  EXPECT_EQ(runner->List()[0].state, JobState::kSucceeded);
  EXPECT_EQ(runner->List()[0].warnings, std::vector<std::string>{std::string(20, 'w')});
}

// What would fail again is not to be sent again.
TEST_F(JobRunnerTest, AdviceIsForWhatMaySucceed) {
  const auto runner = Start();
  const auto advice_after = [&](const Status& status) {
    const JobRequest request = Request("a");
    EXPECT_OK(runner->Submit(request, [&](JobContext&) { return status; }));
    const auto ended = runner->Wait("a");
    EXPECT_OK(ended);
    return ended.ok() ? ended->advice : "";
  };
  EXPECT_EQ(advice_after(InvalidArgumentError("no such database")), "");
  EXPECT_EQ(advice_after(UnimplementedError("not built yet")), "");
  EXPECT_EQ(advice_after(NotFoundError("backup b not found")), "");
  EXPECT_EQ(advice_after(AlreadyExistsError("backup b already exists")), "");
  EXPECT_EQ(advice_after(NotFoundError("x").WithOrigin(Origin::kStorage)), "send it again");
  EXPECT_EQ(advice_after(Status(Code::kUnavailable, "gone")), "send it again");
  EXPECT_EQ(advice_after(DataLossError("bad")), "send it again");
}

TEST_F(JobRunnerTest, WhatIsDoneSinceNeedsNoAdvice) {
  options_.max_running = 1;
  const auto runner = Start();
  const auto request = [](const std::string& id, const std::string& subject) {
    return JobRequest{.id = id,
                      .kind = "create",
                      .subject = subject,
                      .request = "digest",
                      .advice = "send it again"};
  };
  const auto good = [](JobContext&) { return Status::Ok(); };
  Latch begun;
  Latch end;
  ASSERT_OK(runner->Submit(request("busy", "x"), [&](JobContext&) {
    begun.Open();
    end.Wait();
    return Status::Ok();
  }));
  begun.Wait();
  for (const char* id : {"a", "other"}) {
    ASSERT_OK(runner->Submit(request(id, std::string("b_") + id), good));
    ASSERT_OK(runner->Cancel(id));
  }
  end.Open();
  EXPECT_EQ(runner->Find("a")->error, "cancelled before it began; send it again");
  ASSERT_OK(runner->Submit(request("again", "b_a"), good));
  ASSERT_OK(runner->Wait("again"));
  const auto advice_of = [&](const std::string& id) {
    for (const JobRecord& job : runner->List()) {
      if (job.id != id) continue;
      EXPECT_EQ(runner->Find(id), job);
      return job.error + "|" + job.advice;
    }
    return std::string("not there");
  };
  for (int i = 0; i < 2; ++i) {  // read, and held
    EXPECT_EQ(advice_of("a"), "cancelled before it began|");
    EXPECT_EQ(advice_of("other"), "cancelled before it began; send it again|send it again");
  }
}

TEST_F(JobRunnerTest, AnotherRequestForTheSameIsNotTheSame) {
  const auto runner = Start();
  const auto run = [&](const std::string& id, const std::string& digest, const Status& status) {
    ASSERT_OK(runner->Submit(
        {.id = id, .kind = "restore", .subject = "b", .request = digest, .advice = "send it again"},
        [&](JobContext&) { return status; }));
    ASSERT_OK(runner->Wait(id));
  };
  run("one", "1", DataLossError("bad"));
  run("untold", "", DataLossError("bad"));
  run("other", "2", Status::Ok());
  run("untold_too", "", Status::Ok());
  const auto advice_of = [&](const std::string& id) {
    for (const JobRecord& job : runner->List()) {
      if (job.id != id) continue;
      EXPECT_EQ(runner->Find(id), job);
      return job.advice;
    }
    return std::string("not there");
  };
  EXPECT_EQ(advice_of("one"), "send it again");
  EXPECT_EQ(advice_of("untold"), "send it again");
  run("again", "1", Status::Ok());
  EXPECT_EQ(advice_of("one"), "");
  EXPECT_EQ(advice_of("untold"), "send it again");
}

TEST_F(JobRunnerTest, WhatEndsForGoodIsGoneOnWithWhenItIsInterruptedAlone) {
  options_.max_running = 1;
  auto request = Request("a");
  request.ends_for_good = true;
  request.replaces_ended = true;
  {
    const auto runner = Start();
    ASSERT_OK(runner->Submit(request, [](JobContext&) { return DataLossError("bad"); }));
    ASSERT_OK_AND_ASSIGN(const JobRecord failed, runner->Wait("a"));
    EXPECT_EQ(failed.advice, "");
    Latch begun;
    ASSERT_OK(runner->Submit(request, [&](JobContext& job) {
      begun.Open();
      return WaitForStop(job);
    }));
    begun.Wait();
    ASSERT_OK(runner->Cancel("a"));
    ASSERT_OK_AND_ASSIGN(const JobRecord cancelled, runner->Wait("a"));
    EXPECT_EQ(cancelled.error, "cancelled");
    ASSERT_OK(runner->Submit(request, WaitForStop));
    runner->Stop();
    EXPECT_EQ(runner->Find("a")->error, "interrupted: the server was stopped; send it again");
  }
}

#ifndef MB_UNDER_SANITIZER  // which has another allocator
TEST_F(JobRunnerTest, AnEndedJobTakesLittleMemory) {
  const auto runner = Start();
  const auto run = [&](const std::string& prefix, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string id = prefix + std::to_string(i);
      ASSERT_OK(runner->Submit(Request(id), [](JobContext& job) {
        for (int warning = 0; warning < 100; ++warning) job.Warn(std::string(1000, 'w'));
        return DataLossError(std::string(10000, 'e'));
      }));
      ASSERT_OK(runner->Wait(id));
    }
  };
  run("warm", 10);
  const size_t before = mallinfo2().uordblks;
  run("job", 100);
  // Their texts alone are 11 MB; other threads free what they held when they like.
  EXPECT_LT(mallinfo2().uordblks, before + 2 * kMiB);
}
#endif

TEST_F(JobRunnerTest, WhatCannotBeWrittenIsRemembered) {
  const auto runner = Start();
  const std::string file = options_.directory + "/a.json";
  ASSERT_OK(runner->Submit(Request("a"), [&](JobContext& job) {
    job.Warn("w");
    // A directory in the way: the record of the end cannot take its place.
    std::filesystem::remove(file);
    std::filesystem::create_directories(file + "/in the way");
    return DataLossError("bad");
  }));
  ASSERT_OK_AND_ASSIGN(const JobRecord a, runner->Wait("a"));
  EXPECT_EQ(a.state, JobState::kFailed);
  EXPECT_EQ(a.warnings, std::vector<std::string>{"w"});
  EXPECT_EQ(runner->Find("a"), a);
  EXPECT_EQ(runner->List(), std::vector<JobRecord>{a});
}

TEST_F(JobRunnerTest, TheNewestComesFirstAfterARestartToo) {
  const auto ids = [](const JobRunner& runner) {
    std::vector<std::string> found;
    for (const JobRecord& job : runner.List()) found.push_back(job.id);
    return found;
  };
  const auto run = [](JobRunner& runner, const std::string& id) {
    ASSERT_OK(runner.Submit(Request(id), [](JobContext&) { return Status::Ok(); }));
    ASSERT_OK(runner.Wait(id));
  };
  // All within one second of a clock, and then that clock is set back.
  {
    const auto runner = Start();
    for (const char* id : {"b", "a", "d"}) run(*runner, id);
  }
  clock_.Advance(-std::chrono::hours(1));
  {
    const auto runner = Start();
    EXPECT_EQ(ids(*runner), (std::vector<std::string>{"d", "a", "b"}));
    run(*runner, "c");
  }
  // As the first version wrote it.
  std::ofstream(options_.directory + "/old.json")
      << R"({"id":"old","kind":"create","subject":"b","state":"succeeded","error":"","advice":"x",
             "progress":100,"created":1,"started":2,"ended":3,"items":[]})";
  const auto runner = Start();
  EXPECT_EQ(ids(*runner), (std::vector<std::string>{"c", "d", "a", "b", "old"}));
  EXPECT_EQ(runner->Find("old")->advice, "");
}

TEST_F(JobRunnerTest, AnIdIsTakenUpByTheSameAndByNothingElse) {
  const auto runner = Start();
  const auto good = [](JobContext&) { return Status::Ok(); };
  const auto submit = [&](JobRequest request, JobWork work) {
    const Status status = runner->Submit(request, std::move(work)).status();
    if (status.ok()) runner->Wait(request.id).status().IgnoreError("it has ended");
    return status;
  };
  ASSERT_OK(submit(Request("a"), [](JobContext&) { return FailedPreconditionError("no"); }));
  EXPECT_EQ(runner->Find("a")->advice, "send it again");
  JobRequest other = Request("a");
  other.kind = "prune";
  EXPECT_THAT(submit(other, good), IsError(Code::kAlreadyExists, "create b_a: failed"));
  other = Request("a");
  other.subject = "c";
  EXPECT_THAT(submit(other, good), IsError(Code::kAlreadyExists, "task a has ended"));
  EXPECT_EQ(runner->Find("a")->state, JobState::kFailed);
  ASSERT_OK(submit(Request("a"), good));
  EXPECT_EQ(runner->Find("a")->state, JobState::kSucceeded);
  EXPECT_EQ(runner->Find("a")->advice, "");
  EXPECT_THAT(submit(Request("a"), good), IsError(Code::kAlreadyExists, "succeeded"));
  other.replaces_ended = true;
  ASSERT_OK(submit(other, good));
  EXPECT_EQ(runner->Find("a")->subject, "c");
}

// A copy to one storage is another one than that to the next; what older versions wrote down tells
// only kind and subject.
TEST_F(JobRunnerTest, AnIdIsNotTakenUpByAnotherRequest) {
  const auto fail = [](JobContext&) { return FailedPreconditionError("no"); };
  const auto request = [](const std::string& digest) {
    JobRequest made = Request("a");
    made.from = "backup";
    made.to = "dr1";
    made.request = digest;
    return made;
  };
  {
    const auto runner = Start();
    ASSERT_OK(runner->Submit(request(""), fail));
    ASSERT_OK(runner->Wait("a"));
    ASSERT_OK(runner->Submit(request("d1"), fail));
    ASSERT_OK(runner->Wait("a"));
    EXPECT_THAT(runner->Submit(request("d2"), fail), IsError(Code::kAlreadyExists, "task a has"));
  }
  const auto next = Start();
  EXPECT_THAT(next->Submit(request("d2"), fail), IsError(Code::kAlreadyExists, "task a has"));
  EXPECT_EQ(next->Find("a")->to, "dr1");
  ASSERT_OK(next->Submit(request("d1"), fail));
  ASSERT_OK(next->Wait("a"));
}

TEST_F(JobRunnerTest, ARecordThatIsTooLargeHindersNoStart) {
  JobRecord many{.id = "a", .kind = "copy", .subject = "b", .state = JobState::kFailed};
  for (int i = 0; i < 40; ++i) {
    many.items.push_back({.id = std::to_string(i), .name = std::string(64 * kKiB, 'x')});
    many.warnings.emplace_back(64 * kKiB, 'w');
  }
  many.error = "no";
  JobRecord wordy = many;
  wordy.id = "w";
  wordy.error = std::string(5 * kMiB, 'e');
  {
    ASSERT_OK_AND_ASSIGN(const auto store, JobStore::Open(options_.directory));
    ASSERT_OK(store->Save(many));
    ASSERT_OK(store->Save(wordy));
  }
  std::ofstream(options_.directory + "/b.json") << std::string(5 * kMiB, ' ');
  const auto next = Start();
  EXPECT_EQ(next->List().size(), 2U);
  const auto job = next->Find("a");
  ASSERT_TRUE(job.has_value());
  EXPECT_EQ(job->state, JobState::kFailed);
  EXPECT_EQ(job->error, "no");
  ASSERT_GT(job->warnings.size(), 1U);
  EXPECT_NE(job->warnings[0].find("too large"), std::string::npos);
  ASSERT_TRUE(next->Find("w").has_value());
  EXPECT_GT(next->Find("w")->error.size(), kMiB);
}

TEST_F(JobRunnerTest, TheLatestOfASubjectIsFound) {
  const auto runner = Start();
  for (const char* id : {"a", "b"}) {
    ASSERT_OK(runner->Submit({.id = id, .kind = "create", .subject = "x"},
                             [](JobContext&) { return Status::Ok(); }));
    ASSERT_OK(runner->Wait(id));
  }
  EXPECT_EQ(runner->FindLatest("create", "x")->id, "b");
  EXPECT_FALSE(runner->FindLatest("restore", "x").has_value());
}

TEST(JobTest, IdsAreFileNames) {
  for (const char* id : {"a", "restore_2026_01_02_03_04_05_6", "6c7e2f0e-0a54.x"}) {
    EXPECT_OK(ValidateJobId(id)) << id;
  }
  for (const std::string& id : {std::string(), std::string(".a"), std::string("a/b"),
                                std::string("a b"), std::string("a\n"), std::string(129, 'a')}) {
    EXPECT_THAT(ValidateJobId(id), IsError(Code::kInvalidArgument, "id of a task")) << id;
  }
}

TEST(JobTest, RecordsComeBack) {
  const JobRecord job{.id = "a",
                      .kind = "restore",
                      .subject = "b",
                      .from = "f",
                      .to = "t",
                      .as = "n",
                      .request = "d",
                      .state = JobState::kInterrupted,
                      .error = "e\"\n",
                      .advice = "x",
                      .progress = 7,
                      .number = 6,
                      .created = 1,
                      .started = 2,
                      .ended = 3,
                      .items = {{"i", "db.c", JobState::kSucceeded, 4, 5}},
                      .parts = 9,
                      .parts_done = 8,
                      .warnings = {"w"}};
  ASSERT_OK_AND_ASSIGN(const JobRecord read, DecodeJob(EncodeJob(job), "x"));
  EXPECT_EQ(read, job);
  // As the first version wrote them.
  ASSERT_OK_AND_ASSIGN(const JobRecord old,
                       DecodeJob(R"({"id":"a","kind":"create","subject":"b","state":"succeeded",
      "error":"","advice":"","progress":100,"created":1,"started":2,"ended":3,"items":[]})",
                                 "x"));
  EXPECT_EQ(old.parts, 0);
  EXPECT_TRUE(old.warnings.empty());
  EXPECT_EQ(old.request, "");
  for (const char* text : {"", "[]", "{}", R"({"id":1})"}) {
    EXPECT_THAT(DecodeJob(text, "the file"), IsError(Code::kDataLoss, "the file")) << text;
  }
}

TEST(JobTest, PercentFollowsTheCounters) {
  transfer::Progress progress;
  EXPECT_EQ(PercentOf(progress), 0);
  progress.bytes_planned = 100;
  progress.bytes_done = 50;
  EXPECT_EQ(PercentOf(progress), 50);
  progress.collections_planned = 4;
  progress.collections_done = 1;
  EXPECT_EQ(PercentOf(progress), 37);
  progress.bytes_done = 100;
  progress.collections_done = 4;
  EXPECT_EQ(PercentOf(progress), 99);
  transfer::Progress restore;
  restore.imports_planned = 4;
  restore.imports_done = 1;
  EXPECT_EQ(PercentOf(restore), 25);
  transfer::Progress both;
  both.segments_planned = 2;
  both.segments_done = 2;
  both.imports_planned = 2;
  EXPECT_EQ(PercentOf(both), 50);
}

}  // namespace
}  // namespace milvus_backup::service
