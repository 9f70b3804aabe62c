#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/selection_flags.h"
#include "cli/server_flags.h"
#include "cli/terminal_progress.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/cli/main.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <set>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace milvus_backup::cli {
namespace {

// The table of docs/cli.md.
TEST(ExitCodeTest, FollowsCodeAndOrigin) {
  EXPECT_EQ(ExitCodeOf(Status::Ok()), 0);
  EXPECT_EQ(ExitCodeOf(InternalError("x")), 1);
  EXPECT_EQ(ExitCodeOf(InvalidArgumentError("x")), 2);
  EXPECT_EQ(ExitCodeOf(InvalidArgumentError("x").WithOrigin(Origin::kMilvus)), 1);
  EXPECT_EQ(ExitCodeOf(InvalidArgumentError("x").WithOrigin(Origin::kConfig)), 4);
  EXPECT_EQ(ExitCodeOf(NotFoundError("backup x not found")), 10);
  EXPECT_EQ(ExitCodeOf(NotFoundError("x").WithOrigin(Origin::kMilvus)), 1);
  EXPECT_EQ(
      ExitCodeOf(
          NotFoundError("x").WithOrigin(Origin::kStorage).WithService("NoSuchBucket", 404, "")),
      13);
  EXPECT_EQ(ExitCodeOf(AlreadyExistsError("x")), 11);
  EXPECT_EQ(ExitCodeOf(Status(Code::kUnauthenticated, "x").WithOrigin(Origin::kStorage)), 12);
  EXPECT_EQ(ExitCodeOf(Status(Code::kPermissionDenied, "x").WithOrigin(Origin::kMilvus)), 12);
  EXPECT_EQ(ExitCodeOf(Status(Code::kUnavailable, "x").WithOrigin(Origin::kStorage)), 13);
  EXPECT_EQ(ExitCodeOf(Status(Code::kUnavailable, "x").WithOrigin(Origin::kMilvus)), 14);
  // A service refuses by a reply; the file system of a local storage has none.
  EXPECT_EQ(ExitCodeOf(Status(Code::kPermissionDenied, "x")
                           .WithOrigin(Origin::kStorage)
                           .WithService("AccessDenied", 403, "")),
            12);
  EXPECT_EQ(ExitCodeOf(Status(Code::kPermissionDenied, "x")
                           .WithOrigin(Origin::kStorage)
                           .WithService("", 403, "")),
            12);
  EXPECT_EQ(ExitCodeOf(Status(Code::kPermissionDenied, "x").WithOrigin(Origin::kStorage)), 13);
  EXPECT_EQ(ExitCodeOf(DataLossError("x")), 20);
  EXPECT_EQ(ExitCodeOf(CancelledError()), 130);
}

TEST(OutputTest, JsonErrorsSayTheAdviceOnce) {
  const auto json =
      ErrorJson(NotFoundError("no backup").WithAdvice("look at list").Annotate("get"));
  EXPECT_EQ(json["message"], "get: no backup");
  EXPECT_EQ(json["advice"], "look at list");
}

TEST(OutputTest, BytesAreReadable) {
  EXPECT_EQ(FormatBytes(812), "812 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(5.0 * 1024 * 1024 * 1024), "5.0 GiB");
}

constexpr char kHostileName[] = "a\x1b[2J\xC2\x9B\xE2\x80\xAE\xFF.";

/// What a terminal shows when `text` is printed on stdout; empty where there are no terminals.
std::string ShownOnTerminal(const std::string& text) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) return "";
  std::array<char, 64> name{};
  EXPECT_EQ(grantpt(terminal), 0);
  EXPECT_EQ(unlockpt(terminal), 0);
  EXPECT_EQ(ptsname_r(terminal, name.data(), name.size()), 0);
  const int screen = open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
  EXPECT_GE(screen, 0);
  std::fflush(stdout);
  const int before = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  dup2(screen, STDOUT_FILENO);
  PrintLine(text);
  dup2(before, STDOUT_FILENO);
  std::array<char, 256> shown{};
  const ssize_t length = read(terminal, shown.data(), shown.size());
  for (const int file : {before, screen, terminal}) close(file);
  return {shown.data(), length > 0 ? static_cast<size_t>(length) : 0};
}

TEST(OutputTest, NamesOfOthersSteerNoTerminal) {
  ::testing::internal::CaptureStderr();
  PrintErrorLine(std::string("two\nlines of ") + kHostileName);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "two\nlines of a?[2J???.\n");
  const std::string shown = ShownOnTerminal(kHostileName);
  if (shown.empty()) GTEST_SKIP() << "no terminal can be made here";
  EXPECT_EQ(shown.substr(0, shown.find('\r')), "a?[2J???.");
}

TEST(OutputTest, ProgramsGetNamesAsTheyAre) {
  ::testing::internal::CaptureStdout();
  PrintLine(kHostileName);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), std::string(kHostileName) + "\n");
}

TEST(ProgressLineTest, ShowsRateAndTimeLeft) {
  transfer::Progress progress;
  progress.SetPhase("copy");
  EXPECT_EQ(ProgressLine(progress, std::chrono::seconds(1)), "copy");
  progress.objects_planned = 300;
  progress.objects_done = 120;
  progress.bytes_planned = 400 * kMiB;
  progress.bytes_done = 100 * kMiB;
  EXPECT_EQ(ProgressLine(progress, std::chrono::seconds(2)),
            "copy  120/300 objects  100.0 MiB of 400.0 MiB  50.0 MiB/s  ETA 6 s");
}

TEST(ProgressLineTest, ShowsImports) {
  transfer::Progress progress;
  progress.SetPhase("import");
  progress.imports_planned = 4;
  progress.imports_done = 1;
  EXPECT_EQ(ProgressLine(progress, std::chrono::seconds(2)), "import  1/4 imports  ETA 6 s");
}

// Usage errors end before signals, logs or servers are touched, so they can run in this process.
int RunProgram(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "milvus-backup");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  return Main(static_cast<int>(argv.size()), argv.data());
}

std::string ErrorOf(const std::vector<std::string>& arguments, int expected_status) {
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(RunProgram(arguments), expected_status);
  return ::testing::internal::GetCapturedStderr();
}

TEST(CommandLineTest, UsageErrorsNameTheFlag) {
  EXPECT_NE(ErrorOf({"create", "--nope"}, 2).find("--nope"), std::string::npos);
  EXPECT_NE(ErrorOf({"crate"}, 2).find("unknown command 'crate'"), std::string::npos);
  EXPECT_NE(ErrorOf({"--config", "x", "lst"}, 2).find("'lst'"), std::string::npos);
  EXPECT_NE(ErrorOf({}, 2).find("subcommand is required"), std::string::npos);
  EXPECT_NE(ErrorOf({"restore"}, 2).find("--name"), std::string::npos);
  EXPECT_NE(ErrorOf({"schedule"}, 2).find("subcommand is required"), std::string::npos);
  EXPECT_NE(ErrorOf({"schedule", "run-now"}, 2).find("name is required"), std::string::npos);
  EXPECT_NE(ErrorOf({"schedule", "list", "--times", "-1"}, 2).find("--times"), std::string::npos);
}

TEST(CommandLineTest, TheVersionOfMilvusIsChecked) {
  const std::string error = ErrorOf({"check", "--milvus-version", "newest"}, 2);
  EXPECT_NE(error.find("--milvus-version"), std::string::npos) << error;
  EXPECT_NE(error.find("'newest' is no version of Milvus"), std::string::npos) << error;
}

TEST(CommandLineTest, PruneWantsRulesOrOneBackupToTakeBack) {
  const std::string none = ErrorOf({"prune"}, 2);
  for (const char* flag : {"--keep-last", "--keep-hourly", "--keep-daily", "--keep-weekly",
                           "--keep-monthly", "--keep-yearly", "--keep-within", "--keep-tag"}) {
    EXPECT_NE(none.find(flag), std::string::npos) << none;
  }
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"prune", "--dry-run", "--grace", "1h"}, "no rule"},
      {{"prune", "--keep-last", "0"}, "no rule"},
      {{"prune", "--keep-last", "-1"}, "--keep-last"},
      {{"prune", "--keep-last", "-1"}, "0 to 2147483647"},
      {{"prune", "--keep-daily", "x"}, "--keep-daily"},
      {{"prune", "--keep-within", "7w"}, "2y5m7d3h"},
      {{"prune", "--keep-tag", "a b"}, "invalid tag"},
      {{"prune", "--keep-last", "1", "--grace", "soon"}, "--grace"},
      {{"prune", "--keep-last", "1", "--undo", "a"}, "--undo"},
      {{"prune", "--undo", "a", "--dry-run"}, "--undo"},
      {{"prune", "--undo", "a", "--grace", "0"}, "--undo and --grace exclude each other"},
      {{"prune", "--undo", "a", "--schedule", "s"}, "--undo and --schedule exclude each other"},
      {{"prune", "--undo", "a/b"}, "invalid backup name"}};
  for (const auto& [arguments, text] : wrong) {
    const std::string error = ErrorOf(arguments, 2);
    EXPECT_NE(error.find(text), std::string::npos) << error;
  }
}

// CLI11 would take the next argument for the value.
TEST(CommandLineTest, NothingBehindAnEqualsSignIsAnEmptyValue) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"delete", "--name=", "--dry-run"}, "invalid backup name ''"},
      {{"prune", "--keep-last", "1", "--schedule=", "--dry-run"}, "--schedule: it is empty"},
      {{"prune", "--keep-last", "1", "--grace=", "--undo", "a"}, "--grace"},
      {{"tag", "a", "--storage=", "other"}, "--storage: it is empty"},
      {{"copy", "-n", "a", "--to=", "--all"}, "--to: it is empty"},
      {{"import", "--to=", "f.tar"}, "--to: it is empty"},
      {{"export", "-n", "a", "-o", "f.tar", "--from="}, "--from: it is empty"},
      {{"restore", "-n", "a", "--from-config=", "x"}, "--from-config: it is empty"},
      {{"verify", "-n", "a", "--from="}, "--from: it is empty"},
      {{"inspect", "--diff=", "a"}, "invalid backup name ''"},
      {{"delete", "-n", "a", "--dry-run="}, "--dry-run= has no value"},
      {{"--json=", "list"}, "--json= has no value"}};
  for (const auto& [arguments, text] : wrong) {
    const std::string error = ErrorOf(arguments, 2);
    EXPECT_NE(error.find(text), std::string::npos) << error;
  }
  // As --strategy ''; where it is a value it is nothing special.
  EXPECT_NE(ErrorOf({"create", "--strategy=", "--nope"}, 2).find("--nope"), std::string::npos);
  EXPECT_NE(ErrorOf({"create", "-n", "--strategy="}, 2).find("'--strategy='"), std::string::npos);
}

// A variable of a script that is not set must not mean the default.
TEST(CommandLineTest, EmptyValuesAreRefused) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
      {{"list", "--config="}, "--config"},
      {{"list", "--set="}, "--set"},
      {{"list", "--milvus-version="}, "--milvus-version"},
      {{"list", "--collection="}, "--collection"},
      {{"create", "--name="}, "--name"},
      {{"create", "-n", ""}, "--name"},
      {{"create", "--colls="}, "--colls"},
      {{"create", "-c", ""}, "--colls"},
      {{"create", "--databases="}, "--databases"},
      {{"create", "--database_collections="}, "--database_collections"},
      {{"create", "--filter="}, "--filter"},
      {{"restore", "-n", "a", "--collections="}, "--collections"},
      {{"restore", "-n", "a", "--databases="}, "--databases"},
      {{"restore", "-n", "a", "--database_collections="}, "--database_collections"},
      {{"restore", "-n", "a", "--filter="}, "--filter"},
      {{"restore", "-n", "a", "--rename="}, "--rename"},
      {{"restore", "-n", "a", "--skip_params="}, "--skip_params"},
      {{"restore", "-n", "a", "--max_shard_num="}, "--max_shard_num"},
      {{"copy", "a", "b", "--include="}, "--include"},
      {{"copy", "a", "b", "--include", "x", "--exclude", ""}, "--exclude"},
      {{"copy", "a", "b", "--concurrency="}, "--concurrency"},
      {{"copy", "a", "b", "--part-size="}, "--part-size"},
      {{"copy", "a", "b", "--memory="}, "--memory"},
      {{"copy", "a", "b", "--bwlimit="}, "--bwlimit"},
      {{"copy", "a", "b", "--request-limit="}, "--request-limit"},
      {{"copy", "-n", "a", "--as="}, "--as"},
      {{"verify", "-n", "a", "--deep", "--sample="}, "--sample"},
      {{"verify", "-n", "a", "--deep", "--seed="}, "--seed"},
      {{"verify", "-n", "a", "--restore-test", "--rows="}, "--rows"},
      {{"verify", ""}, "place"},
      {{"inspect", "-n", "a", "--rows="}, "--rows"},
      {{"inspect", "-n", "a", "--colls="}, "--colls"},
      {{"inspect", "-n", "a", "--format="}, "--format"},
      {{"export", "-n", "a", "--output="}, "--output"},
      {{"export", "-n", "a", "-o", "-", "--compression="}, "--compression"},
      {{"import", ""}, "archive"},
      {{"import", "f.tar", "--name="}, "--name"},
      {{"prune", "--keep-last="}, "--keep-last"},
      {{"prune", "--keep-within="}, "--keep-within"},
      {{"prune", "--keep-tag="}, "--keep-tag"},
      {{"prune", "--undo="}, "--undo"},
      {{"tag", "a", "--add="}, "--add"},
      {{"tag", "a", "--remove="}, "--remove"},
      {{"schedule", "run-now", ""}, "name"},
      {{"schedule", "list", "--times="}, "--times"},
      {{"schedule", "run", "--state-dir="}, "--state-dir"},
      {{"server", "--port="}, "--port"},
      {{"server", "--host="}, "--host"},
      {{"server", "--state-dir="}, "--state-dir"},
      {{"config", "migrate", "--output="}, "--output"}};
  for (const auto& [arguments, flag] : wrong) {
    const std::string error = ErrorOf(arguments, 2);
    EXPECT_TRUE(error.starts_with("Error: " + flag + ": ")) << error;
    EXPECT_EQ(error.find('\n'), error.size() - 1) << error;
  }
}

// Those that mean something in the reference tool. What is wrong with a flag is said before the
// help.
TEST(CommandLineTest, AnEmptySuffixIsNone) {
  ::testing::internal::CaptureStdout();
  const int status = RunProgram({"restore", "-n", "a", "--suffix=", "--help"});
  ::testing::internal::GetCapturedStdout();
  EXPECT_EQ(status, 0);
}

TEST(CommandLineTest, PartsFitIntoTheMemory) {
  const std::string wanted = "--part-size is 64M, more than --memory, 32M by default";
  EXPECT_NE(ErrorOf({"copy", "a", "b", "--part-size=64M"}, 2).find(wanted), std::string::npos);
  EXPECT_NE(ErrorOf({"copy", "-n", "a", "--to=b", "--part-size=64M"}, 2).find(wanted),
            std::string::npos);
  EXPECT_NE(ErrorOf({"copy", "a", "b", "--part-size=1G", "--memory=1000MiB"}, 2)
                .find("--part-size is 1G, more than --memory, 1000MiB;"),
            std::string::npos);
  EXPECT_NE(ErrorOf({"copy", "a", "b", "--part-size=6G", "--memory=8G"}, 2)
                .find("--part-size is 6G, more than 5G, the largest part that S3 takes"),
            std::string::npos);
  EXPECT_NE(ErrorOf({"copy", "a", "b", "--part-size=6442450944"}, 2)
                .find("--part-size is 6442450944, more than 5368709120, the largest part"),
            std::string::npos);
}

TEST(CommandLineTest, TagWantsABackup) {
  EXPECT_NE(ErrorOf({"tag"}, 2).find("--name"), std::string::npos);
  EXPECT_NE(ErrorOf({"tag", "a", "--add", "a b"}, 2).find("invalid tag"), std::string::npos);
  EXPECT_NE(ErrorOf({"tag", "a", "b"}, 2).find("b"), std::string::npos);
  EXPECT_NE(ErrorOf({"tag", "a", "--storage", ""}, 2).find("--storage"), std::string::npos);
}

TEST(CommandLineTest, WhatIsNotBuiltYetIsRefused) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"migrate", "-n", "x"},
                                             {"l0compact"},
                                             {"restore", "secondary"},
                                             {"--json=false", "l0compact"},
                                             {"--config", "f", "migrate", "start", "--help"},
                                             {"--config", "f", "restore", "secondary", "-n"}}) {
    EXPECT_NE(ErrorOf(arguments, 2).find("is not built yet"), std::string::npos)
        << arguments.front();
  }
}

TEST(CommandLineTest, JsonErrorsAreOneObjectOnStdout) {
  struct Case {
    std::vector<std::string> arguments;
    int status;
    std::string message;
  };
  for (const Case& one : std::vector<Case>{
           {{"--json"}, 2, "subcommand is required"},
           {{"--json", "bogus"}, 2, "unknown command 'bogus'"},
           {{"get", "--json"}, 2, "--name"},
           {{"create", "--nope", "--json"}, 2, "--nope"},
           {{"--json", "l0compact"}, 2, "l0compact is not built yet"},
           {{"migrate", "-n", "x", "--json"}, 2, "migrate is not built yet"},
           {{"--json", "restore", "secondary"}, 2, "restore secondary is not built yet"},
           {{"create", "-n", "1bad", "--json"}, 2, "'1bad'"},
           {{"--json", "config", "show", "--config", "no-such/x"}, 4, "no-such/x"}}) {
    ::testing::internal::CaptureStdout();
    EXPECT_EQ(ErrorOf(one.arguments, one.status), "");
    const auto document =
        nlohmann::json::parse(::testing::internal::GetCapturedStdout(), nullptr, false);
    ASSERT_TRUE(document.is_object()) << one.message;
    EXPECT_EQ(document["status"], "error");
    EXPECT_EQ(document["exit_code"], one.status);
    EXPECT_NE(document["error"]["message"].get<std::string>().find(one.message), std::string::npos)
        << document;
  }
}

TEST(CommandLineTest, JsonIsNoFlagAsAValueOrBehindTwoDashes) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"get", "-n", "--json", "--nope"},
                                             {"--config", "--json", "bogus"},
                                             {"create", "-fn", "--json", "--nope"},
                                             {"bogus", "--", "--json"}}) {
    ::testing::internal::CaptureStdout();
    EXPECT_NE(ErrorOf(arguments, 2), "");
    EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  }
}

TEST(CommandLineTest, NamesAreCheckedBeforeAnythingElse) {
  const auto error = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--config", "no-such/file"});
    return ErrorOf(arguments, 2);
  };
  for (const char* name : {"a/b", "1bad", "a b"}) {
    EXPECT_NE(error({"create", "-n", name}).find("invalid backup name"), std::string::npos);
  }
  EXPECT_NE(error({"restore", "-n", "x", "-s", "a-b"}).find("suffix 'a-b'"), std::string::npos);
  for (const char* command : {"restore", "get", "delete"}) {
    EXPECT_NE(error({command, "-n", "../x"}).find("invalid backup name"), std::string::npos);
  }
}

TEST(CommandLineTest, FlagsOfCreateAreCheckedAsTheyAreRead) {
  struct Case {
    std::vector<std::string> flags;
    std::string said;
  };
  for (const Case& one : std::vector<Case>{
           {{"--strategy", "sometimes"},
            "'sometimes' is no strategy; use meta_only, skip_flush, bulk_flush, serial_flush"},
           {{"--strategy", "snapshot"}, "see --format"},
           {{"--format", "snapshot"}, "not built yet; use binlog"},
           {{"--format", "zip"}, "'zip' is no format"},
           {{"--backup_index_extra"}, "--backup_index_extra is not built"},
           {{"-a", "{\"db\":\"coll\"}"}, "not of the form"},
           {{"-a", "{\"db\":[1]}"}, "not of the form"},
           {{"-a", "{"}, "not of the form"},
           {{"-a", "{}"}, "names no database"},
           {{"-d", "a.b"}, "'a.b'"},
           {{"-c", "a.b.c"}, "'a.b.c'"},
           {{"--filter", "a b"}, "'a b'"}}) {
    std::vector<std::string> arguments = {"create"};
    arguments.insert(arguments.end(), one.flags.begin(), one.flags.end());
    EXPECT_NE(ErrorOf(arguments, 2).find(one.said), std::string::npos)
        << one.flags.back() << ": " << ErrorOf(arguments, 2);
  }
}

// Scripts pass on variables that may be empty. What is wrong with a flag is said before the help.
TEST(CommandLineTest, EmptyStrategyAndFormatAreTheDefault) {
  EXPECT_NE(ErrorOf({"create", "--strategy", "x", "--help"}, 2), "");
  ::testing::internal::CaptureStdout();
  const int status = RunProgram({"create", "--strategy", "", "--format", "", "--help"});
  ::testing::internal::GetCapturedStdout();
  EXPECT_EQ(status, 0);
}

TEST(CommandLineTest, SpellingsOfOlderVersionsAreKnown) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"list", "-c", "coll", "--help"},
                                             {"list", "--collection", "db.coll", "--help"},
                                             {"get", "-n", "b", "-d", "--help"},
                                             {"get", "-n", "b", "--detail", "--help"},
                                             {"--yaml", "other.yaml", "list", "--help"}}) {
    ::testing::internal::CaptureStdout();
    const int status = RunProgram(arguments);
    ::testing::internal::GetCapturedStdout();
    EXPECT_EQ(status, 0) << arguments[0] << " " << arguments[1];
  }
  EXPECT_NE(ErrorOf({"list", "-c", "a.b.c", "--help"}, 2).find("'a.b.c'"), std::string::npos);
}

TEST(SelectionFlagsTest, FilterThenDatabaseCollectionsThenCollectionsThenDatabases) {
  SelectionFlags flags{.filter = "f.*",
                       .database_collections = R"({"a":["x"],"b":[]})",
                       .collections = "c.x",
                       .databases = "d"};
  const auto databases = [&] { return ParseSelection(flags).value().databases(); };
  EXPECT_EQ(databases(), std::set<std::string>{"f"});
  flags.filter.clear();
  EXPECT_EQ(databases(), (std::set<std::string>{"a", "b"}));
  EXPECT_EQ(ParseSelection(flags).value().whole_databases(), std::set<std::string>{"b"});
  flags.database_collections.clear();
  EXPECT_EQ(databases(), std::set<std::string>{"c"});
  flags.collections.clear();
  EXPECT_EQ(databases(), std::set<std::string>{"d"});
  flags.databases.clear();
  EXPECT_TRUE(ParseSelection(flags).value().selects_everything());
}

TEST(ServerFlagsTest, WinOverVariableAndConfiguration) {
  const char* variable = "MB_TEST_SERVER_PORT";
  unsetenv(variable);
  EXPECT_EQ(ChoosePort({}, variable).value(), 8080);
  setenv(variable, "8081", 1);
  EXPECT_EQ(ChoosePort({}, variable).value(), 8081);
  EXPECT_EQ(ChoosePort({.port = "0"}, variable).value(), 0);
  setenv(variable, "70000", 1);
  EXPECT_EQ(ChoosePort({}, variable).status().code(), Code::kInvalidArgument);
  unsetenv(variable);
  const config::ServerSettings settings = {.address = "configured", .state_dir = "configured"};
  EXPECT_EQ(WithFlags(settings, {}).address, "configured");
  EXPECT_EQ(WithFlags(settings, {.host = "told"}).address, "told");
  EXPECT_EQ(WithFlags(settings, {.state_dir = "told"}).state_dir, "told");
}

TEST(CommandLineTest, HelpEndsWithTheExitStatuses) {
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(RunProgram({"--help"}), 0);
  const std::string help = ::testing::internal::GetCapturedStdout();
  EXPECT_NE(help.find("130 interrupted."), std::string::npos);
}

}  // namespace
}  // namespace milvus_backup::cli
