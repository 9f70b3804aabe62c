#include "cmd_migration.h"

#include "arguments.h"
#include "output.h"
#include "program.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/base/signals.h"
#include "milvus_backup/config/migration.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::cli {
namespace {

/// Of the Go tool.
constexpr uint64_t kLogFileMib = 50;
constexpr uint64_t kLogFiles = 10;
constexpr uint64_t kLogDays = 7;
constexpr size_t kRandomLength = 21;

/// `-c=FILE` as two arguments, which the Go tool accepts and CLI11 takes for the file `=FILE`.
std::vector<std::string> SplitShortValues(int argc, char** argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view text = argv[i];
    const bool is_short = text.size() > 2 && text[0] == '-' && text[1] != '-' && text[2] == '=';
    if (is_short) arguments.emplace_back(text.substr(0, 2));
    arguments.emplace_back(is_short ? text.substr(3) : text);
  }
  return arguments;
}

class MigrationProgram {
 public:
  MigrationProgram() {
    app_.set_version_flag("--version", MB_VERSION);
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.footer(kExitStatuses);
    app_.add_option("-c,--config", config_,
                    "Configuration file; looked for here and in configs/ when not given")
        ->default_str(config::kMigrationFile);
    app_.add_option("-t,--table", table_,
                    "start with milvus2x: this collection instead of meta.collection");
    commands_ = {{"dump", AddMigrationDump(app_)},
                 {"export", AddMigrationExport(app_)},
                 {"load", AddMigrationLoad(app_)},
                 {"server", AddMigrationServer(app_)},
                 {"start", AddMigrationStart(app_)}};
    app_.get_subcommand("start")->add_flag("--json", json_,
                                           "milvus2x: print the result as JSON, the log on stderr");
    app_.add_subcommand("version", "Print the version of this program");
    // As in the Go tool: an empty path is looked for, no name is every collection, and words behind
    // `server` mean nothing. Its empty `-o` has always been the current directory here.
    RefuseEmptyValues(app_, {{"", "--config"},
                             {"", "--table"},
                             {"dump", "--col"},
                             {"export", "--output"},
                             {"load", "--col"},
                             {"server", "words"},
                             {"start", "--col"}});
  }

  int Run(int argc, char** argv) {
    try {
      const std::vector<std::string_view> words = WordsOf(argc, argv, app_);
      if (words.empty()) {
        throw CLI::ValidationError("execute milvus-migration args:[] error:unrecognized command");
      }
      RefuseUnknownCommand(words, app_);
      ParseArguments(app_, SplitShortValues(argc, argv));
      // A MySQL data source name holds a password.
      HideValues(argc, argv, "--mysql", "-m");
      return RunParsed();
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return PrintHelp(app_, error);
      return Fail(InvalidArgumentError(error.what())
                      .WithAdvice("run with --help to see commands and flags"),
                  false);
    }
  }

 private:
  int RunParsed() {
    const std::string name = app_.get_subcommands().front()->get_name();
    if (name == "version") {
      PrintLine(MB_VERSION);
      return kDone;
    }
    PrepareProcess();
    const std::stop_source stop = InstallSignalHandling();
    if (Status status = OpenLog({.style = log::Style::kBracketed,
                                 .console_is_stdout = !json_,
                                 .path = "logs/migration.log",
                                 .max_size_mib = kLogFileMib,
                                 .max_backups = kLogFiles,
                                 .max_days = kLogDays});
        !status.ok()) {
      return Fail(status, json_);
    }
    MigrationContext context{.call = {.stop = stop.get_token()},
                             .config = {.path = config_.empty() ? config::kMigrationFile : config_,
                                        .environment = config::ProcessEnvironment},
                             .table = table_,
                             .json = json_};
    const Status status = commands_.at(name)(context);
    return status.ok() ? context.exit_code : Fail(status, json_);
  }

  CLI::App app_{
      "Bring the data of Milvus 0.9 to 1.x, of another Milvus or of a Faiss file into Milvus 2.x",
      "milvus-migration"};
  std::string config_;
  std::string table_;
  bool json_ = false;
  std::map<std::string, MigrationCommand> commands_;
};

}  // namespace

MigrationJob::MigrationJob(std::string_view kind)
    : id_(std::string(kind) + RandomWord(kRandomLength)),
      word_(kind == "dump"   ? "Dump"
            : kind == "load" ? "Load"
                             : "Migration") {
  PrintLine("jodId is  " + id_);
}

void MigrationJob::PrintSuccess(double seconds) const {
  PrintLine(fmt::format("{} Success! Job {} cost=[{:f}]", word_, id_, seconds));
}

void MigrationJob::PrintInfo(size_t tasks) const {
  // The Go tool's `start` has a colon there.
  const char mark = word_ == "Migration" ? ':' : '!';
  PrintLine(fmt::format(R"({} JobInfo{} {{"jobId":"{}","jobStatus":"success","jobProcess":0,)"
                        R"("msg":"","totalTasks":{},"finishTasks":{}}})",
                        word_, mark, id_, tasks, tasks));
}

std::vector<std::string> SplitNames(const std::string& text) {
  std::vector<std::string> names;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    std::string name = text.substr(begin, end - begin);
    name.erase(0, name.find_first_not_of(' '));
    name.erase(name.find_last_not_of(' ') + 1);
    if (!name.empty()) names.push_back(std::move(name));
    begin = end + 1;
  }
  return names;
}

void PrintWarning(const std::string& warning) { PrintErrorLine("Warning: " + warning); }

void PrintWarnings(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) service::Warn({.warn = PrintWarning}, warning);
}

int MigrationMain(int argc, char** argv) { return MigrationProgram().Run(argc, argv); }

}  // namespace milvus_backup::cli
