// What `copy` says of what went wrong.
#include "run_command.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::cli {
namespace {

using ::milvus_backup::testing::IsError;
using ::testing::HasSubstr;

class CopyCommandTest : public ::testing::Test {
 protected:
  void Write(const std::string& path, std::string_view text) {
    const std::filesystem::path file = dir_.path() + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  Status Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "copy");
    CommandRun run = RunCommand(&AddCopy, std::move(arguments), config_, false);
    exit_code_ = run.exit_code;
    error_ = std::move(run.error);
    return std::move(run.status);
  }

  testing::TempDir dir_;
  config::Config config_;
  ExitCode exit_code_{};
  std::string error_;
};

TEST_F(CopyCommandTest, NamesOfObjectsStayInTheirLine) {
  Write("src/a\nError: b\t\x1b[2J", "longer");
  Write("dst/a\nError: b\t\x1b[2J", "short");
  ASSERT_OK(Run({dir_.path() + "/src", dir_.path() + "/dst"}));
  EXPECT_EQ(exit_code_, kSomeFailed);
  EXPECT_THAT(error_, HasSubstr("Error: src/a?Error: b??[2J: it has 6 bytes"));
  EXPECT_EQ(std::ranges::count(error_, '\n'), 1);
}

TEST_F(CopyCommandTest, KeysOfAnotherFileAreNamedWithIt) {
  Write("other.yaml", "minio:\n  backupBucketName: a/b\n");
  const std::string file = dir_.path() + "/other.yaml";
  config_.backup_storage.bucket = "own";
  config_.backup_storage.access_key = "key";
  config_.backup_storage.secret_key = Secret("secret");
  EXPECT_THAT(
      Run({"-n", "b", "--to-config", file}),
      IsError(Code::kInvalidArgument, "--to-config " + file + ": minio.backupBucketName in " +
                                          file + " is not a bucket name"));
}

}  // namespace
}  // namespace milvus_backup::cli
