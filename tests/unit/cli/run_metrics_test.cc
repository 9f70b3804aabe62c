// Which runs of commands are told of in files for Prometheus.
#include "cli/run_metrics.h"

#include "support/temp_dir.h"

#include "milvus_backup/cli/main.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace milvus_backup::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(LeftMetricsTest, RunsRefusedOrStoppedBeforeTheFirstAnswerDidNothing) {
  for (const int ended : {0, 1, 3, 10, 11, 12, 13, 14, 20}) {
    EXPECT_TRUE(HasDoneAnything(ended, {})) << ended;
  }
  for (const int ended : {2, 4, 130}) {
    EXPECT_FALSE(HasDoneAnything(ended, {})) << ended;
    EXPECT_FALSE(HasDoneAnything(ended, {.calls = 2, .errors = 2})) << ended;
    EXPECT_TRUE(HasDoneAnything(ended, {.calls = 2, .errors = 1})) << ended;
  }
}

// Each command runs in a process of its own, which begins the test anew, in another directory.
class LeftMetricsDeathTest : public ::testing::Test {
 protected:
  LeftMetricsDeathTest() {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    fs::create_directories(root_ + "/old/meta");
    fs::create_directories(metrics_);
    std::ofstream(root_ + "/old/meta/backup_meta.json") << R"({"id":"1","name":"old"})";
    std::ofstream(config_) << "minio: {storageType: local, backupRootPath: " << root_ << "}\n"
                           << "metrics: {textfileDir: " << metrics_ << "}\n"
                           << "server: {stateDir: " << dir_.path() << "/state}\n"
                           << "log: {console: false, file: {filename: " << dir_.path()
                           << "/x.log}}\n";
  }

  std::string FileOf(const std::string& command) const {
    return metrics_ + "/milvus_backup_" + command + ".prom";
  }

  // Says on stderr what the file of the command then holds, and ends the process with the status of
  // the program.
  [[noreturn]] void Run(std::vector<std::string> arguments, const char* stdout_path) const {
    const std::string file = FileOf(arguments.front());
    const int output = open(stdout_path, O_WRONLY | O_CLOEXEC);
    dup2(output, STDOUT_FILENO);
    arguments.insert(arguments.begin(), "milvus-backup");
    arguments.insert(arguments.end(), {"--config", config_});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    const int status = Main(static_cast<int>(argv.size()), argv.data());
    std::ostringstream text;
    if (fs::exists(file)) text << std::ifstream(file).rdbuf();
    std::cerr << "file: " << (fs::exists(file) ? text.str() : "none") << std::endl;
    std::_Exit(status);
  }
  [[noreturn]] void Run(const std::vector<std::string>& arguments) const {
    Run(arguments, "/dev/null");
  }

  testing::TempDir dir_;
  const std::string root_ = dir_.path() + "/backups";
  const std::string metrics_ = dir_.path() + "/metrics";
  const std::string config_ = dir_.path() + "/local.yaml";
};

TEST_F(LeftMetricsDeathTest, ADryRunIsNoRun) {
  const auto none = HasSubstr("file: none");
  EXPECT_EXIT(Run({"prune", "--keep-last", "1", "--dry-run"}), ExitedWithCode(0), none);
  EXPECT_EXIT(Run({"delete", "-n", "old", "--dry-run"}), ExitedWithCode(0), none);
  EXPECT_EXIT(Run({"prune", "--keep-last", "1", "--dry-run=false"}), ExitedWithCode(0),
              HasSubstr("last_success"));
}

TEST_F(LeftMetricsDeathTest, SchedulesThatAreListedAreNoRunOfOne) {
  EXPECT_EXIT(Run({"schedule", "list"}), ExitedWithCode(0), HasSubstr("file: none"));
}

TEST_F(LeftMetricsDeathTest, ARefusedRunLeavesTheFileAsItWas) {
  for (const char* command : {"copy", "prune", "schedule"}) {
    std::ofstream(FileOf(command)) << "as it was";
  }
  const auto same = HasSubstr("file: as it was\n");
  EXPECT_EXIT(Run({"prune", "--keep-last", "1", "--storage", "nowhere"}), ExitedWithCode(2), same);
  EXPECT_EXIT(Run({"copy", "-n", "old", "--to-config", "no-such/file"}), ExitedWithCode(4), same);
  EXPECT_EXIT(Run({"schedule", "run-now", "nowhere"}), ExitedWithCode(2), same);
  // Taking one back is no run of prune.
  EXPECT_EXIT(Run({"prune", "--undo", "old"}), ExitedWithCode(1), same);
}

TEST_F(LeftMetricsDeathTest, AResultThatCannotBeWrittenIsNoSuccess) {
  EXPECT_EXIT(Run({"list"}), ExitedWithCode(0), HasSubstr("last_success"));
  EXPECT_EXIT(Run({"list"}, "/dev/full"), ExitedWithCode(1),
              AllOf(HasSubstr("last_run_exit_status{command=\"list\"} 1\n"),
                    Not(HasSubstr("last_success"))));
  EXPECT_EXIT(Run({"get", "-n", "none"}), ExitedWithCode(10),
              HasSubstr("last_run_exit_status{command=\"get\"} 10\n"));
}

}  // namespace
}  // namespace milvus_backup::cli
