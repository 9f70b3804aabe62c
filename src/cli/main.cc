#include "milvus_backup/cli/main.h"

#include "arguments.h"
#include "commands.h"
#include "exit_code.h"
#include "output.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/base/signals.h"
#include "milvus_backup/config/config.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <vector>

namespace milvus_backup::cli {
namespace {

constexpr const char* kVersion = MB_VERSION;

constexpr const char* kExitStatuses =
    "Exit statuses: 0 done, 1 failed, 2 usage, 3 some items failed, 4 bad configuration, "
    "10 backup missing, 11 exists or locked, 12 credentials refused, 13 storage unreachable, "
    "14 Milvus unreachable, 20 integrity, 130 interrupted.";

struct GlobalFlags {
  std::string config = "backup.yaml";
  std::vector<std::string> sets;
  bool json = false;
};

int Fail(const Status& status, bool json) {
  const ExitCode code = ExitCodeOf(status);
  log::CloseConsole();  // the user reads it below
  log::Error("{}", status.ToString());
  if (json) {
    PrintErrorJson(status, code);
  } else {
    PrintErrorLine("Error: " + status.ToString());
  }
  return code;
}

config::LoadOptions LoadOptionsOf(const GlobalFlags& flags) {
  return {.path = flags.config, .sets = flags.sets, .environment = config::ProcessEnvironment};
}

// What the program is for does not need a log file.
Status OpenLog(log::Options options) {
  const Status status = log::Configure(options);
  if (status.ok()) return Status::Ok();
  PrintErrorLine(fmt::format("Warning: {}; going on without it", status.ToString()));
  options.path.clear();
  return log::Configure(options);
}

int RunCommand(const Command& command, const GlobalFlags& flags, const std::stop_source& stop) {
  auto config = config::Load(LoadOptionsOf(flags));
  if (!config.ok()) return Fail(config.status(), flags.json);
  if (Status status = OpenLog(config->log); !status.ok()) return Fail(status, flags.json);
  for (const std::string& warning : config->warnings) log::Warn("{}", warning);
  ExitCode exit_code = kDone;
  const Status status = command({{stop.get_token(), {}}, *config, flags.json, exit_code});
  return status.ok() ? exit_code : Fail(status, flags.json);
}

// CLI11 would only say that a command is missing.
void RefuseUnknownCommand(const std::vector<std::string_view>& words, const CLI::App& app) {
  const auto word = std::ranges::find_if(words, [](auto each) { return !each.starts_with('-'); });
  if (word == words.end()) return;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (command->get_name() == *word) return;
  }
  throw CLI::ValidationError(fmt::format("unknown command '{}'", *word));
}

// A busy connection takes about three descriptors, and both storages may have one per worker.
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(std::max<rlim_t>(limit.rlim_cur, 8192), limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
}

/// The commands and flags, and what the arguments say.
class Program {
 public:
  Program() {
    app_.set_version_flag("--version", kVersion);
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.footer(kExitStatuses);
    app_.add_option("--config", flags_.config, "Configuration file")->capture_default_str();
    app_.add_option("--set", flags_.sets, "Override a configuration key: KEY=VALUE")
        ->expected(1)
        ->take_all();
    app_.add_flag("--json", flags_.json, "Print results and errors as one JSON object");
    commands_ = {
        {"check", AddCheck(app_)},   {"copy", AddCopy(app_)},       {"create", AddCreate(app_)},
        {"delete", AddDelete(app_)}, {"get", AddGet(app_)},         {"inspect", AddInspect(app_)},
        {"list", AddList(app_)},     {"restore", AddRestore(app_)}, {"verify", AddVerify(app_)},
    };
    config_command_ = AddConfig(app_);
    for (const char* name : {"server", "migrate", "dm", "migration", "l0compact"}) {
      AddUnbuiltCommand(app_, name);
    }
  }

  int Run(int argc, char** argv) {
    const std::vector<std::string_view> words = WordsOf(argc, argv, app_);
    const bool json = std::ranges::find(words, "--json") != words.end();
    try {
      const std::string name = std::filesystem::path(argc > 0 ? argv[0] : "").filename().string();
      if (name == "milvus-migration" || name == "milvusdm") {
        return Fail(InvalidArgumentError(name + " is not built yet in this version"), json);
      }
      RefuseUnknownCommand(words, app_);
      app_.parse(argc, argv);
      HideSecrets(argc, argv);
      return RunParsed();
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return PrintHelp(error);  // --help, --version
      return Fail(InvalidArgumentError(error.what())
                      .WithAdvice("run with --help to see commands and flags"),
                  json);
    } catch (const std::exception& error) {
      return Fail(InternalError(error.what()), json);
    }
  }

 private:
  int PrintHelp(const CLI::ParseError& error) {
    std::ostringstream out;
    app_.exit(error, out, out);
    PrintText(out.str());
    return kDone;
  }

  int RunParsed() {
    if (const auto status = config_command_(LoadOptionsOf(flags_), flags_.json)) {
      return status->ok() ? kDone : Fail(*status, flags_.json);
    }
    RaiseFileLimit();
    const std::stop_source stop = InstallSignalHandling();
    return RunCommand(commands_.at(app_.get_subcommands().front()->get_name()), flags_, stop);
  }

  CLI::App app_{"Back up, restore and check collections of the Milvus vector database",
                "milvus-backup"};
  GlobalFlags flags_;
  std::map<std::string, Command> commands_;
  ConfigCommand config_command_;
};

}  // namespace

int Main(int argc, char** argv) {
  OpenStandardStreams();
  try {
    int exit_code = Program().Run(argc, argv);
    if (const Status written = StdoutStatus(); !written.ok()) {
      log::CloseConsole();
      log::Error("{}", written.ToString());
      PrintErrorLine("Error: " + written.ToString());
      if (exit_code == kDone || exit_code == kSomeFailed) exit_code = kFailed;
    }
    return exit_code;
  } catch (const std::exception& error) {
    PrintErrorLine(std::string("Error: ") + error.what());
    return kFailed;
  }
}

}  // namespace milvus_backup::cli
