#include "milvus_backup/migration/milvus2x.h"

#include "milvus2x_collection.h"
#include "target_database.h"

#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/milvus/version.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

constexpr char kDefaultDb[] = "default";
/// Queries by ranges of keys, count(*) and upserts came with it.
constexpr milvus::Version kOldest{2, 3, 0};

Status CheckVersion(const milvus::Client& client, const char* end) {
  const milvus::ParsedVersion parsed = milvus::ParseVersion(client.server_version());
  if (!parsed.known || parsed.version >= kOldest) return Status::Ok();
  return FailedPreconditionError(
             fmt::format("the {} is Milvus {}, and 2.3 is the oldest that works", end,
                         client.server_version()))
      .WithAdvice("use create, copy and restore");
}

/// The names, each once.
std::vector<std::string> WithoutRepetitions(std::vector<std::string> names) {
  std::vector<std::string> once;
  for (std::string& name : names) {
    if (std::ranges::count(once, name) == 0) once.push_back(std::move(name));
  }
  return once;
}

/// The collections to bring over from one database, each once.
Result<std::vector<std::string>> ChooseCollections(const CallContext& ctx, milvus::Client& source,
                                                   const Milvus2xOptions& options, bool all) {
  std::vector<std::string> names = options.collections;
  if (all) {
    MB_ASSIGN_OR_RETURN(names, source.ListCollections(ctx, options.source_database));
  }
  std::vector<std::string> chosen = WithoutRepetitions(std::move(names));
  if (chosen.size() > 1 && !options.target_collection.empty()) {
    return InvalidArgumentError(
               fmt::format("meta.milvus.collection is {}, but there are {} collections",
                           options.target_collection, chosen.size()))
        .WithOrigin(Origin::kConfig);
  }
  return chosen;
}

/// The databases that `meta.databases` names, each once.
Result<std::vector<std::string>> ChooseDatabases(const CallContext& ctx, milvus::Client& source,
                                                 const std::vector<std::string>& wanted) {
  MB_ASSIGN_OR_RETURN(std::vector<std::string> existing, source.ListDatabases(ctx));
  if (std::ranges::any_of(wanted, IsEveryDatabase)) return existing;
  for (const std::string& name : wanted) {
    if (std::ranges::count(existing, name) > 0) continue;
    return NotFoundError(fmt::format("the source has no database {}", name))
        .WithOrigin(Origin::kMilvus)
        .WithAdvice("correct meta.databases or --databases");
  }
  return WithoutRepetitions(wanted);
}

/// What goes where.
struct Routes {
  /// Of the target.
  std::vector<std::string> databases;
  /// Source and target of each collection.
  std::vector<std::pair<CollectionPlace, CollectionPlace>> collections;
};

class Job {
 public:
  Job(milvus::Client& source, milvus::Client& target, const Milvus2xOptions& options,
      const Milvus2xRules& rules, storage::Backend& state, transfer::Progress& progress,
      const Milvus2xPercent& on_percent)
      : options_(options),
        run_{source, target, options_, rules, state, progress, on_percent},
        wider_(rules.connect_wider) {
    for (std::string* db : {&options_.source_database, &options_.target_database}) {
      if (db->empty()) *db = kDefaultDb;
    }
  }

  Result<Milvus2xReport> Run(const CallContext& ctx) {
    const auto started = std::chrono::steady_clock::now();
    MB_RETURN_IF_ERROR(CheckVersion(run_.source, "source"));
    MB_RETURN_IF_ERROR(CheckVersion(run_.target, "target"));
    MB_RETURN_IF_ERROR(CheckApart());
    MB_ASSIGN_OR_RETURN(const Routes routes, ChooseRoutes(ctx));
    MB_ASSIGN_OR_RETURN(const auto lock, backup::RunLock::Acquire(
                                             ctx, run_.state, kMilvus2xLocks,
                                             meta::NewRunRecord("migration", kMilvus2xLockName)));
    for (const std::string& db : routes.databases) {
      MB_RETURN_IF_ERROR(EnsureDatabase(ctx, run_.target, db, false));
    }
    const Status status = MigrateAll(ctx, routes);
    Release();
    MB_RETURN_IF_ERROR(status);
    for (const auto& each : collections_) {
      std::ranges::copy(each->warnings(), std::back_inserter(report_.warnings));
    }
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return std::move(report_);
  }

 private:
  /// A collection that is read and added to has no end.
  Status CheckApart() const {
    const bool same_databases =
        !options_.databases.empty() || options_.source_database == options_.target_database;
    if (run_.source.endpoint() != run_.target.endpoint() || !same_databases) return Status::Ok();
    const bool renamed = options_.databases.empty() && options_.collections.size() == 1 &&
                         !run_.rules.all && !options_.target_collection.empty() &&
                         options_.target_collection != options_.collections.front();
    if (renamed) return Status::Ok();
    return InvalidArgumentError("source and target are the same collections")
        .WithOrigin(Origin::kConfig)
        .WithAdvice("set meta.milvus.collection or target.milvus2x.database to another name");
  }

  CollectionPlace SourcePlace(const std::string& db, const std::string& name) {
    return {.client = &run_.source,
            .db = db,
            .name = name,
            .wider = run_.rules.connect_wider ? &wider_ : nullptr};
  }

  Result<Routes> ChooseRoutes(const CallContext& ctx) {
    Routes routes;
    if (options_.databases.empty()) {
      routes.databases = {options_.target_database};
      MB_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                          ChooseCollections(ctx, run_.source, options_, run_.rules.all));
      for (const std::string& name : names) {
        const std::string& target =
            options_.target_collection.empty() ? name : options_.target_collection;
        routes.collections.emplace_back(
            SourcePlace(options_.source_database, name),
            CollectionPlace{&run_.target, options_.target_database, target});
      }
      return routes;
    }
    MB_ASSIGN_OR_RETURN(routes.databases, ChooseDatabases(ctx, run_.source, options_.databases));
    for (const std::string& db : routes.databases) {
      MB_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                          run_.source.ListCollections(ctx, db));
      for (const std::string& name : names) {
        routes.collections.emplace_back(SourcePlace(db, name),
                                        CollectionPlace{&run_.target, db, name});
      }
    }
    return routes;
  }

  Status MigrateAll(const CallContext& ctx, const Routes& routes) {
    run_.progress.SetPhase("check");
    for (const auto& [source, target] : routes.collections) {
      collections_.push_back(std::make_unique<CollectionMigration>(run_, source, target));
      MB_RETURN_IF_ERROR(collections_.back()->Prepare(ctx).Annotate(
          "collection '" + collections_.back()->title() + "'"));
    }
    MB_RETURN_IF_ERROR(OpenSources(ctx));
    run_.progress.SetPhase("copy");
    for (const auto& collection : collections_) run_.progress.rows_planned += collection->counted();
    std::map<std::string, std::vector<std::string>> filled;
    for (const auto& collection : collections_) {
      MB_RETURN_IF_ERROR(
          collection->Copy(ctx).Annotate("collection '" + collection->title() + "'"));
      const CollectionPlace& target = collection->target();
      if (!collection->was_done()) filled[target.db].push_back(target.name);
    }
    run_.progress.SetPhase("flush");
    for (const auto& [db, names] : filled) {
      MB_RETURN_IF_ERROR(FlushAndWait(ctx, run_.target, db, names, run_.rules.poll_interval));
    }
    run_.progress.SetPhase("compare");
    for (const auto& collection : collections_) {
      auto migrated = collection->Finish(ctx);
      if (!migrated.ok()) {
        return migrated.status().Annotate("collection '" + collection->title() + "'");
      }
      report_.collections.push_back(*std::move(migrated));
    }
    return Status::Ok();
  }

  /// What is stored is what queries are sure to see.
  Status OpenSources(const CallContext& ctx) {
    std::map<std::string, std::vector<std::string>> names;
    for (const auto& collection : collections_) {
      if (collection->was_done()) continue;
      MB_RETURN_IF_ERROR(
          collection->CountBeforeFlush(ctx).Annotate("collection '" + collection->title() + "'"));
      names[collection->source().db].push_back(collection->source().name);
    }
    for (const auto& [db, in_db] : names) {
      const Status flushed = FlushSource(ctx, run_.source, db, in_db, run_.rules);
      MB_RETURN_IF_ERROR(ctx.Check());
      if (flushed.ok()) continue;
      report_.warnings.push_back(fmt::format(
          "not all of the source is flushed, so rows written shortly before a collection "
          "was loaded may be missing in its answers: {}",
          flushed.ToString()));
    }
    for (const auto& collection : collections_) {
      MB_RETURN_IF_ERROR(
          collection->OpenSource(ctx).Annotate("collection '" + collection->title() + "'"));
    }
    return Status::Ok();
  }

  void Release() {
    for (const auto& collection : collections_) {
      // Also when the run was stopped.
      const Status released = collection->ReleaseSource({});
      if (released.ok()) continue;
      report_.warnings.push_back(fmt::format("collection '{}' was loaded and is not released: {}",
                                             collection->title(), released.ToString()));
    }
  }

  Milvus2xOptions options_;
  const Milvus2xRun run_;
  /// Of the source.
  WiderClient wider_;
  std::vector<std::unique_ptr<CollectionMigration>> collections_;
  Milvus2xReport report_;
};

}  // namespace

std::string CollectionTitle(const std::string& database, const std::string& name) {
  return database.empty() || database == kDefaultDb ? name : database + "." + name;
}

bool Milvus2xReport::source_changed() const {
  return std::ranges::any_of(collections, &Migrated::source_changed);
}

Result<Milvus2xReport> MigrateMilvus2x(const CallContext& ctx, milvus::Client& source,
                                       milvus::Client& target, const Milvus2xOptions& options,
                                       const Milvus2xRules& rules, storage::Backend& state,
                                       transfer::Progress& progress,
                                       const Milvus2xPercent& on_percent) {
  return Job(source, target, options, rules, state, progress, on_percent).Run(ctx);
}

}  // namespace milvus_backup::migration
