#include "milvus_backup/service/metrics.h"

#include "support/sanitizer.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include "milvus_backup/base/process.h"
#include "milvus_backup/storage/open.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace milvus_backup::service {
namespace {

using storage::Method;
using ::testing::HasSubstr;
using testing::IsError;
using ::testing::Not;
using namespace std::chrono_literals;

/// Values by series, comments left out.
std::map<std::string, double> Series(const std::string& text) {
  std::map<std::string, double> series;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    const size_t space = line.rfind(' ');
    EXPECT_TRUE(series.emplace(line.substr(0, space), std::stod(line.substr(space + 1))).second)
        << line << " is there twice";
  }
  return series;
}

StorageCounts SomeRequests() {
  StorageCounts counts;
  for (int i = 0; i < 3; ++i) counts.calls->Add(Method::kPut, i != 0, 100, 500ms);
  for (int i = 0; i < 5; ++i) counts.tries->Add(Method::kPut, i > 2, 100, 100ms);
  return counts;
}

class RunMetricsTest : public ::testing::Test {
 protected:
  Status Write(int exit_status, std::chrono::seconds ended, const std::string& command = "create") {
    const std::chrono::system_clock::time_point end(ended);
    return WriteRunMetrics(dir_.path(),
                           {.command = command,
                            .exit_status = exit_status,
                            .started = end - 1500ms,
                            .ended = end,
                            .objects = 7,
                            .bytes = 4'000'000'123},
                           SomeRequests());
  }
  std::string Text(const std::string& command = "create") const {
    std::ifstream file(dir_.path() + "/milvus_backup_" + command + ".prom");
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  double Value(const std::string& name, const std::string& labels = "") const {
    const auto series = Series(Text());
    const auto found =
        series.find("milvus_backup_last_" + name + "{command=\"create\"" + labels + "}");
    return found == series.end() ? -1 : found->second;
  }

  testing::TempDir dir_;
};

TEST_F(RunMetricsTest, SaysWhatTheRunDid) {
  ASSERT_OK(Write(0, 1'717'000'123s));
  EXPECT_EQ(Value("run_timestamp_seconds"), 1'717'000'123);
  EXPECT_EQ(Value("success_timestamp_seconds"), 1'717'000'123);
  EXPECT_EQ(Value("run_exit_status"), 0);
  EXPECT_EQ(Value("run_duration_seconds"), 1.5);
  EXPECT_EQ(Value("run_objects"), 7);
  EXPECT_EQ(Value("run_bytes"), 4'000'000'123);
  EXPECT_GT(Value("run_peak_memory_bytes"), 1e6);
  EXPECT_EQ(Value("run_storage_requests", ",method=\"put\""), 3);
  EXPECT_EQ(Value("run_storage_errors", ",method=\"put\""), 1);
  EXPECT_EQ(Value("run_storage_retries", ",method=\"put\""), 2);
  EXPECT_EQ(Value("run_storage_requests", ",method=\"read\""), -1);
  EXPECT_THAT(Text(), HasSubstr("# TYPE milvus_backup_last_success_timestamp_seconds gauge\n"));
}

TEST_F(RunMetricsTest, AFailureKeepsTheTimeOfTheLastSuccess) {
  ASSERT_OK(Write(0, 1'717'000'123s));
  ASSERT_OK(Write(1, 1'717'000'999s));
  ASSERT_OK(Write(3, 1'717'001'500s));
  EXPECT_EQ(Value("run_timestamp_seconds"), 1'717'001'500);
  EXPECT_EQ(Value("run_exit_status"), 3);
  EXPECT_EQ(Value("success_timestamp_seconds"), 1'717'000'123);
}

TEST_F(RunMetricsTest, WithoutASuccessThereIsNoTimeOfOne) {
  ASSERT_OK(Write(1, 1'717'000'999s));
  EXPECT_THAT(Text(), Not(HasSubstr("last_success")));
  std::ofstream(dir_.path() + "/milvus_backup_create.prom")
      << "milvus_backup_last_success_timestamp_seconds{command=\"create\"} soon\n";
  ASSERT_OK(Write(1, 1'717'000'999s));
  EXPECT_THAT(Text(), Not(HasSubstr("last_success")));
}

TEST_F(RunMetricsTest, CommandsHaveFilesOfTheirOwnAndLeaveNothingElse) {
  ASSERT_OK(Write(0, 1'717'000'123s));
  ASSERT_OK(Write(1, 1'717'000'124s, "verify"));
  EXPECT_EQ(Value("run_exit_status"), 0);
  EXPECT_THAT(Text("verify"),
              HasSubstr("milvus_backup_last_run_exit_status{command=\"verify\"} 1"));
  size_t files = 0;
  for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(dir_.path()))
    ++files;
  EXPECT_EQ(files, 2U);
}

TEST_F(RunMetricsTest, NamesADirectoryThatIsNotThere) {
  const std::string missing = dir_.path() + "/none";
  EXPECT_THAT(WriteRunMetrics(missing, {.command = "list"}),
              IsError(Code::kFailedPrecondition, "metrics.textfileDir " + missing));
  EXPECT_FALSE(std::filesystem::exists(missing));
}

TEST(ServerMetricsTest, TellsOfTasksAndStorages) {
  const testing::TempDir dir;
  FakeClock clock;
  clock.Advance(std::chrono::seconds(1'717'000'000) - clock.WallNow().time_since_epoch());
  const JobRunnerOptions options = {.directory = dir.path(), .max_running = 1, .clock = &clock};
  {
    auto jobs = JobRunner::Create(options);
    ASSERT_OK(jobs);
    const auto run = [&](const std::string& id, const Status& status) {
      ASSERT_OK((*jobs)->Submit({.id = id, .kind = "create"}, [&, status](JobContext& job) {
        clock.Advance(2s);
        job.progress().objects_done = 5;
        job.progress().bytes_done = 1000;
        return status;
      }));
      ASSERT_OK((*jobs)->Wait(id));
    };
    run("a", Status::Ok());
    run("b", Status::Ok());
    run("c", DataLossError("bad"));
    const auto series = Series(ServerMetrics(**jobs, SomeRequests()));
    EXPECT_EQ(series.at("milvus_backup_tasks_ended_total{kind=\"create\",state=\"succeeded\"}"), 2);
    EXPECT_EQ(series.at("milvus_backup_tasks_ended_total{kind=\"create\",state=\"failed\"}"), 1);
    EXPECT_EQ(series.at("milvus_backup_task_objects_total{kind=\"create\"}"), 15);
    EXPECT_EQ(series.at("milvus_backup_task_bytes_total{kind=\"create\"}"), 3000);
    EXPECT_EQ(series.at("milvus_backup_task_seconds_total{kind=\"create\"}"), 6);
    EXPECT_EQ(series.at("milvus_backup_task_last_success_timestamp_seconds{kind=\"create\"}"),
              1'717'000'004);
    EXPECT_EQ(series.at("milvus_backup_tasks{state=\"running\"}"), 0);
    EXPECT_EQ(series.at("milvus_backup_tasks{state=\"queued\"}"), 0);
    EXPECT_EQ(series.at("milvus_backup_storage_requests_total{method=\"put\"}"), 3);
    EXPECT_EQ(series.at("milvus_backup_storage_errors_total{method=\"put\"}"), 1);
    EXPECT_EQ(series.at("milvus_backup_storage_retries_total{method=\"put\"}"), 2);
    EXPECT_EQ(series.at("milvus_backup_storage_bytes_total{method=\"put\"}"), 300);
    EXPECT_EQ(series.at("milvus_backup_storage_request_seconds_total{method=\"put\"}"), 1.5);
    EXPECT_GT(series.at("process_resident_memory_bytes"), 1e6);
  }
  // Counters begin anew with the process, the last success does not.
  auto jobs = JobRunner::Create(options);
  ASSERT_OK(jobs);
  const auto series = Series(ServerMetrics(**jobs, StorageCounts()));
  EXPECT_EQ(series.at("milvus_backup_task_last_success_timestamp_seconds{kind=\"create\"}"),
            1'717'000'004);
  EXPECT_EQ(series.count("milvus_backup_task_bytes_total{kind=\"create\"}"), 0U);
}

TEST(ScheduleMetricsTest, ASuccessIsTheSameOnThePageAndInTheFile) {
  const testing::TempDir dir;
  const std::chrono::sys_seconds time(1'717'000'123s);
  ASSERT_OK(WriteScheduleMetrics(dir.path(), "nightly", time));
  std::ostringstream text;
  text << std::ifstream(dir.path() + "/milvus_backup_schedule_nightly.prom").rdbuf();
  const std::string name =
      "milvus_backup_schedule_last_success_timestamp_seconds{schedule=\"nightly\"}";
  EXPECT_EQ(Series(text.str()), (std::map<std::string, double>{{name, 1'717'000'123}}));
  auto jobs = JobRunner::Create({.directory = dir.path() + "/state"});
  ASSERT_OK(jobs);
  const std::string page =
      ServerMetrics(**jobs, StorageCounts(), {{"nightly", time}, {"weekly", time + 1s}});
  EXPECT_EQ(Series(page).at(name), 1'717'000'123);
  EXPECT_THAT(page, HasSubstr(text.str().substr(0, text.str().find('{'))));
  EXPECT_THAT(WriteScheduleMetrics(dir.path() + "/none", "nightly", time),
              IsError(Code::kFailedPrecondition, "metrics.textfileDir"));
}

TEST(ProcessMemoryTest, IsThatOfThisProcess) {
  const uint64_t before = ResidentMemory();
  EXPECT_GT(before, uint64_t{1} << 20);
  const std::string bytes(64 << 20, 'x');
  EXPECT_GE(ResidentMemory(), uint64_t{64} << 20);
  EXPECT_GE(PeakMemory(), uint64_t{64} << 20);
  EXPECT_EQ(bytes.back(), 'x');
}

TEST(ProcessMemoryTest, FreeMemoryCanBeGivenBack) {
#ifdef MB_UNDER_SANITIZER
  GTEST_SKIP() << "sanitizers hold freed memory back";
#endif
  std::vector<std::unique_ptr<std::array<char, 4096>>> pages(16384);
  for (auto& page : pages) page = std::make_unique<std::array<char, 4096>>();
  // The last one lies above all others, so that they do not go back by themselves.
  pages.erase(pages.begin(), pages.end() - 1);
  const uint64_t before = ResidentMemory();
  ReleaseFreeMemory();
  EXPECT_LT(ResidentMemory() + (uint64_t{48} << 20), before);
  EXPECT_EQ(pages.back()->front(), '\0');
}

}  // namespace
}  // namespace milvus_backup::service
