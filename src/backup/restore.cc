#include "milvus_backup/backup/restore.h"

#include "import_watch.h"
#include "phase_clock.h"
#include "restore_collection.h"
#include "restore_plan.h"
#include "restore_preflight.h"
#include "restore_run.h"
#include "run_lock.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/run_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// Collections whose imports may be queued in Milvus at once. It ends one import per tick, so the
/// queue must never run empty while a collection is finished and the next one is created.
constexpr size_t kQueuedCollections = 16;

class Restoration {
 public:
  Restoration(const CallContext& ctx, Site& site, const RestoreOptions& options)
      : ctx_(ctx),
        site_(site),
        options_(options),
        engine_(site.copy, site.progress),
        imports_(site.parallel_imports, options.import_stall_limit),
        seats_(std::max<size_t>(site.parallel_collections, 1)) {}

  Result<RestoreReport> Run() {
    MB_RETURN_IF_ERROR(options_.Validate());
    MB_RETURN_IF_ERROR(ReadAndPlan());
    if (!options_.dry_run) MB_RETURN_IF_ERROR(Lock());
    MB_RETURN_IF_ERROR(Check());
    for (size_t i = 0; i < plans_.size(); ++i) {
      collections_.emplace_back(run_, plans_[i], preflight_.destinations[i]);
    }
    if (!options_.dry_run) {
      MB_RETURN_IF_ERROR(CreateDatabases());
      MB_RETURN_IF_ERROR(RestoreCollections());
      MB_RETURN_IF_ERROR(RestoreAliases());
    }
    return Report();
  }

 private:
  Status ReadAndPlan() {
    const PhaseClock::Scope scope(clock_, "read");
    run_.Enter("read");
    MB_ASSIGN_OR_RETURN(backup_dir_, meta::BackupDir(site_.backup_storage.root, options_.name));
    MB_ASSIGN_OR_RETURN(info_, meta::ReadBackup(ctx_, *site_.backup_storage.backend, backup_dir_));
    const bool walks = ImportWalksDirectories(milvus::ParseVersion(site_.client->server_version()));
    MB_ASSIGN_OR_RETURN(plans_, PlanRestore(info_, options_, walks));
    if (options_.use_auto_index && !options_.rebuild_index) {
      warnings_.Add("--use_auto_index has no effect without --rebuild_index");
    }
    for (const CollectionName& name : options_.renames.named()) {
      if (std::ranges::count(plans_, name, &CollectionPlan::source) > 0) continue;
      warnings_.Add(fmt::format("-r/--rename names {}, which is not restored", name.ToString()));
    }
    return Status::Ok();
  }

  /// Milvus takes a second CreateCollection of the same schema for a success, so two restores into
  /// one collection would not notice each other.
  Status Lock() {
    meta::RunRecord record = meta::NewRunRecord("restore", options_.name);
    for (const CollectionPlan& plan : plans_) record.collections[plan.target.ToString()] = {};
    auto lock = RunLock::Acquire(ctx_, *site_.milvus_storage.backend, kRestoreLockDir, record);
    if (lock.ok()) {
      lock_ = *std::move(lock);
      return Status::Ok();
    }
    // Where nothing is staged, reading is all that is needed of the storage.
    if (run_.stages() || lock.status().code() != Code::kPermissionDenied) return lock.status();
    warnings_.Add("two restores at once are not kept apart: " + lock.status().ToString());
    return Status::Ok();
  }

  Status Check() {
    const PhaseClock::Scope scope(clock_, "check");
    run_.Enter("check");
    MB_ASSIGN_OR_RETURN(preflight_,
                        CheckBeforeRestore(ctx_, site_, options_, info_, backup_dir_, plans_));
    return Status::Ok();
  }

  Status CreateDatabases() {
    for (const std::string& db : preflight_.new_databases) {
      const Status status = site_.client->CreateDatabase(ctx_, db);
      // Somebody else may have made it since the check.
      if (status.code() == Code::kAlreadyExists) continue;
      MB_RETURN_IF_ERROR(status.Annotate("creating database " + db));
    }
    return Status::Ok();
  }

  Status RestoreCollections() {
    // Staged data lies in Milvus' bucket until it is imported, so no more of it than must be.
    const size_t width = run_.stages() ? site_.parallel_collections
                                       : std::max(site_.parallel_collections, kQueuedCollections);
    TaskGroup group(width, ctx_.stop);
    for (CollectionRestore& collection : collections_) {
      const bool taken = group.Submit([this, &collection](const std::stop_token& stop) {
        return collection.Run({stop, ctx_.deadline})
            .Annotate("collection " + collection.report().source);
      });
      if (!taken) break;
    }
    return group.Wait();
  }

  // Last of all: an alias may have to leave one replaced collection for another.
  Status RestoreAliases() {
    for (CollectionRestore& collection : collections_) {
      MB_RETURN_IF_ERROR(collection.RestoreAliases(ctx_));
    }
    return Status::Ok();
  }

  RestoreReport Report() {
    RestoreReport report{.name = options_.name,
                         .dry_run = options_.dry_run,
                         .meta_only = options_.meta_only,
                         .created_databases = preflight_.new_databases,
                         .warnings = warnings_.Take(),
                         .phases = clock_.seconds(),
                         .seconds = clock_.total()};
    for (const CollectionRestore& collection : collections_) {
      report.collections.push_back(collection.report());
      report.imports += collection.report().imports;
      report.staged_objects += collection.staged_objects();
      report.staged_bytes += collection.staged_bytes();
    }
    return report;
  }

  const CallContext ctx_;
  Site& site_;
  const RestoreOptions& options_;
  PhaseClock clock_;
  transfer::CopyEngine engine_;
  ImportQueue imports_;
  Warnings warnings_;
  Seats seats_;
  /// Nothing of Milvus is named so.
  const std::string staging_dir_ = "restore-temp-" + RandomHex(16) + "/";
  std::string backup_dir_;
  const RestoreRun run_{site_,    options_, backup_dir_, staging_dir_, engine_,
                        imports_, clock_,   warnings_,   seats_};
  meta::BackupInfo info_;
  std::vector<CollectionPlan> plans_;
  Preflight preflight_;
  std::unique_ptr<RunLock> lock_;
  std::deque<CollectionRestore> collections_;
};

}  // namespace

Status RestoreOptions::Validate() const {
  MB_RETURN_IF_ERROR(ValidateSuffix(suffix));
  if (!suffix.empty() && !renames.empty()) {
    return InvalidArgumentError("-s/--suffix and -r/--rename exclude each other");
  }
  if (!sources.selects_everything() && !targets.selects_everything()) {
    return InvalidArgumentError(
        "--filter excludes -c/--collections, -d/--databases and -a/--database_collections");
  }
  if (max_shard_num < 0) {
    return InvalidArgumentError(fmt::format(
        "--max_shard_num {}: give a number of shards, or 0 for no limit", max_shard_num));
  }
  return Status::Ok();
}

Result<RestoreReport> RestoreBackup(const CallContext& ctx, Site& site,
                                    const RestoreOptions& options) {
  return Restoration(ctx, site, options).Run();
}

}  // namespace milvus_backup::backup
