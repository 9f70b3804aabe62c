#include "milvus_backup/service/migration_runs.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/config/migration.h"
#include "milvus_backup/migration/faiss.h"
#include "milvus_backup/migration/store.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/storage/open.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

namespace milvus_backup::service {
namespace {

using migration::Milvus2xOptions;
using migration::Milvus2xReport;

void WarnOfEach(const RunObserver& observer, const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) Warn(observer, warning);
}

void LogLoaded(const migration::LoadReport& report) {
  int64_t before = 0;
  int64_t after = 0;
  for (const migration::LoadedCollection& one : report.collections) {
    log::Event(log::Level::kInfo, "[Loader] Static: ",
               {{"collection", one.name},
                {"beforeCount", std::to_string(one.before)},
                {"afterCount", std::to_string(one.after)},
                {"increase", std::to_string(one.after - one.before)}});
    before += one.before;
    after += one.after;
  }
  log::Event(log::Level::kInfo, "[Loader] Static Total: ",
             {{"Total Collections", std::to_string(report.collections.size())},
              {"beforeTotalCount", std::to_string(before)},
              {"afterTotalCount", std::to_string(after)},
              {"totalIncrease", std::to_string(after - before)}});
}

Result<std::unique_ptr<milvus::Client>> ConnectTo(const CallContext& ctx,
                                                  const milvus::ClientOptions& options,
                                                  const std::string& whose) {
  auto client = milvus::Connect(ctx, options);
  if (!client.ok()) return client.status().Annotate(whose);
  return client;
}

}  // namespace

void Warn(const RunObserver& observer, const std::string& warning) {
  log::Event(log::Level::kWarn, warning, {});
  observer.warn(warning);
}

Result<migration::DumpReport> RunDump(const CallContext& ctx, const migration::Options& options,
                                      const DumpChoices& choices, const RunObserver& observer) {
  MB_ASSIGN_OR_RETURN(const migration::OpenedStore source, migration::OpenSource(options.source));
  MB_ASSIGN_OR_RETURN(const migration::OpenedStore target, migration::OpenTarget(options.target));
  log::Event(log::Level::kInfo, "[Dumper] begin to do dump!", {});
  const migration::DumpRules rules{.parallel_segments = static_cast<size_t>(options.dump_limit),
                                   .block_bytes = options.reader_buffer_bytes,
                                   .skip_bad_rows = choices.skip_bad_rows,
                                   .dry_run = choices.dry_run,
                                   .then_load = choices.then_load,
                                   .progress = observer.progress};
  const auto dump = [&]() -> Result<migration::DumpReport> {
    if (options.work_mode == migration::WorkMode::kFaiss) {
      MB_RETURN_IF_ERROR(migration::CheckSelected(options.faiss, choices.collections));
      return migration::DumpFaiss(ctx, options.faiss, source.store, target.store, rules);
    }
    MB_ASSIGN_OR_RETURN(migration::SourceMeta read,
                        migration::ReadSourceMeta(ctx, options.meta, source));
    WarnOfEach(observer, read.warnings);
    MB_ASSIGN_OR_RETURN(const migration::Meta meta,
                        migration::SelectCollections(std::move(read.meta), choices.collections));
    return migration::Dump(ctx, meta, source.store, target.store, rules);
  };
  MB_ASSIGN_OR_RETURN(migration::DumpReport report, dump());
  WarnOfEach(observer, report.warnings);
  if (!report.was_loaded && !choices.dry_run) {
    log::Event(log::Level::kInfo, "[Dumper] Dump Success!",
               {{"Cost", fmt::format("{:f}", report.seconds)}});
  }
  return report;
}

Result<migration::LoadReport> RunLoad(const CallContext& ctx, const migration::Options& options,
                                      const LoadChoices& choices, const RunObserver& observer) {
  MB_ASSIGN_OR_RETURN(const migration::OpenedStore target, migration::OpenTarget(options.target));
  log::Event(log::Level::kInfo, "[Loader] begin to do load!", {});
  MB_ASSIGN_OR_RETURN(const auto client,
                      ConnectTo(ctx, options.milvus,
                                fmt::format("connecting to Milvus at {}:{}", options.milvus.address,
                                            options.milvus.port)));
  const migration::LoadRules rules{.collections = choices.collections,
                                   .parallel_imports = static_cast<size_t>(options.load_limit),
                                   .create_indexes = choices.index,
                                   .keep = choices.keep,
                                   .dry_run = choices.dry_run,
                                   .progress = observer.progress};
  MB_ASSIGN_OR_RETURN(
      migration::LoadReport report,
      options.work_mode == migration::WorkMode::kFaiss
          ? migration::LoadFaiss(ctx, *client, options.database, options.faiss, target.store, rules)
          : migration::Load(ctx, *client, options.database, target.store, rules));
  WarnOfEach(observer, report.warnings);
  if (choices.dry_run) return report;
  LogLoaded(report);
  log::Event(log::Level::kInfo, "[Loader] Load Success!",
             {{"Cost", fmt::format("{:f}", report.seconds)}});
  return report;
}

Result<Milvus2xOptions> LoadMilvus2xOptions(const config::LoadOptions& config,
                                            const Milvus2xChoices& choices) {
  MB_ASSIGN_OR_RETURN(Milvus2xOptions options, config::LoadMilvus2x(config));
  if (!choices.table.empty()) {
    if (choices.all) return InvalidArgumentError("--all and --table exclude each other");
    options.collections = {choices.table};
    // As in the Go tool, whose users call it in a loop.
    if (!options.target_collection.empty()) options.target_collection = choices.table;
  }
  if (options.collections.empty() && !choices.all) {
    return InvalidArgumentError("meta.collection is not set")
        .WithOrigin(Origin::kConfig)
        .WithAdvice("set it, name a collection with --table, or take every one with --all");
  }
  return options;
}

Result<Milvus2xReport> RunMilvus2x(const CallContext& ctx, const Milvus2xOptions& options,
                                   const Milvus2xChoices& choices, const RunObserver& observer) {
  log::Event(log::Level::kInfo, "migration by queries and inserts: no --via-storage", {});
  MB_ASSIGN_OR_RETURN(const auto source, ConnectTo(ctx, options.source, "source.milvus2x"));
  MB_ASSIGN_OR_RETURN(const auto target, ConnectTo(ctx, options.target, "target.milvus2x"));
  MB_ASSIGN_OR_RETURN(const auto state,
                      storage::OpenLocal({.root = options.state_dir, .create = true}));
  // As the Go tool tells it: one line for every percent.
  const auto on_percent = [&observer](const std::string& collection, int percent) {
    log::Event(log::Level::kInfo, "=================>JobProcess!",
               {{"Percent", std::to_string(percent)}, {"collection", collection}});
    if (observer.on_percent) observer.on_percent(collection, percent);
  };
  MB_ASSIGN_OR_RETURN(
      Milvus2xReport report,
      migration::MigrateMilvus2x(
          ctx, *source, *target, options,
          {.all = choices.all, .load_source = choices.load_source, .create_indexes = choices.index},
          *state, *observer.progress, on_percent));
  const std::string cost = fmt::format("{:f}", report.seconds);
  log::Event(log::Level::kInfo, "[Starter] migration Milvus2x to Milvus2x finish!!!",
             {{"Cost", cost}});
  WarnOfEach(observer, report.warnings);
  if (report.source_changed()) {
    Warn(observer, kSourceChanged);
  } else {
    log::Event(log::Level::kInfo, "[Starter] Migration Success!", {{"Cost", cost}});
  }
  return report;
}

}  // namespace milvus_backup::service
