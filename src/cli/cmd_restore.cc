#include "arguments.h"
#include "commands.h"
#include "output.h"
#include "services.h"
#include "terminal_progress.h"

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/meta/layout.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace milvus_backup::cli {
namespace {

struct RestoreFlags {
  std::string name;
  std::string collections;
  std::string filter;
  std::string suffix;
  bool rebuild_index = false;
};

std::string RowText(const backup::RowCheck& rows) {
  if (rows.exact()) return fmt::format("{} rows, as many as in the backup", rows.restored);
  return fmt::format("{} rows, between {} and {} as the deletes in the backup allow", rows.restored,
                     rows.at_least, rows.at_most);
}

void Print(const backup::RestoreReport& report, bool json) {
  if (!json) {
    for (const backup::RestoredCollection& collection : report.collections) {
      PrintLine(fmt::format("restored {} as {}: {}", collection.source, collection.target,
                            RowText(collection.rows)));
    }
    PrintLine(fmt::format("duration:{:.2f} s", report.seconds));
    return;
  }
  nlohmann::ordered_json collections = nlohmann::ordered_json::array();
  for (const backup::RestoredCollection& collection : report.collections) {
    collections.push_back({{"source", collection.source},
                           {"target", collection.target},
                           {"rows", collection.rows.restored},
                           {"rows_at_least", collection.rows.at_least},
                           {"rows_at_most", collection.rows.at_most},
                           {"row_check", collection.rows.exact() ? "exact" : "interval"},
                           {"imports", collection.imports},
                           {"in_place", collection.in_place}});
  }
  PrintLine(nlohmann::ordered_json{
      {"status", "ok"},
      {"name", report.name},
      {"collections", collections},
      {"imports", report.imports},
      {"staged_objects", report.staged_objects},
      {"staged_bytes", report.staged_bytes},
      {"seconds", report.seconds},
      {"phases", report.phases},
  }
                .dump());
}

Status RunRestore(const CommandContext& context, const RestoreFlags& flags) {
  if (!flags.collections.empty() && !flags.filter.empty()) {
    return InvalidArgumentError("-c/--collections and --filter exclude each other");
  }
  backup::RestoreOptions options{
      .name = flags.name, .suffix = flags.suffix, .rebuild_index = flags.rebuild_index};
  MB_ASSIGN_OR_RETURN(options.sources, backup::Selection::ParseCollections(flags.collections));
  MB_ASSIGN_OR_RETURN(options.targets, backup::Selection::ParseFilter(flags.filter));
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<Services> services,
                      Services::Create(context.call, context.config, Services::Needs::kEverything));
  const TerminalProgress progress(services->progress(), !context.json);
  MB_ASSIGN_OR_RETURN(const backup::RestoreReport report,
                      backup::RestoreBackup(context.call, services->site(), options));
  NoteDone("the restore is complete");
  Print(report, context.json);
  return Status::Ok();
}

}  // namespace

Command AddRestore(CLI::App& app) {
  CLI::App* command = app.add_subcommand("restore", "Restore collections of a backup");
  auto flags = std::make_shared<RestoreFlags>();  // shared with the returned function
  command->add_option("-n,--name", flags->name, "Name of the backup")
      ->required()
      ->check(Checker([](std::string_view name) { return meta::BackupDir("", name).status(); }));
  command->add_option("-c,--collections", flags->collections,
                      "Collections by their names in the backup: COLL or DB.COLL; default all");
  command->add_option("--filter", flags->filter,
                      "Collections by the names they will have: DB.*, DB.COLL, COLL");
  command->add_option("-s,--suffix", flags->suffix, "Appended to every collection name")
      ->check(Checker(backup::ValidateSuffix));
  command->add_flag("--rebuild_index", flags->rebuild_index, "Create the indexes of the backup");
  AddUnbuiltCommand(*command, "secondary");
  AddUnbuiltFlags(*command, {{"-r,--rename", true},
                             {"-d,--databases", true},
                             {"-a,--database_collections", true},
                             {"--restore_index", false},
                             {"--use_auto_index", false},
                             {"--meta_only", false},
                             {"--drop_exist_collection", false},
                             {"--drop_exist_index", false},
                             {"--skip_create_collection", false},
                             {"--rbac", false},
                             {"--use_v2_restore", false}});
  return [flags](const CommandContext& context) { return RunRestore(context, *flags); };
}

}  // namespace milvus_backup::cli
