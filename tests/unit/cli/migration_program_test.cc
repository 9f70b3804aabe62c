#include "cli/arguments.h"
#include "cli/cmd_migration.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/cli/main.h"

#include <gmock/gmock.h>

#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;

/// Errors of usage end before anything is opened.
std::string ErrorOf(std::vector<std::string> arguments, int expected_status) {
  std::vector<char*> argv;
  argv.reserve(arguments.size());
  for (std::string& argument : arguments) argv.push_back(argument.data());
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(Main(static_cast<int>(argv.size()), argv.data()), expected_status);
  return ::testing::internal::GetCapturedStderr();
}

TEST(MigrationProgramTest, IsChosenByNameAndByCommand) {
  for (const std::vector<std::string>& start : std::vector<std::vector<std::string>>{
           {"/usr/bin/milvus-migration"}, {"milvus-backup", "migration"}}) {
    const auto with = [&](std::vector<std::string> arguments) {
      arguments.insert(arguments.begin(), start.begin(), start.end());
      return arguments;
    };
    EXPECT_THAT(ErrorOf(with({}), 2),
                HasSubstr("execute milvus-migration args:[] error:unrecognized command"));
    EXPECT_THAT(ErrorOf(with({"check"}), 2), HasSubstr("unknown command 'check'"));
    EXPECT_THAT(ErrorOf(with({"server", "run", "--nope"}), 2), HasSubstr("--nope"));
    EXPECT_THAT(ErrorOf(with({"dump", "--nope"}), 2), HasSubstr("--nope"));
    EXPECT_THAT(ErrorOf(with({"start", "--databases="}), 2), HasSubstr("--databases"));
  }
}

TEST(DmProgramTest, IsChosenByNameAndByCommandAndTakesPrefixes) {
  EXPECT_THAT(ErrorOf({"/usr/bin/milvusdm"}, 2), HasSubstr("--yaml is required"));
  EXPECT_THAT(ErrorOf({"milvus-backup", "dm"}, 2), HasSubstr("--yaml is required"));
  for (const std::string prefix : {"--y", "--ya", "--yam", "--yaml"}) {
    EXPECT_THAT(ErrorOf({"milvusdm", prefix}, 2), HasSubstr("--yaml: 1 required"));
  }
  EXPECT_THAT(ErrorOf({"milvusdm", "--yaml", "f", "--nope"}, 2), HasSubstr("--nope"));
  EXPECT_THAT(ErrorOf({"milvusdm", "--yam=", "--nope"}, 2), HasSubstr("--yaml: it is empty"));
}

TEST(MigrationProgramTest, EmptyValuesAreRefusedButWhereTheGoToolGivesThemAMeaning) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"start", "--databases="}, "--databases: it is empty"},
      {{"start", "--via-storage", "--source-config="}, "--source-config: it is empty"},
      {{"start", "--via-storage", "--target-config="}, "--target-config: it is empty"},
      {{"export", "-s="}, "--sqlite: it is empty"},
      {{"export", "--mysql="}, "--mysql: it is empty"},
      {{"server", "run", "-p="}, "--port: it is empty"}};
  for (auto [arguments, text] : wrong) {
    arguments.insert(arguments.begin(), "milvus-migration");
    EXPECT_THAT(ErrorOf(arguments, 2), HasSubstr(text));
  }
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(ErrorOf({"milvus-migration", "export", "-c", "", "-o", "", "--help"}, 0), "");
  EXPECT_NE(::testing::internal::GetCapturedStdout(), "");
  const std::vector<std::vector<std::string>> right = {{"dump", "--col="},
                                                       {"load", "--col", ""},
                                                       {"start", "--col="},
                                                       {"start", "--table="},
                                                       {"start", "-t", ""}};
  for (std::vector<std::string> arguments : right) {
    arguments.insert(arguments.begin(), "milvus-migration");
    // An empty value is looked at before the flag that is not known.
    arguments.emplace_back("--nope");
    const std::string error = ErrorOf(arguments, 2);
    EXPECT_THAT(error, HasSubstr("--nope"));
    EXPECT_THAT(error, Not(HasSubstr("it is empty")));
  }
}

TEST(MigrationProgramTest, NamesAreSeparatedByCommas) {
  EXPECT_THAT(SplitNames(""), IsEmpty());
  EXPECT_THAT(SplitNames("a"), ElementsAre("a"));
  EXPECT_THAT(SplitNames(" a, b c ,,d"), ElementsAre("a", "b c", "d"));
}

TEST(HideValuesTest, CoversEverySpelling) {
  std::vector<std::string> arguments = {"p",       "-m", "s1",         "x",  "-ms2", "-m=s3",
                                        "--mysql", "s4", "--mysql=s5", "-o", "out"};
  std::vector<char*> argv;
  argv.reserve(arguments.size());
  for (std::string& argument : arguments) argv.push_back(argument.data());
  HideValues(static_cast<int>(argv.size()), argv.data(), "--mysql", "-m");
  EXPECT_THAT(arguments, ElementsAre("p", "-m", "**", "x", "-m**", "-m***", "--mysql", "**",
                                     "--mysql=**", "-o", "out"));
}

TEST(EventTest, IsWrittenInBracketsAsTheGoToolDoes) {
  const milvus_backup::testing::TempDir dir;
  const std::string path = dir.path() + "/logs/migration.log";
  ASSERT_OK(log::Configure(
      {.style = log::Style::kBracketed, .console = false, .path = path, .max_size_mib = 1}));
  log::Event(log::Level::kInfo, "[Dumper] Dump Success!", {{"Cost", "1.5"}, {"odd", "a=\"b\"\n"}});
  log::Warn("plain text");
  ASSERT_OK(log::Configure({.console = false}));
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  const std::string time = "\\[..../../.. ..:..:..\\.... [+-]..:..\\] ";
  EXPECT_THAT(text.str(), MatchesRegex(time +
                                       "\\[INFO\\] \\[cli/migration_program_test.cc:[0-9]+\\] "
                                       "\\[\"\\[Dumper\\] Dump Success!\"\\] \\[Cost=1\\.5\\] "
                                       "\\[odd=\"a=\\\\\"b\\\\\"\\\\n\"\\]\n" +
                                       time + "\\[WARN\\] \\[\"plain text\"\\]\n"));
}

TEST(EventTest, IsWrittenBetweenBarsAsMilvusDmDoes) {
  const milvus_backup::testing::TempDir dir;
  const std::string path = dir.path() + "/milvusdm.log";
  ASSERT_OK(log::Configure({.level = log::Level::kDebug,
                            .style = log::Style::kBarred,
                            .console = false,
                            .path = path,
                            .max_size_mib = 1}));
  log::Event(log::Level::kInfo, "two\nlines", {{"key", "a b"}});
  log::Debug("plain text");
  ASSERT_OK(log::Configure({.console = false}));
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  const std::string time = "....-..-.. ..:..:..,... ｜ ";
  EXPECT_THAT(text.str(),
              MatchesRegex(time +
                           "INFO ｜ migration_program_test.cc ｜ TestBody ｜ [0-9]+ ｜ two lines "
                           "key=\"a b\"\n" +
                           time + "DEBUG ｜ milvusdm ｜ - ｜ 0 ｜ plain text\n"));
}

}  // namespace
}  // namespace milvus_backup::cli
