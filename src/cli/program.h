/// What the programs behind the three names have in common.
#pragma once

#include "exit_code.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/base/status.h"

#include <string_view>
#include <vector>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace milvus_backup::cli {

/// For the end of --help.
extern const char* const kExitStatuses;

/// Log the error and print it for the user; returns the exit status it stands for.
int Fail(const Status& status, bool json);

/// Open the log. One that cannot be written is a warning: what the program is for does not need it.
Status OpenLog(log::Options options);

/// Throws CLI::ValidationError for a first word that is no command: CLI11 would only say that a
/// command is missing.
void RefuseUnknownCommand(const std::vector<std::string_view>& words, const CLI::App& app);

/// As many open files as the system allows, up to what busy connections need; and one heap per
/// core, at least two, where malloc would let every thread begin one. Before other threads are
/// started.
void PrepareProcess();

/// What --help and --version print.
int PrintHelp(const CLI::App& app, const CLI::ParseError& request);

/// The program milvus-migration. `argv[0]` is not looked at.
int MigrationMain(int argc, char** argv);
/// Likewise milvusdm.
int DmMain(int argc, char** argv);

}  // namespace milvus_backup::cli
