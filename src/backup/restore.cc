#include "milvus_backup/backup/restore.h"

#include "phase_clock.h"
#include "read_backup.h"
#include "restore_collection.h"
#include "restore_ledger.h"
#include "restore_plan.h"
#include "restore_preflight.h"
#include "restore_run.h"
#include "restore_schema.h"

#include "milvus_backup/backup/import_watch.h"
#include "milvus_backup/backup/inspect.h"
#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/run_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// Collections whose imports may be queued in Milvus at once. It ends one import per tick, so the
/// queue must never run empty while a collection is finished and the next one is created.
constexpr size_t kQueuedCollections = 16;
/// Time that removing the records of a run may take.
constexpr auto kEndLimit = std::chrono::seconds(60);

class Restoration {
 public:
  Restoration(const CallContext& ctx, Site& site, const RestoreOptions& options)
      : ctx_(ctx),
        site_(site),
        options_(options),
        engine_(site.copy, site.progress),
        imports_(site.parallel_imports, options.import_stall_limit, options.import_poll_interval),
        seats_(std::max<size_t>(site.parallel_collections, 1)) {}

  Result<RestoreReport> Run() {
    MB_RETURN_IF_ERROR(options_.Validate());
    MB_RETURN_IF_ERROR(ReadAndPlan());
    MB_RETURN_IF_ERROR(LockAndLook());
    MB_RETURN_IF_ERROR(Check());
    for (size_t i = 0; i < plans_.size(); ++i) {
      collections_.emplace_back(run_, plans_[i], preflight_.destinations[i]);
    }
    if (!options_.dry_run) {
      if (Status status = Change(); !status.ok()) {
        LeaveUnfinished();
        return status;
      }
      Finish();
    }
    return Report();
  }

 private:
  Status ReadAndPlan() {
    const PhaseClock::Scope scope(clock_, "read");
    run_.Enter("read");
    MB_ASSIGN_OR_RETURN(backup_dir_, meta::BackupDir(site_.backup_storage.root, options_.name));
    MB_ASSIGN_OR_RETURN(info_, ReadRestorable(ctx_, *site_.backup_storage.backend, backup_dir_));
    walks_ = ImportWalksDirectories(milvus::ParseVersion(site_.client->server_version()));
    MB_ASSIGN_OR_RETURN(plans_, PlanRestore(info_, options_, walks_));
    if (options_.use_auto_index && !options_.rebuild_index) {
      warnings_.Add("--use_auto_index has no effect without --rebuild_index");
    }
    for (const std::string& name : UnusedRenames(info_, options_, plans_)) {
      warnings_.Add(fmt::format("-r/--rename names {}, which is not restored", name));
    }
    for (const CollectionPlan& plan : plans_) WarnOfDefaults(plan);
    return Status::Ok();
  }

  void WarnOfDefaults(const CollectionPlan& plan) {
    for (const meta::FieldSchema& field : plan.backup->schema.fields) {
      if (!HasDamagedDefault(field)) continue;
      warnings_.Add(
          fmt::format("{}: field '{}' is restored without its default value, which the tool that "
                      "made the backup did not store whole",
                      plan.target.ToString(), field.name));
    }
  }

  /// Milvus takes a second CreateCollection of the same schema for a success, so two restores into
  /// one collection would not notice each other. Whoever has the lock may go on with what
  /// unfinished runs have left of its targets.
  Status LockAndLook() {
    storage::Backend& storage = *site_.milvus_storage.backend;
    meta::RunRecord record = meta::NewRunRecord("restore", options_.name);
    for (const CollectionPlan& plan : plans_) record.targets.insert(plan.target.ToString());
    Status status;
    if (!options_.dry_run) {
      auto lock = RunLock::Acquire(ctx_, storage, kRestoreLockDir, record);
      status = lock.status();
      if (lock.ok()) lock_ = *std::move(lock);
    }
    if (status.ok() && !options_.dry_run) status = LockBackup();
    if (status.ok()) {
      auto ledger = RestoreLedger::Open(ctx_, storage, record);
      status = ledger.status();
      if (ledger.ok()) ledger_ = *std::move(ledger);
    }
    if (!status.ok()) {
      ledger_ = RestoreLedger::Without(storage, record);
      // Where nothing is staged, reading is all that is needed of the storage, and a dry run only
      // tells less.
      const bool is_needed = run_.stages() || status.code() != Code::kPermissionDenied;
      if (is_needed && !options_.dry_run) return status;
      if (!options_.dry_run) WarnWithoutRecords(status);
    }
    run_.ledger = ledger_.get();
    run_.lock = lock_.get();
    if (!options_.dry_run) {
      ledger_->RemoveRemains(ctx_).IgnoreError("the next restore tries again");
    }
    return Status::Ok();
  }

  /// So that nobody deletes or changes what is being read. Reading is all that is needed of the
  /// backup, so where no lock can be left there is none.
  Status LockBackup() {
    auto lock = RunLock::Acquire(ctx_, *site_.backup_storage.backend,
                                 BackupLockDir(site_.backup_storage.root, options_.name),
                                 meta::NewRunRecord("read", options_.name));
    if (lock.ok()) {
      backup_lock_ = *std::move(lock);
      return Status::Ok();
    }
    const Code code = lock.status().code();
    if (code == Code::kAlreadyExists || code == Code::kCancelled) return lock.status();
    log::Info("backup={} is not locked against changes: {}", options_.name,
              lock.status().ToString());
    return Status::Ok();
  }

  void WarnWithoutRecords(const Status& status) {
    warnings_.Add(
        "two restores at once are not kept apart, and one that is killed cannot be gone on with: " +
        status.ToString());
  }

  Status Check() {
    const PhaseClock::Scope scope(clock_, "check");
    run_.Enter("check");
    MB_ASSIGN_OR_RETURN(preflight_, CheckBeforeRestore(ctx_, site_, options_, info_, backup_dir_,
                                                       plans_, *ledger_));
    run_.proof = &preflight_.proof;
    return CountLive();
  }

  /// Servers that walk directories apply deletes while they import, so what they hold afterwards is
  /// known exactly. Later ones may keep deleted rows until they compact.
  Status CountLive() {
    if (options_.meta_only || !walks_) return Status::Ok();
    const BackupLocation backup{.backend = site_.backup_storage.backend, .dir = backup_dir_};
    for (CollectionPlan& plan : plans_) {
      if (plan.rows.exact()) continue;
      auto live = CountLiveRows(ctx_, backup, *plan.backup);
      if (!live.ok()) {
        return live.status().Annotate("counting the rows of " + plan.source.ToString());
      }
      plan.rows.at_least = static_cast<int64_t>(*live);
      plan.rows.at_most = plan.rows.at_least;
    }
    return Status::Ok();
  }

  Status Change() {
    Status begun = ledger_->Begin(ctx_);
    if (begun.code() == Code::kPermissionDenied && !run_.stages()) {
      ledger_->Disable();
      WarnWithoutRecords(begun);
      begun = Status::Ok();
    }
    MB_RETURN_IF_ERROR(begun);
    MB_RETURN_IF_ERROR(ForgetFinished());
    MB_RETURN_IF_ERROR(CreateDatabases());
    if (!preflight_.rbac.empty()) {
      MB_RETURN_IF_ERROR(
          site_.client->RestoreRbac(ctx_, preflight_.rbac).Annotate("restoring users and roles"));
    }
    MB_RETURN_IF_ERROR(RestoreCollections());
    return RestoreAliases();
  }

  /// What is to be replaced once more is unfinished from now on, so that a run that goes on with
  /// this one does not spare it.
  Status ForgetFinished() {
    if (options_.existing != ExistingTarget::kReplace || !ledger_->IsFinished()) {
      return Status::Ok();
    }
    for (const CollectionPlan& plan : plans_) {
      MB_RETURN_IF_ERROR(ledger_->Forget(ctx_, plan.target.ToString()));
    }
    return Status::Ok();
  }

  // On a context of its own: everything is restored.
  void Finish() {
    const Status status = ledger_->End({{}, std::chrono::steady_clock::now() + kEndLimit});
    if (status.ok()) return;
    warnings_.Add("everything is restored, but records of the run are left: " + status.ToString());
  }

  void LeaveUnfinished() {
    const auto some_left =
        ledger_->RemoveEmptyMarkers({{}, std::chrono::steady_clock::now() + kEndLimit});
    if (some_left.ok() && !*some_left) return;
    log::Warn("the restore is unfinished: the same command goes on with it");
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
    if (site_.progress != nullptr) site_.progress->collections_planned = plans_.size();
    for (const CollectionPlan& plan : plans_) Tell(plan, RestorePhase::kPlanned);
    TaskGroup group(width, ctx_.stop);
    for (size_t i = 0; i < plans_.size(); ++i) {
      const bool taken = group.Submit(
          [this, i](const std::stop_token& stop) { return RestoreCollection(i, stop); });
      if (!taken) break;
    }
    return group.Wait();
  }

  Status RestoreCollection(size_t index, const std::stop_token& stop) {
    CollectionRestore& collection = collections_[index];
    Tell(plans_[index], RestorePhase::kStarted);
    const Status status = collection.Run({stop, ctx_.deadline});
    if (status.ok() && site_.progress != nullptr) ++site_.progress->collections_done;
    Tell(plans_[index], status.ok() ? RestorePhase::kDone : RestorePhase::kFailed);
    return status.Annotate("collection " + collection.report().source);
  }

  void Tell(const CollectionPlan& plan, RestorePhase phase) const {
    if (options_.observer) options_.observer(plan.target, phase);
  }

  // Last of all: an alias may have to leave one replaced collection for another.
  Status RestoreAliases() {
    if (!options_.aliases) return Status::Ok();
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
                         .users = preflight_.rbac.users.size(),
                         .roles = preflight_.rbac.roles.size(),
                         .grants = preflight_.rbac.grants.size(),
                         .privilege_groups = preflight_.rbac.privilege_groups.size(),
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
  std::string backup_dir_;
  RestoreRun run_{site_, options_, backup_dir_, engine_, imports_, clock_, warnings_, seats_};
  meta::BackupInfo info_;
  /// ImportWalksDirectories.
  bool walks_ = false;
  std::vector<CollectionPlan> plans_;
  Preflight preflight_;
  std::unique_ptr<RunLock> lock_;
  std::unique_ptr<RunLock> backup_lock_;
  std::unique_ptr<RestoreLedger> ledger_;
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
