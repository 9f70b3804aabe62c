// What the program does when its standard streams, or its log file, cannot be written.
#include "support/temp_dir.h"

#include "milvus_backup/cli/main.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace milvus_backup::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;
using ::testing::Not;

void RedirectTo(int stream, const char* path) {
  const int file = open(path, O_WRONLY | O_CLOEXEC);
  dup2(file, stream);
  close(file);
}

void RedirectToBrokenPipe(int stream) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) std::_Exit(99);
  dup2(ends[1], stream);
  close(ends[0]);
  close(ends[1]);
}

// Each case runs in a process of its own.
class StandardStreamsDeathTest : public ::testing::Test {
 protected:
  StandardStreamsDeathTest() {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    fs::create_directories(root_);
  }

  // Ends the process with the status of the program.
  [[noreturn]] static void Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "milvus-backup");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    std::_Exit(Main(static_cast<int>(argv.size()), argv.data()));
  }

  std::string WriteConfig() const {
    std::string path = dir_.path() + "/local.yaml";
    std::ofstream(path) << "minio: {storageType: local, backupRootPath: " << root_ << "}\n"
                        << "log: {console: false, file: {filename: " << log_ << "}}\n";
    return path;
  }

  testing::TempDir dir_;
  const std::string root_ = dir_.path() + "/backups";
  const std::string log_ = dir_.path() + "/x.log";
  const std::string config_ = WriteConfig();
};

TEST_F(StandardStreamsDeathTest, TheStatusSurvivesAStderrThatCannotBeWritten) {
  EXPECT_EXIT(
      {
        RedirectTo(STDERR_FILENO, "/dev/full");
        Run({"bogus"});
      },
      ExitedWithCode(2), "");
  EXPECT_EXIT(
      {
        close(STDERR_FILENO);
        Run({"--config", "no-such/file", "list"});
      },
      ExitedWithCode(4), "");
  EXPECT_EXIT(
      {
        RedirectToBrokenPipe(STDERR_FILENO);
        Run({"bogus"});
      },
      ExitedWithCode(2), "");
}

TEST_F(StandardStreamsDeathTest, AResultThatCannotBeWrittenIsNoSuccess) {
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"list", "--json"}, {"list"}, {"config", "show"}, {"--help"}, {"--version"}}) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--config", config_});
    EXPECT_EXIT(
        {
          RedirectTo(STDOUT_FILENO, "/dev/full");
          Run(arguments);
        },
        ExitedWithCode(1), "^Error: cannot write to standard output: No space left on device\n$")
        << command.front();
  }
  EXPECT_EXIT(
      {
        RedirectToBrokenPipe(STDOUT_FILENO);
        Run({"list", "--config", config_});
      },
      ExitedWithCode(1), "cannot write to standard output: Broken pipe");
  EXPECT_EXIT(
      {
        RedirectTo(STDOUT_FILENO, "/dev/full");
        Run({"--json", "bogus"});
      },
      ExitedWithCode(2), "cannot write to standard output");
}

TEST_F(StandardStreamsDeathTest, NothingOfOursGetsTheNumberOfAClosedStream) {
  EXPECT_EXIT(
      {
        close(STDIN_FILENO);
        close(STDOUT_FILENO);
        Run({"list", "--config", config_});
      },
      ExitedWithCode(1), "cannot write to standard output: Bad file descriptor");
  EXPECT_EXIT(
      {
        close(STDERR_FILENO);
        close(STDOUT_FILENO);
        Run({"list", "--json", "--config", config_});
      },
      ExitedWithCode(1), "");
  std::ostringstream text;
  text << std::ifstream(log_).rdbuf();
  EXPECT_THAT(text.str(), Not(HasSubstr("Backups")));
  EXPECT_THAT(text.str(), Not(HasSubstr("\"status\"")));
}

TEST_F(StandardStreamsDeathTest, WorkThatIsDoneIsSaid) {
  fs::create_directories(root_ + "/old/meta");
  std::ofstream(root_ + "/old/meta/backup_meta.json") << R"({"id":"1","name":"old"})";
  EXPECT_EXIT(
      {
        close(STDOUT_FILENO);
        Run({"delete", "-n", "old", "--json", "--config", config_});
      },
      ExitedWithCode(1), "Error: the backup is deleted, but the result could not be written");
  EXPECT_EXIT(
      {
        RedirectTo(STDOUT_FILENO, "/dev/full");
        Run({"config", "migrate", "-o", dir_.path() + "/v2.yaml", "--json", "--config", config_});
      },
      ExitedWithCode(1), "v2.yaml is written, but the result could not be written");
}

TEST_F(StandardStreamsDeathTest, WorksWithoutTheLogFile) {
  EXPECT_EXIT(Run({"list", "--config", config_, "--set", "log.file.filename=/dev/null/x/y.log"}),
              ExitedWithCode(0),
              "^Warning: cannot open the log file /dev/null/x/y.log: making the directory "
              "/dev/null/x: Not a directory; set log.file.filename .*; going on without it\n$");
  EXPECT_EXIT(Run({"list", "--config", config_, "--set", "log.file.filename=" + root_}),
              ExitedWithCode(0), "cannot open the log file .*: Is a directory");
}

}  // namespace
}  // namespace milvus_backup::cli
