#include "milvus_backup/migration/load.h"

#include "collection_load.h"
#include "faiss_job.h"
#include "load_plan.h"
#include "load_traces.h"
#include "merged_pieces.h"
#include "target_bucket.h"
#include "target_database.h"
#include "target_schema.h"

#include "milvus_backup/backup/import_watch.h"
#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/milvus/version.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <stop_token>
#include <utility>

namespace milvus_backup::migration {
namespace {

constexpr char kDefaultDb[] = "default";
/// A server imports one file after the other; a second collection may be prepared meanwhile.
constexpr size_t kParallelCollections = 4;

/// Bulk insert as it is used came with it.
constexpr milvus::Version kOldest{2, 2, 0};

Status CheckServer(const milvus::Client& client) {
  const milvus::ParsedVersion parsed = milvus::ParseVersion(client.server_version());
  if (!parsed.known || parsed.version >= kOldest) return Status::Ok();
  return FailedPreconditionError(
             fmt::format("the target is Milvus {}, and 2.2 is the oldest that rows are loaded into",
                         client.server_version()))
      .WithAdvice("set target.milvus2x.endpoint to a newer one");
}

PlannedCollection PlannedFaiss(const FaissSource& faiss) {
  return {.source = faiss.collection,
          .name = faiss.collection,
          .table = FaissTable(faiss),
          .style = {.shards = faiss.shards}};
}

std::string NamesOf(const PlannedCollection& collection) {
  std::string text = fmt::format("collection '{}' becomes {}", collection.source, collection.name);
  for (const auto& [tag, name] : collection.partitions) {
    if (tag != name) text += fmt::format(", its partition '{}' {}", tag, name);
  }
  return text;
}

class LoadJob {
 public:
  LoadJob(milvus::Client& client, const std::string& db, const Store& target,
          const LoadRules& rules, const LoadPlan& plan)
      : queue_(rules.parallel_imports, rules.stall_limit, rules.poll_interval),
        plan_(plan),
        run_{client,  db.empty() ? kDefaultDb : db,
             target,  rules,
             queue_,  [this](const CallContext& ctx) { return lock_->Check(ctx); },
             {},      nullptr,
             &merger_} {
    for (const PlannedCollection& collection : plan.collections) {
      const std::string names = NamesOf(collection);
      const bool renamed = collection.name != collection.source ||
                           names.find(", its partition") != std::string::npos;
      if (renamed) report_.warnings.push_back(names);
    }
  }

  Result<LoadReport> Run(const CallContext& ctx) {
    const auto started = std::chrono::steady_clock::now();
    MB_RETURN_IF_ERROR(CheckServer(run_.client));
    if (run_.rules.dry_run) {
      MB_RETURN_IF_ERROR(Preview(ctx));
    } else {
      MB_RETURN_IF_ERROR(TakeLock(ctx));
      MB_RETURN_IF_ERROR(EnsureDatabase(ctx, run_.client, run_.db, false));
      MB_RETURN_IF_ERROR(LoadCollections(ctx));
      Clean(ctx);
    }
    report_.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return std::move(report_);
  }

 private:
  storage::Backend& target() const { return *run_.target.backend; }

  Status TakeLock(const CallContext& ctx) {
    const meta::RunRecord record = meta::NewRunRecord("load", run_.target.prefix);
    MB_ASSIGN_OR_RETURN(
        lock_, backup::RunLock::Acquire(ctx, target(), run_.target.prefix + "locks/", record));
    return Status::Ok();
  }

  Status Preview(const CallContext& ctx) {
    MB_RETURN_IF_ERROR(EnsureDatabase(ctx, run_.client, run_.db, true));
    for (const PlannedCollection& plan : plan_.collections) {
      LoadedCollection collection{.source = plan.source,
                                  .name = plan.name,
                                  .partitions = plan.partitions,
                                  .imports = run_.ImportsOf(plan).size(),
                                  .expected = plan.rows()};
      const auto existing = run_.client.DescribeCollection(ctx, run_.db, plan.name);
      if (existing.ok()) {
        MB_RETURN_IF_ERROR(CheckFits(*existing, plan.table, plan.style));
        MB_ASSIGN_OR_RETURN(collection.before,
                            run_.client.CountStoredRows(ctx, run_.db, plan.name));
      } else if (existing.status().code() != Code::kNotFound) {
        return existing.status();
      }
      report_.collections.push_back(std::move(collection));
    }
    if (!run_.rules.looks_for_bucket) return Status::Ok();
    MB_ASSIGN_OR_RETURN(std::string warning,
                        WarnOfOtherBucket(ctx, run_.client, run_.db, run_.target));
    if (!warning.empty()) report_.warnings.push_back(std::move(warning));
    return Status::Ok();
  }

  Status LoadCollections(const CallContext& ctx) {
    if (run_.rules.progress != nullptr) {
      uint64_t imports = 0;
      for (const PlannedCollection& plan : plan_.collections) {
        imports += run_.ImportsOf(plan).size();
      }
      run_.rules.progress->imports_planned = imports;
    }
    TaskGroup group(kParallelCollections, ctx.stop);
    report_.collections.resize(plan_.collections.size());
    for (size_t i = 0; i < plan_.collections.size(); ++i) {
      const bool taken = group.Submit([this, i](const std::stop_token& stop) -> Status {
        auto loaded = CollectionLoad(run_, plan_.collections[i]).Run({.stop = stop});
        if (!loaded.ok()) {
          return loaded.status().Annotate("collection '" + plan_.collections[i].source + "'");
        }
        report_.collections[i] = *std::move(loaded);
        return Status::Ok();
      });
      if (!taken) break;
    }
    return group.Wait();
  }

  /// All rows are in Milvus. An error would have the command run again, which with `start` brings
  /// them once more.
  void Clean(const CallContext& ctx) {
    if (run_.rules.keep) return;
    if (plan_.is_partial) {
      report_.warnings.push_back("the dump stays: not all of its collections were to be loaded");
      return;
    }
    const Status removed = Remove(ctx);
    report_.cleaned = removed.ok();
    if (removed.ok()) return;
    report_.warnings.push_back(
        fmt::format("all rows are in Milvus, but {} of {} could not be removed as a whole: {}",
                    run_.target.prefix, target().Describe(), removed.ToString()));
  }

  Status Remove(const CallContext& ctx) {
    const char* const cleaner =
        run_.target.local_root.empty() ? "[Remote Cleaner]" : "[Local Cleaner]";
    log::Event(log::Level::kInfo, fmt::format("{} Begin to clean files", cleaner),
               {{"rootPath", run_.target.prefix}});
    MB_RETURN_IF_ERROR(NoteLoaded(ctx, run_.target, plan_.needed.front()));
    // From here on there is nothing to load, however the removal ends.
    for (const std::string& name : plan_.needed) {
      MB_RETURN_IF_ERROR(target().Delete(ctx, run_.target.prefix + name));
    }
    lock_.reset();
    MB_RETURN_IF_ERROR(RemoveLoaded(ctx, run_.target));
    log::Event(log::Level::kInfo, "[Cleaner] clean file success!", {});
    return Status::Ok();
  }

  backup::ImportQueue queue_;
  PieceMerger merger_;
  const LoadPlan& plan_;
  LoadRun run_;
  std::unique_ptr<backup::RunLock> lock_;
  LoadReport report_;
};

}  // namespace

Result<LoadReport> Load(const CallContext& ctx, milvus::Client& client, const std::string& db,
                        const Store& target, const LoadRules& rules) {
  MB_ASSIGN_OR_RETURN(const LoadPlan plan, PlanLoad(ctx, target, rules.collections));
  return LoadJob(client, db, target, rules, plan).Run(ctx);
}

Result<LoadReport> PreviewLoad(const CallContext& ctx, milvus::Client& client,
                               const std::string& db, const Meta& meta, const Store& target,
                               const LoadRules& rules) {
  LoadRules looking = rules;
  looking.dry_run = true;
  const LoadPlan plan = PlanFromMeta(meta);
  return LoadJob(client, db, target, looking, plan).Run(ctx);
}

Result<LoadReport> PreviewLoadFaiss(const CallContext& ctx, milvus::Client& client,
                                    const std::string& db, const FaissSource& faiss, uint64_t rows,
                                    const Store& target, const LoadRules& rules) {
  LoadRules looking = rules;
  looking.dry_run = true;
  LoadPlan plan;
  plan.collections.push_back(PlannedFaiss(faiss));
  if (rows > 0) plan.collections[0].pieces.push_back({.partition = "_default", .rows = rows});
  return LoadJob(client, db, FaissStore(target, faiss), looking, plan).Run(ctx);
}

Result<LoadReport> LoadFaiss(const CallContext& ctx, milvus::Client& client, const std::string& db,
                             const FaissSource& faiss, const Store& target,
                             const LoadRules& rules) {
  MB_RETURN_IF_ERROR(CheckSelected(faiss, rules.collections));
  const Store own = FaissStore(target, faiss);
  PlannedCollection collection = PlannedFaiss(faiss);
  MB_RETURN_IF_ERROR(AddDump(ctx, own, "", "_default", collection));
  LoadPlan plan{.needed = FaissNeeded()};
  plan.collections.push_back(std::move(collection));
  return LoadJob(client, db, own, rules, plan).Run(ctx);
}

}  // namespace milvus_backup::migration
