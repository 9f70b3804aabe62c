// verify --all over directories in every state that list tells apart.
#include "run_command.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/writer.h"
#include "milvus_backup/storage/open.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::cli {
namespace {

using ::milvus_backup::testing::IsError;
using ::testing::HasSubstr;

class VerifyCommandTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto backend = storage::OpenLocal({.root = dir_.path()}, {});
    ASSERT_OK(backend);
    storage_ = *std::move(backend);
    config_.backup_storage.kind = config::StorageKind::kLocal;
    config_.backup_storage.provider = "local";
    config_.backup_storage.root_path = dir_.path();
  }

  void Put(const std::string& key, const std::string& text) {
    ASSERT_OK(storage_->Put({}, key, AsBytes(text), {}));
  }
  void Write(const std::string& name) {
    ASSERT_OK(meta::WriteBackup({}, *storage_, name + "/", {.id = "id", .name = name}));
  }

  /// Run `verify` with these arguments and --json.
  Status Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "verify");
    CommandRun run = RunCommand(&AddVerify, std::move(arguments), config_, true);
    exit_code_ = run.exit_code;
    out_ = std::move(run.out);
    return std::move(run.status);
  }

  /// What --json says of each backup.
  std::map<std::string, std::string> StatusByName() const {
    const auto document = nlohmann::json::parse(out_);
    std::map<std::string, std::string> found;
    for (const auto& backup : document["backups"]) found[backup["name"]] = backup["status"];
    return found;
  }

  testing::TempDir dir_;
  std::unique_ptr<storage::Backend> storage_;
  config::Config config_;
  ExitCode exit_code_{};
  std::string out_;
};

TEST_F(VerifyCommandTest, AllOfWholeBackupsIsStatus0) {
  Write("a");
  Write("b");
  ASSERT_OK(Run({"--all"}));
  EXPECT_EQ(exit_code_, kDone);
  EXPECT_EQ(StatusByName(), (std::map<std::string, std::string>{{"a", "ok"}, {"b", "ok"}}));
}

TEST_F(VerifyCommandTest, AllNamesBackupsWhoseHeaderIsDamagedOrGone) {
  Write("a");
  Write("broken");
  Put("broken/meta/backup_meta.json", "{");
  Write("gone");
  ASSERT_OK(storage_->Delete({}, "gone/meta/backup_meta.json"));
  ASSERT_OK(Run({"--all"}));
  EXPECT_EQ(exit_code_, kIntegrity);
  EXPECT_EQ(StatusByName(), (std::map<std::string, std::string>{
                                {"a", "ok"}, {"broken", "damaged"}, {"gone", "damaged"}}));
}

TEST_F(VerifyCommandTest, AllSaysOfUnfinishedBackupsThatTheyCouldNotBeChecked) {
  Write("a");
  Put("half/meta/run.json", meta::EncodeRunRecord(meta::NewRunRecord("create", "half")));
  ASSERT_OK(Run({"--all"}));
  EXPECT_EQ(exit_code_, kSomeFailed);
  EXPECT_EQ(StatusByName(), (std::map<std::string, std::string>{{"a", "ok"}, {"half", "error"}}));
  EXPECT_THAT(out_, HasSubstr("backup half is unfinished"));
}

TEST_F(VerifyCommandTest, ASeedWithoutAShareIsRefused) {
  Write("a");
  for (const std::vector<std::string>& flags : std::vector<std::vector<std::string>>{
           {"-n", "a", "--seed", "0"}, {"--all", "--deep", "--seed", "7"}}) {
    EXPECT_THAT(Run(flags), IsError(Code::kInvalidArgument, "--seed goes with --sample"));
  }
  EXPECT_OK(Run({"-n", "a", "--deep", "--sample", "50%", "--seed", "7"}));
}

TEST_F(VerifyCommandTest, AllOfADirectoryThatIsNotThereIsAnError) {
  EXPECT_THAT(Run({"--all", dir_.path() + "/typo"}), IsError(Code::kNotFound, "typo"));
}

}  // namespace
}  // namespace milvus_backup::cli
