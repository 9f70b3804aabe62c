/// The commands of milvus-migration: AddFlags on a sub-command, then Run.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/migration/dump.h"
#include "milvus_backup/migration/options.h"
#include "milvus_backup/service/migration_runs.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace milvus_backup::cli {

struct MigrationContext {
  CallContext call;
  /// Where --config says the file is.
  config::LoadOptions config;
  /// Of --table.
  std::string table;
  /// Results and errors are one JSON object on stdout, the log goes to stderr.
  bool json = false;
  /// What the program ends with when the command returns no error.
  int exit_code = 0;
};

/// Runs a command whose flags have been parsed. An error decides the exit status.
using MigrationCommand = std::function<Status(MigrationContext& context)>;

MigrationCommand AddMigrationDump(CLI::App& app);
MigrationCommand AddMigrationExport(CLI::App& app);
MigrationCommand AddMigrationLoad(CLI::App& app);
/// `server [run]`.
MigrationCommand AddMigrationServer(CLI::App& app);
/// The whole of a migration in one run, of whatever kind the configuration describes.
MigrationCommand AddMigrationStart(CLI::App& app);

struct StartMilvus2xFlags {
  service::Milvus2xChoices choices;
  /// Through the storages instead of by queries, and where those are.
  bool via_storage = false;
  std::string source_config;
  std::string target_config;
};
/// `start` with workMode milvus2x.
Status StartMilvus2x(MigrationContext& context, const StartMilvus2xFlags& flags);

struct DumpFlags {
  std::string collections;
  bool skip_bad_rows = false;
  bool dry_run = false;
  /// No flag: `start` loads what is dumped.
  bool then_load = false;
};
/// All of `dump` but what it prints of its job.
Result<migration::DumpReport> DumpAndPrint(const CallContext& ctx,
                                           const migration::Options& options,
                                           const DumpFlags& flags);

/// A job as the Go tool announces, finishes and reports it on stdout: lines that people look for.
class MigrationJob {
 public:
  /// Prints `jodId is  …`; `kind` is `dump`, `load` or `start`.
  explicit MigrationJob(std::string_view kind);
  /// `Dump Success! Job … cost=[…]` with the job's own word.
  void PrintSuccess(double seconds) const;
  /// `Dump JobInfo! {…}`.
  void PrintInfo(size_t tasks) const;
  const std::string& id() const { return id_; }

 private:
  std::string id_;
  /// `Dump`, `Load`, `Migration`.
  std::string word_;
};

/// `a,b,c`; blanks around the names do not count.
std::vector<std::string> SplitNames(const std::string& text);

/// On stderr.
void PrintWarning(const std::string& warning);
/// Log them as well.
void PrintWarnings(const std::vector<std::string>& warnings);

}  // namespace milvus_backup::cli
