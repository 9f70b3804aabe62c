#include "arguments.h"
#include "backup_source.h"
#include "commands.h"
#include "output.h"
#include "restore_flags.h"
#include "terminal_progress.h"

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/service/services.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>

namespace milvus_backup::cli {
namespace {

std::string RowText(const backup::RowCheck& rows) {
  if (rows.exact()) return fmt::format("{} rows, as many as in the backup", rows.restored);
  return fmt::format("{} rows, between {} and {} as the deletes in the backup allow", rows.restored,
                     rows.at_least, rows.at_most);
}

std::string_view ActionOf(backup::ExistingTarget existing) {
  switch (existing) {
    case backup::ExistingTarget::kRefuse:
      return "create";
    case backup::ExistingTarget::kReplace:
      return "replace";
    case backup::ExistingTarget::kReuse:
      return "add to";
  }
  return "";
}

// One line of the plan of a dry run.
std::string PlanText(const backup::RestoredCollection& collection, bool meta_only) {
  std::string text = fmt::format("would restore {} as {} ({} it): ", collection.source,
                                 collection.target, ActionOf(collection.existing));
  if (meta_only) return text + "no rows";
  const backup::RowCheck& rows = collection.rows;
  text += rows.exact() ? fmt::format("{} rows", rows.at_most)
                       : fmt::format("{} to {} rows", rows.at_least, rows.at_most);
  return text +
         fmt::format(", {}, {} imports, {}", FormatBytes(static_cast<double>(collection.bytes)),
                     collection.imports, collection.in_place ? "in place" : "staged") +
         (collection.resumed ? ", going on with an unfinished restore" : "");
}

// Empty without --rbac.
std::string RbacText(const backup::RestoreReport& report) {
  if (report.users + report.roles + report.grants + report.privilege_groups == 0) return "";
  return fmt::format("{} {} users, {} roles, {} grants, {} privilege groups",
                     report.dry_run ? "would add" : "added", report.users, report.roles,
                     report.grants, report.privilege_groups);
}

void PrintText(const backup::RestoreReport& report) {
  if (const std::string text = RbacText(report); !text.empty()) PrintLine(text);
  for (const std::string& db : report.created_databases) {
    if (report.dry_run) PrintLine("would create database " + db);
  }
  for (const backup::RestoredCollection& collection : report.collections) {
    if (report.dry_run) {
      PrintLine(PlanText(collection, report.meta_only));
    } else {
      PrintLine(fmt::format("restored {} as {}: {}", collection.source, collection.target,
                            report.meta_only ? "no rows" : RowText(collection.rows)));
    }
  }
  PrintLine(fmt::format("duration:{:.2f} s", report.seconds));
}

nlohmann::ordered_json ToJson(const backup::RestoredCollection& collection) {
  return {{"source", collection.source},
          {"target", collection.target},
          {"action", ActionOf(collection.existing)},
          {"rows", collection.rows.restored},
          {"rows_at_least", collection.rows.at_least},
          {"rows_at_most", collection.rows.at_most},
          {"row_check", collection.rows.exact() ? "exact" : "interval"},
          {"bytes", collection.bytes},
          {"imports", collection.imports},
          {"in_place", collection.in_place},
          {"loaded", collection.loaded},
          {"resumed", collection.resumed}};
}

void PrintReportJson(const backup::RestoreReport& report) {
  nlohmann::ordered_json collections = nlohmann::ordered_json::array();
  for (const backup::RestoredCollection& collection : report.collections) {
    collections.push_back(ToJson(collection));
  }
  const nlohmann::ordered_json document = {
      {"status", "ok"},
      {"name", report.name},
      {"dry_run", report.dry_run},
      {"meta_only", report.meta_only},
      {"created_databases", report.created_databases},
      {"users", report.users},
      {"roles", report.roles},
      {"grants", report.grants},
      {"privilege_groups", report.privilege_groups},
      {"collections", collections},
      {"warnings", report.warnings},
      {"imports", report.imports},
      {"staged_objects", report.staged_objects},
      {"staged_bytes", report.staged_bytes},
      {"seconds", report.seconds},
      {"phases", report.phases},
  };
  PrintJson(document);
}

Status RunRestore(const CommandContext& context, const RestoreFlags& flags) {
  MB_ASSIGN_OR_RETURN(const backup::RestoreOptions options, ToOptions(flags));
  config::Config config = context.config;
  MB_ASSIGN_OR_RETURN(config.backup_storage,
                      FindBackupStorage(context.config, flags.from, flags.from_config, "--from"));
  MB_ASSIGN_OR_RETURN(
      const std::unique_ptr<service::Services> services,
      service::Services::Create(context.call, config, service::Services::Needs::kEverything));
  backup::Site& site = services->site();
  site.parallel_collections = static_cast<size_t>(config.parallelism.restore_collection);
  site.progress = &context.progress;
  const TerminalProgress progress(context.progress, !context.json);
  if (flags.use_v2_restore) {
    log::Warn(
        "--use_v2_restore has no effect: imports are asked for over gRPC, which every Milvus that "
        "takes them over REST takes the same");
  }
  MB_ASSIGN_OR_RETURN(const backup::RestoreReport report,
                      backup::RestoreBackup(context.call, site, options));
  if (!report.dry_run) NoteDone("the restore is complete");
  if (context.json) {
    PrintReportJson(report);
  } else {
    PrintText(report);
  }
  return Status::Ok();
}

}  // namespace

Command AddRestore(CLI::App& app) {
  CLI::App* command = app.add_subcommand("restore", "Restore collections of a backup");
  auto flags = std::make_shared<RestoreFlags>();  // shared with the returned function
  command->add_option("-n,--name", flags->name, "Name of the backup")
      ->required()
      ->check(Checker([](std::string_view name) { return meta::BackupDir("", name).status(); }));
  const std::initializer_list<std::tuple<const char*, std::string*, const char*>> options = {
      {"-c,--collections", &flags->collections,
       "Collections by their names in the backup: COLL or DB.COLL; default all"},
      {"-d,--databases", &flags->databases, "Databases by their names in the backup"},
      {"-a,--database_collections", &flags->database_collections,
       "Both, as JSON: {\"db1\":[\"c1\"],\"db2\":[]}; an empty list is the whole database"},
      {"--filter", &flags->filter, "Collections by the names they will have: DB.*, DB.COLL, COLL"},
      {"-s,--suffix", &flags->suffix, "Appended to every collection name"},
      {"-r,--rename", &flags->rename,
       "New names: COLL:NEW, DB.COLL:DB2.NEW, DB.*:DB2.*, DB.:DB2., separated by commas"},
      {"--skip_params", &flags->skip_params,
       "Keys to leave out, as JSON: {\"collectionProperties\":[],\"fieldIndexParams\":[],"
       "\"fieldTypeParams\":[],\"indexParams\":[]}"},
      {"--from", &flags->from, "Read the backup from the storage called so in storages:"},
      {"--from-config", &flags->from_config,
       "Read the backup from the backup storage of this configuration file"}};
  for (const auto& [names, value, help] : options) command->add_option(names, *value, help);
  command->get_option("--suffix")->check(Checker(backup::ValidateSuffix));
  command->add_option("--max_shard_num", flags->max_shard_num,
                      "Shards of a created collection at most; 0 for as many as in the backup");
  const std::initializer_list<std::tuple<const char*, bool*, const char*>> switches = {
      {"--rebuild_index,--restore_index", &flags->rebuild_index,
       "Create the indexes of the backup"},
      {"--use_auto_index", &flags->use_auto_index,
       "Vector indexes become AUTOINDEX, with their metric type"},
      {"--rbac", &flags->rbac,
       "Users, roles and grants of the backup that the server does not have"},
      {"--use_v2_restore", &flags->use_v2_restore,
       "No effect: a server that takes imports over REST takes the same over gRPC"},
      {"--meta_only", &flags->meta_only, "Collections, partitions and indexes, but no rows"},
      {"--drop_exist_collection", &flags->drop_exist_collection,
       "Replace collections that exist; each is dropped once the restored one is whole"},
      {"--skip_create_collection", &flags->skip_create_collection,
       "Add to collections that exist already"},
      {"--drop_exist_index", &flags->drop_exist_index,
       "Drop the indexes of collections that are added to"},
      {"--load", &flags->load, "Load collections that were loaded when they were backed up"},
      {"--dry-run", &flags->dry_run, "Check everything, print the plan, change nothing"},
      {"--allow-partial", &flags->allow_partial,
       "Restore what is there of a backup that some collections are missing from"},
      {"--no-check", &flags->no_check, "Do not compare the backup with its manifest"}};
  for (const auto& [names, value, help] : switches) command->add_flag(names, *value, help);
  AddUnbuiltCommand(*command, "secondary");
  return [flags](const CommandContext& context) { return RunRestore(context, *flags); };
}

}  // namespace milvus_backup::cli
