/// One function per command: AddFlags on a sub-command, then Run.
#pragma once

#include "exit_code.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/transfer/progress.h"

#include <functional>
#include <optional>

namespace CLI {
class App;
}

namespace milvus_backup::cli {

/// What every command gets.
struct CommandContext {
  CallContext call;
  const config::Config& config;
  /// Print results as JSON.
  bool json = false;
  /// Where the command says how far it is.
  transfer::Progress& progress;
  /// What the program ends with when the command returns no error: kSomeFailed or
  /// kIntegrity once it has printed a result that says which items failed.
  ExitCode& exit_code;
};

/// Runs a command whose flags have been parsed. An error decides the exit status.
using Command = std::function<Status(const CommandContext& context)>;

/// Add the sub-command and its flags to `app`; the returned function runs it.
Command AddCheck(CLI::App& app);
Command AddCopy(CLI::App& app);
Command AddCreate(CLI::App& app);
Command AddDelete(CLI::App& app);
Command AddExport(CLI::App& app);
Command AddGet(CLI::App& app);
Command AddImport(CLI::App& app);
Command AddInspect(CLI::App& app);
Command AddList(CLI::App& app);
Command AddPrune(CLI::App& app);
Command AddRestore(CLI::App& app);
Command AddSchedule(CLI::App& app);
Command AddServer(CLI::App& app);
Command AddTag(CLI::App& app);
Command AddVerify(CLI::App& app);

/// Runs one of the commands about the configuration itself, which need no server, no log and, to
/// translate a file, no valid configuration. Nothing when another command was given.
using ConfigCommand =
    std::function<std::optional<Status>(const config::LoadOptions& options, bool json)>;

/// Add `config show`, `config migrate` and the older `check config`. Call after AddCheck.
ConfigCommand AddConfig(CLI::App& app);

}  // namespace milvus_backup::cli
