#include "milvus_backup/cli/main.h"

#include "commands.h"
#include "exit_code.h"
#include "output.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/base/signals.h"
#include "milvus_backup/config/config.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <filesystem>
#include <map>
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

/// Commands of the reference tools that this version does not have.
constexpr std::array<std::string_view, 5> kUnbuiltCommands = {"server", "migrate", "dm",
                                                              "migration", "l0compact"};

struct GlobalFlags {
  std::string config = "backup.yaml";
  std::vector<std::string> sets;
  bool json = false;
};

// Values of --set may be secrets, and every user of the machine can read the argument list.
void HideSecrets(int argc, char** argv) {
  bool is_set_value = false;
  for (int i = 1; i < argc; ++i) {
    char* text = argv[i];
    const bool joined = std::strncmp(text, "--set=", 6) == 0;
    if (is_set_value || joined) {
      for (char* c = text + (joined ? 6 : 0); *c != '\0'; ++c) *c = '*';
    }
    is_set_value = std::strcmp(text, "--set") == 0;
  }
}

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

int RunCommand(const Command& command, const GlobalFlags& flags, const std::stop_source& stop) {
  auto config = config::Load(LoadOptionsOf(flags));
  if (!config.ok()) return Fail(config.status(), flags.json);
  if (Status status = log::Configure(config->log); !status.ok()) return Fail(status, flags.json);
  for (const std::string& warning : config->warnings) log::Warn("{}", warning);
  ExitCode exit_code = kDone;
  const Status status = command({{stop.get_token(), {}}, *config, flags.json, exit_code});
  return status.ok() ? exit_code : Fail(status, flags.json);
}

// CLI11 would only say that a command is missing. Values of global flags are passed over.
void RefuseUnknownCommand(int argc, char** argv, const CLI::App& app) {
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--config" || word == "--set") {
      ++i;
    } else if (!word.starts_with('-')) {
      const auto is_named = [&](const CLI::App* command) { return command->get_name() == word; };
      if (std::ranges::any_of(commands, is_named)) return;
      throw CLI::ValidationError(fmt::format("unknown command '{}'", word));
    }
  }
}

// A busy connection takes about three descriptors, and both storages may have one per worker.
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(std::max<rlim_t>(limit.rlim_cur, 8192), limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool IsUnbuilt(std::string_view program, int argc, char** argv) {
  if (program == "milvus-migration" || program == "milvusdm") return true;
  if (argc < 2) return false;
  for (const std::string_view name : kUnbuiltCommands) {
    if (name == argv[1]) return true;
  }
  return argc > 2 && std::string_view(argv[1]) == "restore" &&
         std::string_view(argv[2]) == "secondary";
}

int Dispatch(int argc, char** argv) {
  const std::string program = std::filesystem::path(argv[0]).filename().string();
  if (IsUnbuilt(program, argc, argv)) {
    PrintErrorLine(
        fmt::format("Error: {}{} is not built yet in this version",
                    program == "milvus-backup" ? std::string(argv[1]) : program,
                    argc > 2 && program == "milvus-backup" && std::string_view(argv[1]) == "restore"
                        ? " secondary"
                        : ""));
    return kUsage;
  }
  CLI::App app("Back up, restore and check collections of the Milvus vector database",
               "milvus-backup");
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(kExitStatuses);
  GlobalFlags flags;
  app.add_option("--config", flags.config, "Configuration file")->capture_default_str();
  app.add_option("--set", flags.sets, "Override a configuration key: KEY=VALUE")
      ->expected(1)
      ->take_all();
  app.add_flag("--json", flags.json, "Print results and errors as one JSON object");
  const std::map<std::string, Command> commands = {
      {"check", AddCheck(app)}, {"create", AddCreate(app)}, {"delete", AddDelete(app)},
      {"get", AddGet(app)},     {"list", AddList(app)},     {"restore", AddRestore(app)},
  };
  const ConfigCommand config_command = AddConfig(app);
  try {
    RefuseUnknownCommand(argc, argv, app);
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    PrintErrorLine(
        fmt::format("Error: {}\nRun with --help to see commands and flags.", error.what()));
    return kUsage;
  }
  HideSecrets(argc, argv);
  if (const auto status = config_command(LoadOptionsOf(flags), flags.json)) {
    return status->ok() ? kDone : Fail(*status, flags.json);
  }
  RaiseFileLimit();
  const std::stop_source stop = InstallSignalHandling();
  return RunCommand(commands.at(app.get_subcommands().front()->get_name()), flags, stop);
}

}  // namespace

void AddUnbuiltFlags(CLI::App& command, const std::vector<UnbuiltFlag>& flags) {
  for (const UnbuiltFlag& flag : flags) {
    const auto refuse = [names = flag.names, name = command.get_name()] {
      throw CLI::ValidationError(
          fmt::format("{} {} is not built yet in this version", name, names));
    };
    // An empty group keeps it out of --help.
    if (flag.takes_value) {
      command
          .add_option_function<std::string>(flag.names, [refuse](const std::string&) { refuse(); })
          ->group("");
    } else {
      command.add_flag_callback(flag.names, refuse)->group("");
    }
  }
}

int Main(int argc, char** argv) {
  try {
    return Dispatch(argc, argv);
  } catch (const std::exception& error) {
    PrintErrorLine(fmt::format("Error: {}", error.what()));
    return kFailed;
  }
}

}  // namespace milvus_backup::cli
