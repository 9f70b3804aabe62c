#include "migration_jobs.h"

#include "body.h"

#include "milvus_backup/config/migration.h"
#include "milvus_backup/migration/milvus2x.h"
#include "milvus_backup/service/migration_runs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <filesystem>
#include <system_error>
#include <utility>

namespace milvus_backup::service {
namespace {

using migration::Milvus2xOptions;

MigrationPlan Failing(const Status& status) {
  return {.work = [status](JobContext&) { return status; }};
}

RunObserver ObserverOf(JobContext& job) {
  return {.progress = &job.progress(),
          .warn = [&job](const std::string& warning) { job.Warn(warning); }};
}

std::string AbsolutePath(const std::string& path) {
  std::error_code error;
  std::string absolute = std::filesystem::absolute(path, error).lexically_normal().string();
  while (absolute.size() > 1 && absolute.ends_with('/')) absolute.pop_back();
  return absolute;
}

std::string TextOf(const migration::StorePlace& place) {
  if (place.is_local) return AbsolutePath(place.directory);
  return fmt::format("{}:{}/{}{}{}", place.s3.address, place.s3.port, place.s3.bucket,
                     place.directory.empty() ? "" : "/", place.directory);
}

/// Where the dump is.
std::string DumpPlace(const migration::Options& options) {
  std::string place = TextOf(options.target) + "/migration";
  if (options.work_mode == migration::WorkMode::kFaiss) place += "/" + options.faiss.collection;
  return place;
}

std::string TextOf(const milvus::ClientOptions& server) {
  return fmt::format("{}:{}", server.address, server.port);
}

/// What the configuration says besides the place of the dump, which is the subject. Nothing secret,
/// so of a MySQL only that it is one.
std::string DigestOfDump(const migration::Options& options,
                         const std::vector<std::string>& collections) {
  return DigestOf({{"collections", collections},
                   {"source", TextOf(options.source)},
                   {"meta_mode", static_cast<int>(options.meta.mode)},
                   {"meta", options.meta.path},
                   {"faiss", options.faiss.file},
                   {"milvus", TextOf(options.milvus)},
                   {"database", options.database}});
}

MigrationPlan PlanWithDump(const migration::Options& options,
                           const std::vector<std::string>& collections, JobWork work) {
  const std::string place = DumpPlace(options);
  return {.subject = place,
          .place = place,
          .request = DigestOfDump(options, collections),
          .work = std::move(work)};
}

Status DumpAndLoad(JobContext& job, const migration::Options& options) {
  const RunObserver observer = ObserverOf(job);
  MB_ASSIGN_OR_RETURN(const migration::DumpReport dumped,
                      RunDump(job.call(), options, {.then_load = true}, observer));
  if (!dumped.was_loaded) return RunLoad(job.call(), options, {}, observer).status();
  Warn(observer, kWasLoaded);
  return Status::Ok();
}

Status Migrate(JobContext& job, const Milvus2xOptions& options) {
  for (const std::string& name : options.collections) {
    job.SetItem(migration::CollectionTitle(options.source_database, name), JobState::kQueued);
  }
  RunObserver observer = ObserverOf(job);
  observer.on_percent = [&job](const std::string& collection, int percent) {
    job.SetItem(collection, percent == 100 ? JobState::kSucceeded : JobState::kRunning);
  };
  MB_ASSIGN_OR_RETURN(const migration::Milvus2xReport report,
                      RunMilvus2x(job.call(), options, {}, observer));
  return report.source_changed() ? FailedPreconditionError(kSourceChanged) : Status::Ok();
}

MigrationPlan PlanMilvus2x(const config::LoadOptions& config) {
  const auto options = LoadMilvus2xOptions(config, {});
  if (!options.ok()) return Failing(options.status());
  const bool is_whole = !options->databases.empty();
  return {.subject = fmt::format(
              "{}", fmt::join(is_whole ? options->databases : options->collections, ",")),
          .place = AbsolutePath(options->state_dir),
          .request = DigestOf({{"source", TextOf(options->source)},
                               {"target", TextOf(options->target)},
                               {"source_database", options->source_database},
                               {"target_database", options->target_database},
                               {"collections", options->collections},
                               {"databases", options->databases},
                               {"fields", options->fields},
                               {"target_collection", options->target_collection},
                               {"upsert", options->upsert}}),
          .work = [options = *options](JobContext& job) { return Migrate(job, options); }};
}

}  // namespace

MigrationPlan PlanDumpJob(const config::LoadOptions& config,
                          const std::vector<std::string>& collections) {
  const auto options = config::LoadMigration(config, {.source = true});
  if (!options.ok()) return Failing(options.status());
  return PlanWithDump(*options, collections, [options = *options, collections](JobContext& job) {
    return RunDump(job.call(), options, {.collections = collections}, ObserverOf(job)).status();
  });
}

MigrationPlan PlanLoadJob(const config::LoadOptions& config,
                          const std::vector<std::string>& collections) {
  const auto options = config::LoadMigration(config, {.milvus = true});
  if (!options.ok()) return Failing(options.status());
  return PlanWithDump(*options, collections, [options = *options, collections](JobContext& job) {
    return RunLoad(job.call(), options, {.collections = collections}, ObserverOf(job)).status();
  });
}

MigrationPlan PlanStartJob(const config::LoadOptions& config) {
  const auto mode = config::MigrationWorkMode(config);
  if (!mode.ok()) return Failing(mode.status());
  if (*mode == "milvus2x") return PlanMilvus2x(config);
  const auto options = config::LoadMigration(config, {.source = true, .milvus = true});
  if (!options.ok()) return Failing(options.status());
  return PlanWithDump(*options, {},
                      [options = *options](JobContext& job) { return DumpAndLoad(job, options); });
}

}  // namespace milvus_backup::service
