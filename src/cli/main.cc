#include "milvus_backup/cli/main.h"

#include "arguments.h"
#include "commands.h"
#include "exit_code.h"
#include "output.h"
#include "program.h"
#include "run_metrics.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/base/signals.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/milvus/version.h"
#include "milvus_backup/service/metrics.h"
#include "milvus_backup/transfer/progress.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::cli {
namespace {

constexpr const char* kVersion = MB_VERSION;

struct GlobalFlags {
  std::string config = "backup.yaml";
  std::vector<std::string> sets;
  std::string milvus_version;
  bool json = false;
};

config::LoadOptions LoadOptionsOf(const GlobalFlags& flags) {
  return {.path = flags.config, .sets = flags.sets, .environment = config::ProcessEnvironment};
}

/// A run whose exit status is not settled before all is printed.
struct EndedRun {
  /// For its metrics.
  std::string directory;
  service::RunFacts facts;
};

int RunCommand(const std::string& name_in_metrics, const Command& command, const GlobalFlags& flags,
               const std::stop_source& stop, std::optional<EndedRun>& run) {
  auto config = config::Load(LoadOptionsOf(flags));
  if (!config.ok()) return Fail(config.status(), flags.json);
  config->milvus.server_version = flags.milvus_version;
  if (Status status = OpenLog(config->log); !status.ok()) return Fail(status, flags.json);
  for (const std::string& warning : config->warnings) log::Warn("{}", warning);
  ExitCode exit_code = kDone;
  transfer::Progress progress;
  const auto started = std::chrono::system_clock::now();
  const Status status = command({{stop.get_token(), {}}, *config, flags.json, progress, exit_code});
  run = EndedRun{.directory = config->metrics_directory,
                 .facts = {.command = name_in_metrics,
                           .started = started,
                           .ended = std::chrono::system_clock::now(),
                           .objects = progress.objects_done,
                           .bytes = progress.bytes_done}};
  return status.ok() ? exit_code : Fail(status, flags.json);
}

/// The commands and flags, and what the arguments say.
class Program {
 public:
  Program() {
    app_.set_version_flag("--version", kVersion);
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.footer(kExitStatuses);
    app_.add_option("--config,--yaml", flags_.config, "Configuration file")->capture_default_str();
    app_.add_option("--set", flags_.sets, "Override a configuration key: KEY=VALUE")
        ->expected(1)
        ->take_all();
    app_.add_option("--milvus-version", flags_.milvus_version,
                    "What Milvus is taken for instead of what it says of itself, e.g. 2.3.5")
        ->check(Checker(milvus::CheckVersion));
    app_.add_flag("--json", flags_.json, "Print results and errors as one JSON object");
    commands_ = {
        {"check", AddCheck(app_)},   {"copy", AddCopy(app_)},       {"create", AddCreate(app_)},
        {"delete", AddDelete(app_)}, {"export", AddExport(app_)},   {"get", AddGet(app_)},
        {"import", AddImport(app_)}, {"inspect", AddInspect(app_)}, {"list", AddList(app_)},
        {"prune", AddPrune(app_)},   {"restore", AddRestore(app_)}, {"schedule", AddSchedule(app_)},
        {"server", AddServer(app_)}, {"tag", AddTag(app_)},         {"verify", AddVerify(app_)},
    };
    config_command_ = AddConfig(app_);
    for (const char* name : {"migrate", "l0compact"}) {
      AddUnbuiltCommand(app_, name);
    }
    // An empty text is the default of the two, and no suffix, in the reference tool too.
    RefuseEmptyValues(app_,
                      {{"create", "--strategy"}, {"create", "--format"}, {"restore", "--suffix"}});
  }

  int Run(int argc, char** argv) {
    const std::vector<std::string_view> words = WordsOf(argc, argv, app_);
    const bool json = std::ranges::find(words, "--json") != words.end();
    try {
      const std::string name = std::filesystem::path(argc > 0 ? argv[0] : "").filename().string();
      if (name == "milvus-migration") return MigrationMain(argc, argv);
      if (argc > 1 && std::string_view(argv[1]) == "migration") {
        return MigrationMain(argc - 1, argv + 1);
      }
      if (name == "milvusdm") return DmMain(argc, argv);
      if (argc > 1 && std::string_view(argv[1]) == "dm") return DmMain(argc - 1, argv + 1);
      RefuseUnknownCommand(words, app_);
      ParseArguments(app_, {argv + std::min(argc, 1), argv + argc});
      HideSecrets(argc, argv);
      return RunParsed();
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return PrintHelp(app_, error);  // --help, --version
      return Fail(InvalidArgumentError(error.what())
                      .WithAdvice("run with --help to see commands and flags"),
                  json);
    } catch (const std::exception& error) {
      return Fail(InternalError(error.what()), json);
    }
  }

  /// Of the command that has run, if one has, and ended so.
  void LeaveMetricsOf(int exit_status) {
    if (!run_) return;
    run_->facts.exit_status = exit_status;
    LeaveMetrics(run_->directory, run_->facts);
  }

 private:
  int RunParsed() {
    if (const auto status = config_command_(LoadOptionsOf(flags_), flags_.json)) {
      return status->ok() ? kDone : Fail(*status, flags_.json);
    }
    PrepareProcess();
    const std::stop_source stop = InstallSignalHandling();
    const CLI::App& command = *app_.get_subcommands().front();
    return RunCommand(NameInMetrics(command), commands_.at(command.get_name()), flags_, stop, run_);
  }

  CLI::App app_{"Back up, restore and check collections of the Milvus vector database",
                "milvus-backup"};
  GlobalFlags flags_;
  std::map<std::string, Command> commands_;
  ConfigCommand config_command_;
  std::optional<EndedRun> run_;
};

}  // namespace

int Main(int argc, char** argv) {
  OpenStandardStreams();
  try {
    Program program;
    int exit_code = program.Run(argc, argv);
    if (const Status written = StdoutStatus(); !written.ok()) {
      log::CloseConsole();
      log::Error("{}", written.ToString());
      PrintErrorLine("Error: " + written.ToString());
      if (exit_code == kDone || exit_code == kSomeFailed) exit_code = kFailed;
    }
    program.LeaveMetricsOf(exit_code);
    return exit_code;
  } catch (const std::exception& error) {
    PrintErrorLine(std::string("Error: ") + error.what());
    return kFailed;
  }
}

}  // namespace milvus_backup::cli
