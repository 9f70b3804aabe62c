#include "arguments.h"
#include "cmd_migration.h"
#include "output.h"

#include "milvus_backup/config/migration.h"
#include "milvus_backup/migration/load.h"
#include "milvus_backup/service/migration_runs.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>

namespace milvus_backup::cli {
namespace {

struct LoadFlags {
  std::string collections;
  bool index = false;
  bool keep = false;
  bool dry_run = false;
};

void AddLoadFlags(CLI::App& command, LoadFlags& flags) {
  command.add_flag("--index", flags.index, "Create the indexes that the old collections have");
  command.add_flag("--keep", flags.keep, "Leave the dump where it is");
}

void PrintReport(const migration::LoadReport& report, bool dry_run) {
  for (const migration::LoadedCollection& one : report.collections) {
    PrintLine(fmt::format("{}: {} rows {} by {} imports{}", one.name, one.expected,
                          dry_run ? "would be loaded" : "loaded", one.imports,
                          one.was_done ? ", before this run" : ""));
  }
}

Result<migration::LoadReport> LoadAndPrint(const CallContext& ctx,
                                           const migration::Options& options,
                                           const LoadFlags& flags) {
  MB_ASSIGN_OR_RETURN(migration::LoadReport report,
                      service::RunLoad(ctx, options,
                                       {.collections = SplitNames(flags.collections),
                                        .index = flags.index,
                                        .keep = flags.keep,
                                        .dry_run = flags.dry_run},
                                       {.warn = PrintWarning}));
  PrintReport(report, flags.dry_run);
  if (!flags.dry_run) NoteDone("the load is complete");
  return report;
}

Status RunLoad(const MigrationContext& context, const LoadFlags& flags) {
  MB_ASSIGN_OR_RETURN(const migration::Options options,
                      config::LoadMigration(context.config, {.milvus = true}));
  const MigrationJob job("load");
  const auto report = LoadAndPrint(context.call, options, flags);
  if (!report.ok()) {
    PrintLine("load error:  " + report.status().ToString());
    return report.status();
  }
  if (!flags.dry_run) job.PrintSuccess(report->seconds);
  return Status::Ok();
}

struct StartFlags {
  LoadFlags load;
  DumpFlags dump;
  std::string databases;
  StartMilvus2xFlags milvus2x;
};

/// A flag that means nothing to this kind of migration is a mistake.
Status RefuseFlag(bool is_given, std::string_view flag, std::string_view mode) {
  if (!is_given) return Status::Ok();
  return InvalidArgumentError(fmt::format("{} is not for workMode {}", flag, mode));
}

Status RunStart(MigrationContext& context, const StartFlags& flags) {
  MB_ASSIGN_OR_RETURN(const std::string mode, config::MigrationWorkMode(context.config));
  if (mode == "milvus2x") {
    MB_RETURN_IF_ERROR(RefuseFlag(flags.load.keep, "--keep", mode));
    MB_RETURN_IF_ERROR(RefuseFlag(flags.dump.skip_bad_rows, "--skip-bad-rows", mode));
    MB_RETURN_IF_ERROR(RefuseFlag(!flags.dump.collections.empty(), "--col", mode));
    MB_RETURN_IF_ERROR(RefuseFlag(flags.dump.dry_run, "--dry-run", mode));
    StartMilvus2xFlags of_milvus2x = flags.milvus2x;
    of_milvus2x.choices.index = flags.load.index;
    of_milvus2x.choices.databases = SplitNames(flags.databases);
    if (!flags.databases.empty() && of_milvus2x.choices.databases.empty()) {
      return InvalidArgumentError("--databases names no database");
    }
    return StartMilvus2x(context, of_milvus2x);
  }
  MB_ASSIGN_OR_RETURN(const migration::Options options,
                      config::LoadMigration(context.config, {.source = true, .milvus = true}));
  MB_RETURN_IF_ERROR(RefuseFlag(flags.milvus2x.choices.all, "--all", mode));
  MB_RETURN_IF_ERROR(RefuseFlag(!flags.databases.empty(), "--databases", mode));
  MB_RETURN_IF_ERROR(RefuseFlag(flags.milvus2x.choices.load_source, "--load-source", mode));
  MB_RETURN_IF_ERROR(RefuseFlag(flags.milvus2x.via_storage, "--via-storage", mode));
  MB_RETURN_IF_ERROR(RefuseFlag(context.json, "--json", mode));
  const MigrationJob job("start");
  DumpFlags dump = flags.dump;
  dump.then_load = true;
  MB_ASSIGN_OR_RETURN(const migration::DumpReport dumped,
                      DumpAndPrint(context.call, options, dump));
  if (dump.dry_run) {
    if (dumped.was_loaded) return Status::Ok();
    MB_ASSIGN_OR_RETURN(
        const migration::LoadReport expected,
        service::PreviewLoad(context.call, options, {.collections = SplitNames(dump.collections)}));
    PrintWarnings(expected.warnings);
    PrintReport(expected, true);
    return Status::Ok();
  }
  if (dumped.was_loaded) {
    job.PrintSuccess(dumped.seconds);
    return Status::Ok();
  }
  MB_ASSIGN_OR_RETURN(const migration::LoadReport loaded,
                      LoadAndPrint(context.call, options, flags.load));
  job.PrintSuccess(dumped.seconds + loaded.seconds);
  job.PrintInfo(dumped.segments);
  return Status::Ok();
}

}  // namespace

MigrationCommand AddMigrationLoad(CLI::App& app) {
  CLI::App* command = app.add_subcommand("load", "Import a dump into Milvus 2.x and remove it");
  auto flags = std::make_shared<LoadFlags>();  // shared with the returned function
  command->add_option("--col", flags->collections, "Only these collections: a,b,c");
  AddLoadFlags(*command, *flags);
  command->add_flag("--dry-run", flags->dry_run, "Look at everything and change nothing");
  return [flags](const MigrationContext& context) { return RunLoad(context, *flags); };
}

MigrationCommand AddMigrationStart(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "start", "Dump and load in one run, or with milvus2x everything from server to server");
  auto flags = std::make_shared<StartFlags>();  // shared with the returned function
  AddLoadFlags(*command, flags->load);
  command->add_option("--col", flags->dump.collections, "milvus1x: only these collections: a,b,c");
  command->add_flag("--dry-run", flags->dump.dry_run,
                    "milvus1x: look at every file and at Milvus, and change nothing");
  command->add_flag("--skip-bad-rows", flags->dump.skip_bad_rows,
                    "milvus1x: leave out rows with a NaN or an infinity, which 2.x refuses");
  StartMilvus2xFlags& milvus2x = flags->milvus2x;
  command->add_flag("--all", milvus2x.choices.all,
                    "milvus2x: every collection of the source's database");
  command->add_option("--databases", flags->databases,
                      "milvus2x: every collection of these databases: a,b; '*' is all of them");
  command->add_flag("--load-source", milvus2x.choices.load_source,
                    "milvus2x: load collections of the source that are not, and release them");
  CLI::Option* via = command->add_flag(
      "--via-storage", milvus2x.via_storage,
      "milvus2x: take a backup and restore it in the target, instead of queries and inserts");
  command
      ->add_option("--source-config", milvus2x.source_config,
                   "With --via-storage: backup.yaml with the storages of the source")
      ->needs(via);
  command
      ->add_option("--target-config", milvus2x.target_config,
                   "With --via-storage: backup.yaml with the storage of the target")
      ->needs(via);
  return [flags](MigrationContext& context) { return RunStart(context, *flags); };
}

}  // namespace milvus_backup::cli
