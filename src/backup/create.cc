#include "milvus_backup/backup/create.h"

#include "create_collection.h"
#include "describe.h"
#include "enumerate.h"
#include "flush_wait.h"
#include "manifest_build.h"
#include "rbac.h"
#include "stale_files.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/totals.h"
#include "milvus_backup/meta/writer.h"
#include "milvus_backup/milvus/gc_pause.h"
#include "milvus_backup/milvus/version.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;

struct StrategyName {
  std::string_view name;
  Strategy strategy;
};
constexpr std::array<StrategyName, 4> kStrategies = {{{"meta_only", Strategy::kMetaOnly},
                                                      {"skip_flush", Strategy::kSkipFlush},
                                                      {"bulk_flush", Strategy::kBulkFlush},
                                                      {"serial_flush", Strategy::kSerialFlush}}};

std::string NameOf(Strategy strategy) {
  return std::string(std::ranges::find(kStrategies, strategy, &StrategyName::strategy)->name);
}

/// Whether other collections would fail the same way.
bool EndsTheRun(const Status& status) {
  switch (status.code()) {
    case Code::kCancelled:
    case Code::kUnauthenticated:
    case Code::kUnavailable:
      return true;
    case Code::kPermissionDenied:
    case Code::kResourceExhausted:
      // Milvus grants rights, and limits rates, collection by collection.
      return status.origin() != Origin::kMilvus;
    default:
      return status.origin() == Origin::kConfig || status.service_code() == "NoSuchBucket";
  }
}

/// Servers whose FlushAll tells what to wait for in a way that can be trusted.
bool HasFlushAll(const milvus::Client& client) {
  const milvus::ParsedVersion parsed = milvus::ParseVersion(client.server_version());
  return parsed.known && parsed.version >= milvus::Version{.major = 2, .minor = 6, .patch = 11};
}

class Creation {
 public:
  Creation(const CallContext& ctx, Site& site, const CreateOptions& options)
      : ctx_(ctx), site_(site), options_(options), run_(site, options) {}

  Result<CreateReport> Run() {
    Status prepared = Prepare();
    if (!prepared.ok()) {
      LeaveUnfinished();
      return prepared;
    }
    if (WasComplete()) return ReportFinished();
    if (options_.dry_run) {
      MB_RETURN_IF_ERROR(Plan());
      return Report();
    }
    Status status = Fill();
    if (!status.ok()) {
      LeaveUnfinished();
      return status;
    }
    return Report();
  }

 private:
  using Step = std::function<Status(CollectionCreation& collection, const CallContext& ctx)>;

  Status Prepare() {
    const auto phase = run_.Enter("prepare");
    info_.id = options_.id.empty() ? RandomUuid() : options_.id;
    info_.name = options_.name.empty() ? meta::DefaultBackupName(std::chrono::system_clock::now())
                                       : options_.name;
    MB_RETURN_IF_ERROR(meta::ValidateBackupName(info_.name));
    run_.id = info_.id;
    MB_ASSIGN_OR_RETURN(run_.backup_dir, meta::BackupDir(site_.backup_storage.root, info_.name));
    MB_RETURN_IF_ERROR(ClaimName());
    info_.milvus_version = site_.client->server_version();
    // Asked first: on an older server the answer is a refusal.
    if (options_.rbac) {
      MB_ASSIGN_OR_RETURN(info_.rbac_meta, DescribeRbac(ctx_, *site_.client));
    }
    MB_ASSIGN_OR_RETURN(Inventory inventory, FindSelected(ctx_, *site_.client, options_.selection));
    if (WasComplete()) return CheckHolds(inventory);
    TakeUp(std::move(inventory));
    return Status::Ok();
  }

  Status ExistsOtherwise(const std::string& what) const {
    return AlreadyExistsError(fmt::format("backup {} already exists, {}", info_.name, what))
        .WithAdvice("choose another name with -n");
  }

  /// A finished backup answers only for what it has, and as it was taken.
  Status CheckHolds(const Inventory& inventory) {
    const meta::RunRecord& left = run_.claim->left();
    if (!left.strategy.empty() && left.strategy != NameOf(options_.strategy)) {
      return ExistsOtherwise("taken with --strategy " + left.strategy);
    }
    if (!left.strategy.empty() && options_.rbac && !left.rbac) {
      return ExistsOtherwise("taken without --rbac");
    }
    MB_ASSIGN_OR_RETURN(const meta::BackupInfo info,
                        meta::ReadBackup(ctx_, *site_.backup_storage.backend, run_.backup_dir,
                                         meta::Depth::kCollections));
    for (const CollectionName& name : inventory.collections) {
      const bool held = std::ranges::any_of(
          info.collection_backups,
          [&](const meta::CollectionBackup& one) { return Of(one).name == name.ToString(); });
      if (held) continue;
      return ExistsOtherwise("without " + name.ToString());
    }
    return Status::Ok();
  }

  /// Take the name, and go on with what an earlier run left under it.
  Status ClaimName() {
    const Place& place = site_.backup_storage;
    MB_ASSIGN_OR_RETURN(const bool is_there, OpenStorage());
    if (!is_there) return Status::Ok();
    const auto claim = options_.dry_run ? BackupClaim::Look : BackupClaim::Take;
    meta::RunRecord marker = meta::NewRunRecord("create", info_.name);
    marker.strategy = NameOf(options_.strategy);
    marker.rbac = options_.rbac;
    MB_ASSIGN_OR_RETURN(run_.claim, claim(ctx_, place, run_.backup_dir, std::move(marker)));
    if (run_.claim->found() == BackupClaim::Found::kPartial) {
      info_ = std::move(run_.claim->partial());
      run_.id = info_.id;
      MB_RETURN_IF_ERROR(CheckStrategy());
    }
    return Status::Ok();
  }

  /// Those of deletes alone included.
  static bool HasSegments(const meta::CollectionBackup& collection) {
    return !collection.l0_segments.empty() ||
           std::ranges::any_of(collection.partition_backups, [](const auto& partition) {
             return !partition.segment_backups.empty();
           });
  }

  /// A backup that calls itself whole must not have rows of some collections only.
  Status CheckStrategy() {
    const bool has_rows = std::ranges::any_of(info_.collection_backups, HasSegments);
    if (options_.strategy != Strategy::kMetaOnly || !has_rows) return Status::Ok();
    MB_RETURN_IF_ERROR(run_.claim->GiveBack(ctx_));
    return FailedPreconditionError("backup " + info_.name +
                                   " is partial and has rows: --strategy meta_only would leave out "
                                   "those of the collections it lacks")
        .WithAdvice("leave --strategy out, or choose another name with -n");
  }

  // A missing bucket or directory is made: backups may go to a place of their own. False where a
  // dry run leaves it missing.
  Result<bool> OpenStorage() {
    storage::Backend& backend = *site_.backup_storage.backend;
    const Status status = backend.CheckAccess(ctx_);
    if (!IsMissing(status)) {
      MB_RETURN_IF_ERROR(status.Annotate("opening the backup storage"));
      return true;
    }
    if (options_.dry_run) return false;
    MB_RETURN_IF_ERROR(backend.CreateContainer(ctx_));
    log::Warn("made the missing backup storage: {}", backend.Describe());
    return true;
  }

  /// What a partial backup has stays; what it lacks is taken up, and what else is selected by now.
  void TakeUp(Inventory inventory) {
    const std::set<std::string> missing(info_.failed_collections.begin(),
                                        info_.failed_collections.end());
    for (const meta::CollectionBackup& kept : info_.collection_backups) kept_.push_back(Of(kept));
    for (const CollectionName& name : inventory.collections) {
      if (std::ranges::count(kept_, name.ToString(), &CollectionReport::name) > 0) continue;
      collections_.emplace_back(run_, name);
    }
    for (const std::string& name : missing) {
      const bool retried = std::ranges::any_of(
          collections_, [&](const CollectionCreation& one) { return one.report().name == name; });
      if (retried) continue;
      kept_.push_back({.name = name,
                       .status = NotFoundError("missing since an earlier run, and not selected by "
                                               "this one or no longer in Milvus")});
    }
    for (meta::DatabaseBackup& database : inventory.databases) {
      if (std::ranges::count(info_.database_backups, database.db_name,
                             &meta::DatabaseBackup::db_name) == 0) {
        info_.database_backups.push_back(std::move(database));
      }
    }
    info_.partial = false;
    info_.failed_collections.clear();
  }

  static CollectionReport Of(const meta::CollectionBackup& kept) {
    CollectionReport report{.name = kept.db_name + "." + kept.collection_name,
                            .bytes = static_cast<uint64_t>(kept.size),
                            .kept = true};
    for (const meta::PartitionBackup& partition : kept.partition_backups) {
      report.segments += partition.segment_backups.size();
      for (const meta::SegmentBackup& segment : partition.segment_backups) {
        report.rows += segment.num_of_rows;
      }
    }
    return report;
  }

  Status Plan() {
    MB_RETURN_IF_ERROR(ForEachCollection(&CollectionCreation::Describe));
    MB_RETURN_IF_ERROR(CheckNoneIsHeld());
    if (options_.strategy == Strategy::kMetaOnly) return Status::Ok();
    return ForEachCollection(&CollectionCreation::FindFiles);
  }

  Status Fill() {
    const bool copies = options_.strategy != Strategy::kMetaOnly;
    // Asks on a thread of its own while the work begins.
    std::optional<milvus::GcPause> pause;
    if (copies && site_.gc_pause) pause.emplace(*site_.gc_pause);
    MB_RETURN_IF_ERROR(ForEachCollection(&CollectionCreation::Describe));
    MB_RETURN_IF_ERROR(CheckNoneIsHeld());
    if (copies) MB_RETURN_IF_ERROR(CopyCollections());
    pause.reset();
    return WriteMetas();
  }

  /// A collection that was renamed since a partial backup took it would be a second one of the same
  /// files.
  Status CheckNoneIsHeld() {
    for (const CollectionCreation& one : collections_) {
      const auto held = std::ranges::find(info_.collection_backups, one.collection_id(),
                                          &meta::CollectionBackup::collection_id);
      if (!one.ok() || held == info_.collection_backups.end()) continue;
      MB_RETURN_IF_ERROR(run_.claim->GiveBack(ctx_));
      return FailedPreconditionError(fmt::format("backup {} has the collection {} under the name "
                                                 "that it had before, {}",
                                                 info_.name, one.report().name, Of(*held).name))
          .WithAdvice("select the others with -c, or choose another name with -n");
    }
    return Status::Ok();
  }

  Status CopyCollections() {
    if (site_.progress != nullptr) {
      site_.progress->collections_planned = static_cast<uint64_t>(
          std::ranges::count_if(collections_, [](const auto& one) { return one.ok(); }));
    }
    switch (options_.strategy) {
      case Strategy::kMetaOnly:
      case Strategy::kSkipFlush:
        break;
      case Strategy::kBulkFlush:
        MB_RETURN_IF_ERROR(FlushAll());
        break;
      case Strategy::kSerialFlush:
        return ForEachCollection([this](CollectionCreation& collection, const CallContext& ctx) {
          const Status flushed = collection.Flush(ctx);
          return flushed.ok() ? CopyData(collection, ctx) : flushed;
        });
    }
    return ForEachCollection([this](CollectionCreation& collection, const CallContext& ctx) {
      return CopyData(collection, ctx);
    });
  }

  Status CopyData(CollectionCreation& collection, const CallContext& ctx) {
    MB_RETURN_IF_ERROR(collection.CopyData(ctx));
    if (site_.progress != nullptr) ++site_.progress->collections_done;
    return Status::Ok();
  }

  Status FlushAll() {
    milvus::Client& client = *site_.client;
    if (!HasFlushAll(client)) return ForEachCollection(&CollectionCreation::Flush);
    const auto phase = run_.Enter("flush");
    MB_RETURN_IF_ERROR(ForEachCollection(&CollectionCreation::ChooseMoment));
    const auto ticket = client.FlushAll(ctx_);
    if (ticket.status().code() == Code::kUnimplemented) {
      return ForEachCollection(&CollectionCreation::Flush);
    }
    if (!ticket.ok()) return ticket.status();
    MB_RETURN_IF_ERROR(WaitUntilFlushed(ctx_, options_, "all collections",
                                        [&] { return client.IsAllFlushed(ctx_, *ticket); }));
    for (const auto& [channel, message] : ticket->messages) {
      info_.flush_all_msgs_base64[channel] = Base64Encode(AsBytes(message));
    }
    info_.control_channel_name = ticket->control_channel;
    info_.physical_channel_names = ticket->physical_channels;
    return Status::Ok();
  }

  /// One step of every collection that has not failed, several at a time.
  Status ForEachCollection(const Step& step) {
    TaskGroup group(site_.parallel_collections, ctx_.stop);
    for (CollectionCreation& collection : collections_) {
      if (!collection.ok()) continue;
      const bool taken = group.Submit([&](const std::stop_token& stop) {
        return Judge(collection, step(collection, {stop, ctx_.deadline}));
      });
      if (!taken) break;
    }
    MB_RETURN_IF_ERROR(group.Wait());
    return CheckSomeAreLeft();
  }

  /// An error that the run survives stays with its collection.
  Status Judge(CollectionCreation& collection, Status status) {
    if (status.ok()) return status;
    status = std::move(status).Annotate("collection " + collection.report().name);
    if (options_.fail_fast || EndsTheRun(status)) return status;
    MB_RETURN_IF_ERROR(ctx_.Check());
    log::Warn("left out of the backup: {}", status.ToString());
    collection.Fail(std::move(status));
    return Status::Ok();
  }

  Status CheckSomeAreLeft() const {
    if (collections_.empty()) return Status::Ok();
    for (const CollectionCreation& collection : collections_) {
      if (collection.ok()) return Status::Ok();
    }
    const Status& first = collections_.front().report().status;
    if (collections_.size() == 1) return first;
    return first.Annotate(fmt::format("all {} collections failed, the first", collections_.size()));
  }

  Status WriteMetas() {
    const auto phase = run_.Enter("meta");
    for (CollectionCreation& collection : collections_) {
      if (collection.ok()) {
        info_.collection_backups.push_back(collection.TakeBackup());
        continue;
      }
      info_.partial = true;
      info_.failed_collections.push_back(collection.report().name);
      if (const Status status = collection.RemoveData(ctx_); !status.ok()) {
        log::Warn("files of {} are left in the backup: {}", collection.report().name,
                  status.ToString());
      }
    }
    for (const CollectionReport& missing : kept_) {
      if (missing.status.ok()) continue;
      info_.partial = true;
      info_.failed_collections.push_back(missing.name);
    }
    std::ranges::sort(info_.failed_collections);
    meta::UpdateTotals(info_);
    storage::Backend& backend = *site_.backup_storage.backend;
    if (run_.claim->resumes()) {
      MB_RETURN_IF_ERROR(RemoveWhatIsNotInIt());
      MB_RETURN_IF_ERROR(meta::RemoveRemains(ctx_, backend, run_.backup_dir));
    }
    MB_RETURN_IF_ERROR(ctx_.Check());
    MB_RETURN_IF_ERROR(run_.claim->Check(ctx_));
    MB_RETURN_IF_ERROR(meta::WriteMetas(ctx_, backend, run_.backup_dir, info_));
    MB_RETURN_IF_ERROR(WriteManifest());
    // That may have taken long.
    MB_RETURN_IF_ERROR(run_.claim->Check(ctx_));
    MB_RETURN_IF_ERROR(meta::WriteHeader(ctx_, backend, run_.backup_dir, info_));
    if (const Status ended = run_.claim->End(ctx_); !ended.ok()) {
      log::Warn("the backup is finished, but {}", ended.ToString());
    }
    return Status::Ok();
  }

  Status WriteManifest() {
    const auto phase = run_.Enter("manifest");
    const std::string header = meta::EncodeToString(
        [this](const meta::TextSink& sink) { return meta::EncodeHeader(info_, sink); });
    auto built =
        BuildManifest(ctx_, *site_.backup_storage.backend, run_.backup_dir, {.header = header});
    if (!built.ok()) return built.status().Annotate("writing the manifest");
    info_.manifest_sha256 = built->sha256;
    read_back_objects_ = built->read_objects;
    return Status::Ok();
  }

  /// Collections without segments have no logs, whatever an earlier run of another strategy has
  /// copied.
  Status RemoveWhatIsNotInIt() {
    std::set<int64_t> ids;
    for (const meta::CollectionBackup& one : info_.collection_backups) {
      if (HasSegments(one)) ids.insert(one.collection_id);
    }
    return RemoveStaleCollections(ctx_, *site_.backup_storage.backend, run_.backup_dir, ids);
  }

  CreateReport Report() {
    CreateReport report{.name = info_.name,
                        .read_back_objects = read_back_objects_,
                        .resumed = run_.claim != nullptr && run_.claim->resumes()};
    for (const CollectionReport& kept : kept_) Add(kept, report);
    for (const CollectionCreation& collection : collections_) {
      Add(collection.report(), report);
      if (!collection.ok()) continue;
      report.server_side_objects += collection.copied().server_side_objects;
      report.second_reads += collection.copied().second_reads;
      report.kept_objects += collection.copied().kept_objects;
    }
    std::ranges::sort(report.per_collection, {}, &CollectionReport::name);
    report.warnings = run_.warnings.Take();
    report.phases = run_.clock.seconds();
    report.seconds = run_.clock.total();
    return report;
  }

  static void Add(const CollectionReport& one, CreateReport& report) {
    report.per_collection.push_back(one);
    if (!one.status.ok()) return;
    ++report.collections;
    report.segments += one.segments;
    report.rows += one.rows;
    report.objects += one.objects;
    report.bytes += one.bytes;
  }

  bool WasComplete() const {
    return run_.claim != nullptr && run_.claim->found() == BackupClaim::Found::kComplete;
  }

  /// The earlier run got as far as the header; only its marker was left.
  Result<CreateReport> ReportFinished() {
    MB_ASSIGN_OR_RETURN(info_,
                        meta::ReadBackup(ctx_, *site_.backup_storage.backend, run_.backup_dir));
    MB_RETURN_IF_ERROR(run_.claim->End(ctx_));
    for (const meta::CollectionBackup& one : info_.collection_backups) kept_.push_back(Of(one));
    return Report();
  }

  /// What was copied stays for the next run of the same command; a marker alone is removed. On a
  /// context of its own: the command's may have been cancelled.
  void LeaveUnfinished() {
    if (run_.claim == nullptr || options_.dry_run || WasComplete()) return;
    const auto phase = run_.Enter("clean up");
    const CallContext ctx{{}, std::chrono::steady_clock::now() + 60s};
    const auto page =
        site_.backup_storage.backend->List(ctx, {.prefix = run_.backup_dir, .max_keys = 2});
    const std::string marker = meta::MarkerKey(run_.backup_dir);
    const bool only_marker =
        page.ok() && std::ranges::all_of(page->objects, [&](const storage::ObjectInfo& object) {
          return object.key == marker;
        });
    if (only_marker && run_.claim->End(ctx).ok()) return;
    log::Warn(
        "backup {} is unfinished: the same command goes on with it, `delete -n {}` removes it",
        info_.name, info_.name);
  }

  const CallContext ctx_;
  Site& site_;
  const CreateOptions& options_;
  CreateRun run_;
  meta::BackupInfo info_;
  /// Collections this run does not work on: those a partial backup has, and those it still lacks.
  std::vector<CollectionReport> kept_;
  uint64_t read_back_objects_ = 0;
  /// In the order of their names. A deque, because they do not move.
  std::deque<CollectionCreation> collections_;
};

}  // namespace

Result<Strategy> ParseStrategy(std::string_view text) {
  std::string known;
  for (const StrategyName& entry : kStrategies) {
    if (text == entry.name) return entry.strategy;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  if (text == "snapshot") return InvalidArgumentError("snapshot is a format: see --format");
  return InvalidArgumentError(fmt::format("'{}' is no strategy; use {}", text, known));
}

Status CheckFormat(std::string_view text) {
  if (text.empty() || text == "auto" || text == "binlog") return Status::Ok();
  if (text == "snapshot") {
    return UnimplementedError("the snapshot format of Milvus 3.0 is not built yet; use binlog");
  }
  return InvalidArgumentError(fmt::format("'{}' is no format; use auto or binlog", text));
}

Result<CreateReport> CreateBackup(const CallContext& ctx, Site& site,
                                  const CreateOptions& options) {
  return Creation(ctx, site, options).Run();
}

}  // namespace milvus_backup::backup
