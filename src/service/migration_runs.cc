#include "milvus_backup/service/migration_runs.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/config/migration.h"
#include "milvus_backup/migration/faiss.h"
#include "milvus_backup/migration/store.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/storage/open.h"

#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

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

/// One flag says which collections are meant.
Status RefuseTwoWays(const Milvus2xChoices& choices) {
  const std::pair<bool, const char*> ways[] = {{choices.all, "--all"},
                                               {!choices.table.empty(), "--table"},
                                               {!choices.databases.empty(), "--databases"}};
  const char* given = nullptr;
  for (const auto& [is_given, flag] : ways) {
    if (!is_given) continue;
    if (given != nullptr) {
      return InvalidArgumentError(fmt::format("{} and {} exclude each other", given, flag));
    }
    given = flag;
  }
  return Status::Ok();
}

/// Where databases go over whole, everything keeps its name.
Status RefuseOtherNames(const Milvus2xOptions& options) {
  const std::pair<bool, const char*> others[] = {
      {!options.collections.empty(), "meta.collection"},
      {!options.source_database.empty(), "source.milvus2x.database"},
      {!options.target_database.empty(), "target.milvus2x.database"},
      {!options.target_collection.empty(), "meta.milvus.collection"}};
  for (const auto& [is_set, key] : others) {
    if (!is_set) continue;
    return InvalidArgumentError(
               fmt::format("{} is set, but whole databases are to be migrated", key))
        .WithOrigin(Origin::kConfig)
        .WithAdvice(fmt::format("remove {}, or meta.databases and --databases", key));
  }
  return Status::Ok();
}

Result<std::unique_ptr<milvus::Client>> ConnectToTarget(const CallContext& ctx,
                                                        const migration::Options& options) {
  return ConnectTo(
      ctx, options.milvus,
      fmt::format("connecting to Milvus at {}:{}", options.milvus.address, options.milvus.port));
}

Result<migration::LoadReport> Preview(const CallContext& ctx, const migration::Options& options,
                                      const std::vector<std::string>& collections,
                                      bool looks_for_bucket) {
  MB_ASSIGN_OR_RETURN(const migration::OpenedStore source, migration::OpenSource(options.source));
  MB_ASSIGN_OR_RETURN(const migration::OpenedStore target, migration::OpenTarget(options.target));
  const migration::LoadRules rules{.looks_for_bucket = looks_for_bucket,
                                   .merge_bytes = migration::kMergedImportBytes};
  if (options.work_mode == migration::WorkMode::kFaiss) {
    MB_RETURN_IF_ERROR(migration::CheckSelected(options.faiss, collections));
    MB_ASSIGN_OR_RETURN(
        const migration::DumpReport seen,
        migration::DumpFaiss(ctx, options.faiss, source.store, target.store, {.dry_run = true}));
    MB_ASSIGN_OR_RETURN(const auto client, ConnectToTarget(ctx, options));
    return migration::PreviewLoadFaiss(ctx, *client, options.database, options.faiss, seen.rows(),
                                       target.store, rules);
  }
  MB_ASSIGN_OR_RETURN(migration::SourceMeta read,
                      migration::ReadSourceMeta(ctx, options.meta, source));
  MB_ASSIGN_OR_RETURN(const migration::Meta meta,
                      migration::SelectCollections(std::move(read.meta), collections));
  MB_ASSIGN_OR_RETURN(const auto client, ConnectToTarget(ctx, options));
  return migration::PreviewLoad(ctx, *client, options.database, meta, target.store, rules);
}

}  // namespace

void Warn(const RunObserver& observer, const std::string& warning) {
  log::Event(log::Level::kWarn, warning, {});
  observer.warn(warning);
}

Result<migration::LoadReport> PreviewLoad(const CallContext& ctx, const migration::Options& options,
                                          const LoadChoices& choices) {
  return Preview(ctx, options, choices.collections, true);
}

Result<migration::DumpReport> RunDump(const CallContext& ctx, const migration::Options& options,
                                      const DumpChoices& choices, const RunObserver& observer) {
  MB_ASSIGN_OR_RETURN(const migration::OpenedStore source, migration::OpenSource(options.source));
  MB_ASSIGN_OR_RETURN(const migration::OpenedStore target, migration::OpenTarget(options.target));
  log::Event(log::Level::kInfo, "[Dumper] begin to do dump!", {});
  const migration::DumpRules rules{
      .parallel_segments = static_cast<size_t>(options.dump_limit),
      .block_bytes = options.reader_buffer_bytes,
      .skip_bad_rows = choices.skip_bad_rows,
      .dry_run = choices.dry_run,
      .then_load = choices.then_load,
      .load_bytes = static_cast<uint64_t>(options.load_limit) * migration::kMergedImportBytes,
      .progress = observer.progress,
      .before_writing = [&](const CallContext& call) -> Status {
        if (!choices.then_load) return Status::Ok();
        // Nobody sees what it warns of.
        return Preview(call, options, choices.collections, false).status();
      }};
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
  MB_ASSIGN_OR_RETURN(const auto client, ConnectToTarget(ctx, options));
  const migration::LoadRules rules{.collections = choices.collections,
                                   .parallel_imports = static_cast<size_t>(options.load_limit),
                                   .create_indexes = choices.index,
                                   .keep = choices.keep,
                                   .dry_run = choices.dry_run,
                                   .progress = observer.progress,
                                   .merge_bytes = migration::kMergedImportBytes};
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
  MB_RETURN_IF_ERROR(RefuseTwoWays(choices));
  if (!choices.table.empty()) {
    options.collections = {choices.table};
    options.databases.clear();
    // As in the Go tool, whose users call it in a loop.
    if (!options.target_collection.empty()) options.target_collection = choices.table;
  }
  if (choices.all) options.databases.clear();
  if (!choices.databases.empty()) {
    options.databases = choices.databases;
    options.collections.clear();
  }
  if (!options.databases.empty()) {
    MB_RETURN_IF_ERROR(RefuseOtherNames(options));
    return options;
  }
  if (options.collections.empty() && !choices.all) {
    return InvalidArgumentError("meta.collection is not set")
        .WithOrigin(Origin::kConfig)
        .WithAdvice(
            "set it or meta.databases, name a collection with --table, or take every one with "
            "--all");
  }
  return options;
}

Result<Milvus2xReport> RunMilvus2x(const CallContext& ctx, const Milvus2xOptions& options,
                                   const Milvus2xChoices& choices, const RunObserver& observer) {
  log::Event(log::Level::kInfo, "migration by queries and inserts: no --via-storage", {});
  milvus::ClientOptions of_source = options.source;
  of_source.max_receive_bytes = migration::kMostAnswerBytes;
  milvus::ClientOptions of_row = options.source;
  of_row.max_receive_bytes = migration::kMostRowBytes;
  MB_ASSIGN_OR_RETURN(const auto source, ConnectTo(ctx, of_source, "source.milvus2x"));
  MB_ASSIGN_OR_RETURN(const auto target, ConnectTo(ctx, options.target, "target.milvus2x"));
  MB_ASSIGN_OR_RETURN(const auto state,
                      storage::OpenLocal({.root = options.state_dir, .create = true}));
  // As the Go tool tells it: one line for every percent.
  const auto on_percent = [&observer](const std::string& collection, int percent) {
    log::Event(log::Level::kInfo, "=================>JobProcess!",
               {{"Percent", std::to_string(percent)}, {"collection", collection}});
    if (observer.on_percent) observer.on_percent(collection, percent);
  };
  const migration::Milvus2xRules rules{.all = choices.all,
                                       .load_source = choices.load_source,
                                       .create_indexes = choices.index,
                                       .connect_wider = [&of_row](const CallContext& call) {
                                         return ConnectTo(call, of_row, "source.milvus2x");
                                       }};
  MB_ASSIGN_OR_RETURN(Milvus2xReport report,
                      migration::MigrateMilvus2x(ctx, *source, *target, options, rules, *state,
                                                 *observer.progress, on_percent));
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
