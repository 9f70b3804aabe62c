#include "cmd_migration.h"
#include "exit_code.h"
#include "migration_via_storage.h"
#include "output.h"
#include "terminal_progress.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/config/migration.h"
#include "milvus_backup/migration/milvus2x.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/storage/open.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace milvus_backup::cli {
namespace {

using migration::Migrated;
using migration::Milvus2xOptions;
using migration::Milvus2xReport;

constexpr const char* kSourceChanged =
    "the source did not answer the same at the beginning and at the end, as when rows are written "
    "or deleted meanwhile, and some may be missing in the target; stop writing and run again with "
    "target.milvus2x.writeMode: upsert";

nlohmann::ordered_json ToJson(const Migrated& one) {
  return {{"source", one.source},
          {"target", one.target},
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
    if (one.was_done) {
      PrintLine(fmt::format("{}: done before this run", one.source));
      continue;
    }
    const std::string compared = one.compared > 0
                                     ? fmt::format(", {} of them compared one by one", one.compared)
                                     : std::string();
    PrintLine(fmt::format("{}: {} rows are in {}{}", one.source, one.rows, one.target, compared));
  }
}

/// As the Go tool tells it: one line for every percent.
void LogPercent(const std::string& collection, int percent) {
  log::Event(log::Level::kInfo, "=================>JobProcess!",
             {{"Percent", std::to_string(percent)}, {"collection", collection}});
}

Result<std::unique_ptr<milvus::Client>> ConnectTo(const CallContext& ctx,
                                                  const milvus::ClientOptions& options,
                                                  const char* section) {
  auto client = milvus::Connect(ctx, options);
  if (!client.ok()) return client.status().Annotate(section);
  return client;
}

Result<Milvus2xReport> Migrate(const MigrationContext& context, const Milvus2xOptions& options,
                               const StartMilvus2xFlags& flags) {
  MB_ASSIGN_OR_RETURN(const auto source,
                      ConnectTo(context.call, options.source, "source.milvus2x"));
  MB_ASSIGN_OR_RETURN(const auto target,
                      ConnectTo(context.call, options.target, "target.milvus2x"));
  MB_ASSIGN_OR_RETURN(const auto state,
                      storage::OpenLocal({.root = options.state_dir, .create = true}));
  transfer::Progress progress;
  const TerminalProgress line(progress, !context.json);
  return migration::MigrateMilvus2x(
      context.call, *source, *target, options,
      {.all = flags.all, .load_source = flags.load_source, .create_indexes = flags.index}, *state,
      progress, LogPercent);
}

Result<Milvus2xOptions> OptionsOf(const MigrationContext& context,
                                  const StartMilvus2xFlags& flags) {
  MB_ASSIGN_OR_RETURN(Milvus2xOptions options, config::LoadMilvus2x(context.config));
  if (!context.table.empty()) {
    if (flags.all) return InvalidArgumentError("--all and --table exclude each other");
    options.collections = {context.table};
    // As in the Go tool, whose users call it in a loop.
    if (!options.target_collection.empty()) options.target_collection = context.table;
  }
  if (options.collections.empty() && !flags.all) {
    return InvalidArgumentError("meta.collection is not set")
        .WithOrigin(Origin::kConfig)
        .WithAdvice("set it, name a collection with --table, or take every one with --all");
  }
  return options;
}

/// `start` with --via-storage.
Status StartViaStorage(const MigrationContext& context, const Milvus2xOptions& options,
                       const StartMilvus2xFlags& flags) {
  if (flags.load_source) {
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
                                         .all = flags.all,
                                         .index = flags.index,
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
  MB_ASSIGN_OR_RETURN(const Milvus2xOptions options, OptionsOf(context, flags));
  if (flags.via_storage) return StartViaStorage(context, options, flags);
  log::Event(log::Level::kInfo, "migration by queries and inserts: no --via-storage", {});
  std::optional<MigrationJob> job;
  if (!context.json) job.emplace("start");
  const std::string& table = context.table;
  if (job && !table.empty()) {
    PrintLine(fmt::format("Migration CmdParam Collection: {} Start..", table));
  }
  MB_ASSIGN_OR_RETURN(const Milvus2xReport report, Migrate(context, options, flags));
  const std::string cost = fmt::format("{:f}", report.seconds);
  log::Event(log::Level::kInfo, "[Starter] migration Milvus2x to Milvus2x finish!!!",
             {{"Cost", cost}});
  PrintWarnings(report.warnings);
  NoteDone("the migration is complete");
  if (report.source_changed()) {
    PrintWarnings({kSourceChanged});
    context.exit_code = kSomeFailed;
  } else {
    log::Event(log::Level::kInfo, "[Starter] Migration Success!", {{"Cost", cost}});
  }
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
