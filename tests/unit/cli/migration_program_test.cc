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
#include <vector>

namespace milvus_backup::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

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
  }
}

TEST(DmProgramTest, IsChosenByNameAndByCommandAndTakesPrefixes) {
  EXPECT_THAT(ErrorOf({"/usr/bin/milvusdm"}, 2), HasSubstr("--yaml is required"));
  EXPECT_THAT(ErrorOf({"milvus-backup", "dm"}, 2), HasSubstr("--yaml is required"));
  for (const std::string prefix : {"--y", "--ya", "--yam", "--yaml"}) {
    EXPECT_THAT(ErrorOf({"milvusdm", prefix}, 2), HasSubstr("--yaml: 1 required"));
  }
  EXPECT_THAT(ErrorOf({"milvusdm", "--yaml", "f", "--nope"}, 2), HasSubstr("--nope"));
  EXPECT_THAT(ErrorOf({"milvusdm", "--yam=", "--nope"}, 2), HasSubstr("--nope"));
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
