#include "cmd_migration.h"
#include "exit_code.h"
#include "migration_via_storage.h"
#include "output.h"
#include "terminal_progress.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/migration/milvus2x.h"
#include "milvus_backup/service/migration_runs.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::cli {
namespace {

using migration::Migrated;
using migration::Milvus2xOptions;
using migration::Milvus2xReport;

nlohmann::ordered_json ToJson(const Migrated& one) {
  return {{"source", one.source},
          {"target", one.target},
          {"source_database", one.source_database},
          {"target_database", one.target_database},
          {"rows_counted", one.counted},
          {"rows", one.rows},
          {"rows_repeated", one.repeated},
          {"rows_compared", one.compared},
          {"stored_before", one.before},
          {"stored_after", one.after},
          {"created", one.created},
          {"already_done", one.was_done},
          {"source_changed", one.source_changed}};
}

void PrintReport(const Milvus2xReport& report) {
  nlohmann::ordered_json collections = nlohmann::ordered_json::array();
  for (const Migrated& one : report.collections) collections.push_back(ToJson(one));
  const nlohmann::ordered_json result = {{"status", report.source_changed() ? "changed" : "ok"},
                                         {"collections", std::move(collections)},
                                         {"warnings", report.warnings},
                                         {"seconds", report.seconds}};
  PrintJson(result);
}

void PrintText(const Milvus2xReport& report) {
  for (const Migrated& one : report.collections) {
    const std::string source = migration::CollectionTitle(one.source_database, one.source);
    if (one.was_done) {
      PrintLine(fmt::format("{}: done before this run", source));
      continue;
    }
    const std::string compared = one.compared > 0
                                     ? fmt::format(", {} of them compared one by one", one.compared)
                                     : std::string();
    PrintLine(fmt::format("{}: {} rows are in {}{}", source, one.rows,
                          migration::CollectionTitle(one.target_database, one.target), compared));
  }
}

Result<Milvus2xReport> Migrate(const MigrationContext& context, const Milvus2xOptions& options,
                               const service::Milvus2xChoices& choices) {
  transfer::Progress progress;
  std::vector<std::string> warnings;
  const auto run = [&] {
    const TerminalProgress line(progress, !context.json);
    return service::RunMilvus2x(
        context.call, options, choices,
        {.progress = &progress,
         .warn = [&warnings](const std::string& text) { warnings.push_back(text); }});
  };
  auto report = run();
  // Not across the line of progress.
  for (const std::string& warning : warnings) PrintWarning(warning);
  return report;
}

/// `start` with --via-storage.
Status StartViaStorage(const MigrationContext& context, const Milvus2xOptions& options,
                       const StartMilvus2xFlags& flags) {
  if (flags.choices.load_source) {
    return InvalidArgumentError("--load-source is not for --via-storage")
        .WithAdvice("leave it out: files are read whether their collection is loaded or not");
  }
  log::Event(log::Level::kInfo, "migration through the storages: --via-storage", {});
  const auto started = std::chrono::steady_clock::now();
  std::optional<MigrationJob> job;
  if (!context.json) job.emplace("start");
  MB_ASSIGN_OR_RETURN(const backup::RestoreReport report,
                      MigrateViaStorage(context.call, options,
                                        {.source_config = flags.source_config,
                                         .target_config = flags.target_config,
                                         .all = flags.choices.all,
                                         .index = flags.choices.index,
                                         .show_progress = !context.json}));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  log::Event(log::Level::kInfo, "[Starter] Migration Success!",
             {{"Cost", fmt::format("{:f}", seconds)}});
  PrintWarnings(report.warnings);
  NoteDone("the migration is complete");
  if (job) {
    for (const backup::RestoredCollection& one : report.collections) {
      PrintLine(fmt::format("{}: {} rows are in {}", one.source, one.rows.restored, one.target));
    }
    job->PrintSuccess(seconds);
    job->PrintInfo(report.collections.size());
    return Status::Ok();
  }
  nlohmann::ordered_json collections = nlohmann::ordered_json::array();
  for (const backup::RestoredCollection& one : report.collections) {
    collections.push_back(
        {{"source", one.source}, {"target", one.target}, {"rows", one.rows.restored}});
  }
  const nlohmann::ordered_json result = {{"status", "ok"},
                                         {"via_storage", true},
                                         {"collections", std::move(collections)},
                                         {"warnings", report.warnings},
                                         {"seconds", seconds}};
  PrintJson(result);
  return Status::Ok();
}

}  // namespace

Status StartMilvus2x(MigrationContext& context, const StartMilvus2xFlags& flags) {
  service::Milvus2xChoices choices = flags.choices;
  choices.table = context.table;
  MB_ASSIGN_OR_RETURN(const Milvus2xOptions options,
                      service::LoadMilvus2xOptions(context.config, choices));
  if (flags.via_storage) return StartViaStorage(context, options, flags);
  std::optional<MigrationJob> job;
  if (!context.json) job.emplace("start");
  const std::string& table = context.table;
  if (job && !table.empty()) {
    PrintLine(fmt::format("Migration CmdParam Collection: {} Start..", table));
  }
  MB_ASSIGN_OR_RETURN(const Milvus2xReport report, Migrate(context, options, choices));
  NoteDone("the migration is complete");
  if (report.source_changed()) context.exit_code = kSomeFailed;
  if (!job) {
    PrintReport(report);
    return Status::Ok();
  }
  PrintText(report);
  if (!table.empty()) PrintLine(fmt::format("Migration CmdParam Collection: {} Done!", table));
  if (report.source_changed()) return Status::Ok();
  job->PrintSuccess(report.seconds);
  job->PrintInfo(report.collections.size());
  return Status::Ok();
}

}  // namespace milvus_backup::cli
