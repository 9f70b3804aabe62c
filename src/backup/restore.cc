#include "milvus_backup/backup/restore.h"

#include "expected_files.h"
#include "import_watch.h"
#include "phase_clock.h"
#include "restore_plan.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <random>
#include <set>
#include <utility>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;

/// Time that dropping half-made collections and removing staged objects may take.
constexpr auto kCleanUpLimit = 60s;

std::string RandomRunId() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

class Restoration {
 public:
  Restoration(const CallContext& ctx, Site& site, const RestoreOptions& options)
      : ctx_(ctx),
        site_(site),
        options_(options),
        engine_(site.copy, site.progress),
        staging_dir_("restore-temp-" + RandomRunId() + "/") {}

  Result<RestoreReport> Run() {
    report_.name = options_.name;
    MB_RETURN_IF_ERROR(ReadAndPlan());
    MB_RETURN_IF_ERROR(CheckBeforeWriting());
    report_.collections.resize(plans_.size());
    TaskGroup group(site_.parallel_collections, ctx_.stop);
    for (size_t i = 0; i < plans_.size(); ++i) {
      const bool taken = group.Submit([this, i](const std::stop_token& stop) {
        Status status = RestoreOne({stop, ctx_.deadline}, plans_[i], report_.collections[i]);
        return status.ok()
                   ? status
                   : std::move(status).Annotate("collection " + plans_[i].source.ToString());
      });
      if (!taken) break;
    }
    MB_RETURN_IF_ERROR(group.Wait());
    for (const RestoredCollection& collection : report_.collections) {
      report_.imports += collection.imports;
    }
    report_.phases = clock_.seconds();
    report_.seconds = clock_.total();
    return report_;
  }

 private:
  void Enter(const std::string& phase) {
    if (site_.progress != nullptr) site_.progress->SetPhase(phase);
  }

  Status ReadAndPlan() {
    const PhaseClock::Scope scope(clock_, "read");
    Enter("read");
    MB_ASSIGN_OR_RETURN(backup_dir_, meta::BackupDir(site_.backup_storage.root, options_.name));
    MB_RETURN_IF_ERROR(ValidateSuffix(options_.suffix));
    MB_ASSIGN_OR_RETURN(info_, meta::ReadBackup(ctx_, *site_.backup_storage.backend, backup_dir_));
    const bool walks = ImportWalksDirectories(milvus::ParseVersion(site_.client->server_version()));
    MB_ASSIGN_OR_RETURN(plans_, PlanRestore(info_, options_, walks));
    return Status::Ok();
  }

  // Everything that can be known before the first change.
  Status CheckBeforeWriting() {
    const PhaseClock::Scope scope(clock_, "check");
    Enter("check");
    std::set<std::string> databases = {meta::kDefaultDatabase};
    if (site_.client->has_databases()) {
      MB_ASSIGN_OR_RETURN(const std::vector<std::string> names, site_.client->ListDatabases(ctx_));
      databases.insert(names.begin(), names.end());
    }
    for (const CollectionPlan& plan : plans_) {
      MB_RETURN_IF_ERROR(CheckTarget(plan, databases));
      std::vector<std::string> closed;
      for (const ImportUnit& unit : plan.units) {
        closed.push_back(unit.insert_dir);
        closed.push_back(unit.delta_dir);
      }
      MB_RETURN_IF_ERROR(CheckFiles(ctx_, *site_.backup_storage.backend, backup_dir_,
                                    plan.backup->collection_id, plan.files, closed));
    }
    if (site_.backup_visible_to_milvus) return Status::Ok();
    return site_.milvus_storage.backend->CheckAccess(ctx_).Annotate(
        "opening Milvus' own storage for staging");
  }

  Status CheckTarget(const CollectionPlan& plan, const std::set<std::string>& databases) {
    if (!databases.contains(plan.target.db)) {
      if (site_.client->has_databases()) {
        new_databases_.insert(plan.target.db);
        return Status::Ok();
      }
      return FailedPreconditionError(
          fmt::format("{} cannot be restored: Milvus {} has no databases", plan.target.ToString(),
                      site_.client->server_version()));
    }
    MB_ASSIGN_OR_RETURN(const bool exists,
                        site_.client->HasCollection(ctx_, plan.target.db, plan.target.collection));
    if (!exists) return Status::Ok();
    return AlreadyExistsError(fmt::format("collection already exist: {} in Milvus at {}",
                                          plan.target.ToString(), site_.client->endpoint()))
        .WithAdvice("choose another name with -s/--suffix, or drop it; nothing was changed");
  }

  Status EnsureDatabase(const CallContext& ctx, const std::string& db) {
    const std::scoped_lock lock(database_mutex_);
    if (!new_databases_.contains(db)) return Status::Ok();
    MB_RETURN_IF_ERROR(site_.client->CreateDatabase(ctx, db).Annotate("creating database " + db));
    new_databases_.erase(db);
    return Status::Ok();
  }

  Status RestoreOne(const CallContext& ctx, const CollectionPlan& plan,
                    RestoredCollection& report) {
    report.source = plan.source.ToString();
    report.target = plan.target.ToString();
    report.in_place = site_.backup_visible_to_milvus;
    report.rows = plan.rows;
    MB_RETURN_IF_ERROR(ctx.Check());
    MB_RETURN_IF_ERROR(EnsureDatabase(ctx, plan.target.db));
    MB_ASSIGN_OR_RETURN(const milvus::CreateCollectionRequest request, ToCreateRequest(plan));
    {
      const PhaseClock::Scope scope(clock_, "create");
      Enter("create");
      MB_RETURN_IF_ERROR(
          site_.client->CreateCollection(ctx, request).Annotate("creating " + report.target));
    }
    ImportWatch watch(*site_.client, plan.target, site_.parallel_imports, site_.progress);
    Status status = FillCollection(ctx, plan, watch, report);
    CleanUp(plan, watch, status.ok());
    return status;
  }

  Status FillCollection(const CallContext& ctx, const CollectionPlan& plan, ImportWatch& watch,
                        RestoredCollection& report) {
    MB_RETURN_IF_ERROR(CreatePartitions(ctx, plan));
    if (!site_.backup_visible_to_milvus) MB_RETURN_IF_ERROR(Stage(ctx, plan));
    MB_RETURN_IF_ERROR(Import(ctx, plan, watch, report));
    if (options_.rebuild_index) MB_RETURN_IF_ERROR(BuildIndexes(ctx, plan));
    return CountRows(ctx, plan, report);
  }

  Status CreatePartitions(const CallContext& ctx, const CollectionPlan& plan) {
    const PhaseClock::Scope scope(clock_, "create");
    MB_ASSIGN_OR_RETURN(const std::vector<milvus::Partition> present,
                        site_.client->ListPartitions(ctx, plan.target.db, plan.target.collection));
    for (const meta::PartitionBackup& partition : plan.backup->partition_backups) {
      if (std::ranges::find(present, partition.partition_name, &milvus::Partition::name) !=
          present.end()) {
        continue;
      }
      MB_RETURN_IF_ERROR(site_.client
                             ->CreatePartition(ctx, plan.target.db, plan.target.collection,
                                               partition.partition_name)
                             .Annotate("creating partition " + partition.partition_name));
    }
    return Status::Ok();
  }

  Status Stage(const CallContext& ctx, const CollectionPlan& plan) {
    const PhaseClock::Scope scope(clock_, "stage");
    Enter("stage");
    transfer::CopyBatch batch(engine_, *site_.backup_storage.backend, *site_.milvus_storage.backend,
                              ctx.stop);
    for (const ExpectedFile& file : plan.files) {
      if (!batch.Add({backup_dir_ + file.path, staging_dir_ + file.path, file.size, ""}).ok())
        break;
    }
    const transfer::CopySummary summary = batch.Wait();
    MB_RETURN_IF_ERROR(summary.ToStatus());
    const std::scoped_lock lock(mutex_);
    report_.staged_objects += summary.objects;
    report_.staged_bytes += summary.bytes;
    return Status::Ok();
  }

  Status Import(const CallContext& ctx, const CollectionPlan& plan, ImportWatch& watch,
                RestoredCollection& report) {
    const PhaseClock::Scope scope(clock_, "import");
    Enter("import");
    const std::string base = site_.backup_visible_to_milvus
                                 ? site_.backup_storage.milvus_prefix + backup_dir_
                                 : site_.milvus_storage.milvus_prefix + staging_dir_;
    std::vector<milvus::ImportRequest> data;
    std::vector<milvus::ImportRequest> deletes;
    for (const ImportUnit& unit : plan.units) {
      milvus::ImportRequest request{.db_name = plan.target.db,
                                    .collection_name = plan.target.collection,
                                    .partition_name = unit.partition_name};
      const std::string delta = unit.delta_dir.empty() ? "" : base + unit.delta_dir;
      request.files = unit.is_l0 ? std::vector<std::string>{delta}
                                 : std::vector<std::string>{base + unit.insert_dir, delta};
      request.options = {{"skip_disk_quota_check", "true"},
                         {unit.is_l0 ? "l0_import" : "backup", "true"}};
      if (unit.storage_version > 0) {
        request.options.push_back({"storage_version", std::to_string(unit.storage_version)});
      }
      (unit.is_l0 ? deletes : data).push_back(std::move(request));
    }
    report.imports = data.size() + deletes.size();
    if (site_.progress != nullptr) site_.progress->imports_planned += report.imports;
    Status status = watch.Run(ctx, data);
    // Deletes of L0 segments apply to rows that are there, so they come last.
    if (status.ok()) status = watch.Run(ctx, deletes);
    if (status.ok() || status.origin() != Origin::kMilvus) return status;
    return std::move(status).WithAdvice(
        fmt::format("if Milvus found no files, {} is not the bucket or directory that it uses",
                    site_.milvus_storage.bucket_key));
  }

  Status BuildIndexes(const CallContext& ctx, const CollectionPlan& plan) {
    const PhaseClock::Scope scope(clock_, "index");
    Enter("index");
    for (const milvus::Index& index : IndexesToBuild(*plan.backup)) {
      MB_RETURN_IF_ERROR(
          site_.client->CreateIndex(ctx, plan.target.db, plan.target.collection, index)
              .Annotate("creating index " + index.name + " on " + index.field_name));
    }
    return Status::Ok();
  }

  Status CountRows(const CallContext& ctx, const CollectionPlan& plan, RestoredCollection& report) {
    const PhaseClock::Scope scope(clock_, "count");
    Enter("count");
    MB_ASSIGN_OR_RETURN(
        const std::vector<milvus::Segment> segments,
        site_.client->ListPersistentSegments(ctx, plan.target.db, plan.target.collection));
    report.rows.restored = 0;
    for (const milvus::Segment& segment : segments) report.rows.restored += segment.num_rows;
    if (report.rows.restored >= report.rows.at_least &&
        report.rows.restored <= report.rows.at_most) {
      return Status::Ok();
    }
    const std::string expected =
        report.rows.exact() ? std::to_string(report.rows.at_most)
                            : fmt::format("{} to {}", report.rows.at_least, report.rows.at_most);
    return DataLossError(fmt::format("{} holds {} rows after the import instead of {}",
                                     report.target, report.rows.restored, expected))
        .WithOrigin(Origin::kMilvus);
  }

  // On a context of its own, for the command's may have been cancelled. Imports that run come to
  // their end first: the server reads staged objects until then.
  void CleanUp(const CollectionPlan& plan, ImportWatch& watch, bool succeeded) {
    const PhaseClock::Scope scope(clock_, "clean");
    const CallContext ctx{{}, std::chrono::steady_clock::now() + kCleanUpLimit};
    if (!succeeded) {
      Enter("clean up");
      if (const Status drained = watch.Drain(ctx); !drained.ok()) {
        log::Error(
            "imports into {} may still run ({}); when they have ended, drop that collection{}",
            plan.target.ToString(), drained.ToString(),
            IsStaged() ? " and remove " + staging_dir_ + " from " +
                             site_.milvus_storage.backend->Describe()
                       : "");
        return;
      }
      const Status dropped =
          site_.client->DropCollection(ctx, plan.target.db, plan.target.collection);
      if (!dropped.ok() && dropped.code() != Code::kNotFound) {
        log::Error("the incomplete collection {} could not be dropped: {}", plan.target.ToString(),
                   dropped.ToString());
      }
    }
    if (IsStaged()) RemoveStaged(ctx, plan);
  }

  bool IsStaged() const { return !site_.backup_visible_to_milvus && !site_.keep_temp_files; }

  void RemoveStaged(const CallContext& ctx, const CollectionPlan& plan) {
    for (const char* kind : {"insert_log", "delta_log"}) {
      const std::string prefix =
          fmt::format("{}binlogs/{}/{}/", staging_dir_, kind, plan.backup->collection_id);
      const Status status =
          storage::DeleteTree(ctx, *site_.milvus_storage.backend, prefix).status();
      if (status.ok()) continue;
      log::Error("staged objects are left under {} in {}: {}", prefix,
                 site_.milvus_storage.backend->Describe(), status.ToString());
    }
  }

  const CallContext ctx_;
  Site& site_;
  const RestoreOptions& options_;
  PhaseClock clock_;
  transfer::CopyEngine engine_;
  /// At the root of Milvus' bucket, or of its directory on a disk: nothing of Milvus is named so.
  const std::string staging_dir_;
  std::string backup_dir_;
  meta::BackupInfo info_;
  std::vector<CollectionPlan> plans_;
  std::mutex database_mutex_;
  std::set<std::string> new_databases_;
  std::mutex mutex_;
  RestoreReport report_;
};

}  // namespace

Result<RestoreReport> RestoreBackup(const CallContext& ctx, Site& site,
                                    const RestoreOptions& options) {
  return Restoration(ctx, site, options).Run();
}

}  // namespace milvus_backup::backup
