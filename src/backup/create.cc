#include "milvus_backup/backup/create.h"

#include "describe.h"
#include "expected_files.h"
#include "phase_clock.h"
#include "segment_files.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/totals.h"
#include "milvus_backup/meta/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <random>
#include <set>
#include <unordered_set>
#include <utility>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;

/// common.SegmentState values of segments whose files are on their way in or out.
constexpr int32_t kGrowing = 2;
constexpr int32_t kDropped = 6;
constexpr int32_t kImporting = 7;

std::string RandomUuid() {
  std::random_device device;
  std::string hex;
  for (int i = 0; i < 4; ++i) hex += fmt::format("{:08x}", device());
  // RFC 9562 version 4, variant 1.
  hex[12] = '4';
  hex[16] = "89ab"[static_cast<size_t>(device() % 4)];
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

class Creation {
 public:
  Creation(const CallContext& ctx, Site& site, const CreateOptions& options)
      : ctx_(ctx), site_(site), options_(options), engine_(site.copy, site.progress) {}

  Result<CreateReport> Run() {
    MB_RETURN_IF_ERROR(Prepare());
    Status status = Fill();
    if (!status.ok()) {
      RemoveLeftovers();
      return status;
    }
    report_.phases = clock_.seconds();
    report_.seconds = clock_.total();
    return report_;
  }

 private:
  void Enter(const std::string& phase) {
    if (site_.progress != nullptr) site_.progress->SetPhase(phase);
  }

  Status Prepare() {
    const PhaseClock::Scope scope(clock_, "prepare");
    Enter("prepare");
    info_.id = RandomUuid();
    info_.name = options_.name.empty() ? meta::DefaultBackupName(std::chrono::system_clock::now())
                                       : options_.name;
    MB_RETURN_IF_ERROR(meta::ValidateBackupName(info_.name));
    report_.name = info_.name;
    MB_ASSIGN_OR_RETURN(backup_dir_, meta::BackupDir(site_.backup_storage.root, info_.name));
    MB_RETURN_IF_ERROR(ClaimName());
    info_.milvus_version = site_.client->server_version();
    return FindCollections();
  }

  // The bucket is created when it is missing: backups may go to a place of their own.
  Status ClaimName() {
    storage::Backend& backend = *site_.backup_storage.backend;
    auto page = backend.List(ctx_, {.prefix = backup_dir_, .max_keys = 1});
    if (!page.ok() && page.status().service_code() == "NoSuchBucket") {
      MB_RETURN_IF_ERROR(backend.CreateContainer(ctx_));
      log::Warn("created the missing bucket of the backup storage: {}", backend.Describe());
      page = backend.List(ctx_, {.prefix = backup_dir_, .max_keys = 1});
    }
    if (!page.ok()) return page.status().Annotate("opening the backup storage");
    if (page->objects.empty()) return Status::Ok();
    const auto header = backend.Stat(ctx_, meta::MetaKey(backup_dir_, meta::MetaFile::kHeader));
    if (header.ok()) {
      return AlreadyExistsError("backup " + info_.name + " already exists")
          .WithAdvice("choose another name with -n, or remove it with `delete -n " + info_.name +
                      "`");
    }
    return AlreadyExistsError("an unfinished backup " + info_.name + " is in the way")
        .WithAdvice("remove it with `delete -n " + info_.name +
                    "`, or choose another name with -n");
  }

  Status FindCollections() {
    std::vector<std::string> databases = {meta::kDefaultDatabase};
    if (site_.client->has_databases()) {
      MB_ASSIGN_OR_RETURN(databases, site_.client->ListDatabases(ctx_));
    }
    const std::set<std::string> wanted = options_.selection.databases();
    std::set<CollectionName> found;
    for (const std::string& db : databases) {
      if (!options_.selection.selects_everything() && !wanted.contains(db)) continue;
      databases_.insert(db);
      MB_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                          site_.client->ListCollections(ctx_, db));
      for (const std::string& name : names) {
        if (options_.selection.Matches({db, name})) found.insert({db, name});
      }
    }
    for (const std::string& db : wanted) {
      if (!databases_.contains(db)) {
        return NotFoundError(fmt::format("database {} does not exist in Milvus", db))
            .WithOrigin(Origin::kMilvus);
      }
    }
    for (const CollectionName& name : options_.selection.named()) {
      if (!found.contains(name)) {
        return NotFoundError(fmt::format("collection {} does not exist in Milvus at {}",
                                         name.ToString(), site_.client->endpoint()))
            .WithOrigin(Origin::kMilvus)
            .WithAdvice("check -c/--filter; names are case-sensitive");
      }
    }
    collections_.assign(found.begin(), found.end());
    return Status::Ok();
  }

  Status Fill() {
    info_.collection_backups.resize(collections_.size());
    TaskGroup group(site_.parallel_collections, ctx_.stop);
    for (size_t i = 0; i < collections_.size(); ++i) {
      const bool taken = group.Submit([this, i](const std::stop_token& stop) {
        Status status = BackUp({stop, ctx_.deadline}, collections_[i], info_.collection_backups[i]);
        return status.ok() ? status
                           : std::move(status).Annotate("collection " + collections_[i].ToString());
      });
      if (!taken) break;
    }
    MB_RETURN_IF_ERROR(group.Wait());
    const PhaseClock::Scope scope(clock_, "meta");
    Enter("meta");
    for (const std::string& db : databases_) info_.database_backups.push_back({.db_name = db});
    for (meta::CollectionBackup& collection : info_.collection_backups) {
      report_.rows += RowsOf(collection);
    }
    report_.collections = info_.collection_backups.size();
    meta::UpdateTotals(info_);
    MB_RETURN_IF_ERROR(ctx_.Check());
    return meta::WriteBackup(ctx_, *site_.backup_storage.backend, backup_dir_, info_);
  }

  static int64_t RowsOf(const meta::CollectionBackup& collection) {
    int64_t rows = 0;
    for (const meta::PartitionBackup& partition : collection.partition_backups) {
      for (const meta::SegmentBackup& segment : partition.segment_backups) {
        rows += segment.num_of_rows;
      }
    }
    return rows;
  }

  Status BackUp(const CallContext& ctx, const CollectionName& name,
                meta::CollectionBackup& backup) {
    {
      const PhaseClock::Scope scope(clock_, "describe");
      Enter("describe");
      MB_ASSIGN_OR_RETURN(backup, DescribeForBackup(ctx, *site_.client, name));
      backup.id = info_.id;
    }
    MB_RETURN_IF_ERROR(Flush(ctx, name, backup));
    SegmentFiles files;
    {
      const PhaseClock::Scope scope(clock_, "list");
      Enter("list");
      MB_ASSIGN_OR_RETURN(const std::vector<milvus::Segment> segments, Segments(ctx, name, backup));
      MB_ASSIGN_OR_RETURN(
          files, ListSegmentFiles(ctx, site_.milvus_storage, backup.collection_id, segments));
    }
    MB_RETURN_IF_ERROR(Copy(ctx, files));
    {
      const PhaseClock::Scope scope(clock_, "check");
      Enter("check");
      MB_RETURN_IF_ERROR(CheckFiles(ctx, *site_.backup_storage.backend, backup_dir_,
                                    backup.collection_id, ExpectedFiles(files.segments), {}));
    }
    AttachSegments(std::move(files.segments), backup);
    return Status::Ok();
  }

  Status Flush(const CallContext& ctx, const CollectionName& name, meta::CollectionBackup& backup) {
    const PhaseClock::Scope scope(clock_, "flush");
    Enter("flush");
    MB_ASSIGN_OR_RETURN(const milvus::FlushTicket ticket,
                        site_.client->Flush(ctx, name.db, name.collection));
    for (auto pause = 5ms;; pause = std::min<std::chrono::milliseconds>(pause * 2, 100ms)) {
      MB_ASSIGN_OR_RETURN(const bool flushed,
                          site_.client->IsFlushed(ctx, name.db, name.collection, ticket));
      if (flushed) break;
      if (!Clock::Real().SleepFor(pause, ctx.stop)) return CancelledError();
    }
    backup.backup_physical_timestamp =
        static_cast<uint64_t>(std::max<int64_t>(ticket.seal_time, 0));
    for (const auto& [channel, position] : ticket.channel_checkpoints) {
      backup.channel_checkpoints[channel] = Base64Encode(AsBytes(position));
    }
    backup.backup_timestamp = ticket.checkpoint_timestamp;
    return Status::Ok();
  }

  Result<std::vector<milvus::Segment>> Segments(const CallContext& ctx, const CollectionName& name,
                                                const meta::CollectionBackup& backup) {
    MB_ASSIGN_OR_RETURN(std::vector<milvus::Segment> segments,
                        site_.client->ListPersistentSegments(ctx, name.db, name.collection));
    std::unordered_set<int64_t> partitions = {meta::kAllPartitions};
    for (const meta::PartitionBackup& partition : backup.partition_backups) {
      partitions.insert(partition.partition_id);
    }
    std::erase_if(segments, [&](const milvus::Segment& segment) {
      if (!partitions.contains(segment.partition_id)) {
        log::Warn("segment={} of collection={} left out: its partition {} was dropped", segment.id,
                  name.ToString(), segment.partition_id);
        return true;
      }
      return segment.state == kGrowing || segment.state == kDropped || segment.state == kImporting;
    });
    return segments;
  }

  Status Copy(const CallContext& ctx, const SegmentFiles& files) {
    const PhaseClock::Scope scope(clock_, "copy");
    Enter("copy");
    transfer::CopyBatch batch(engine_, *site_.milvus_storage.backend, *site_.backup_storage.backend,
                              ctx.stop);
    for (const meta::SegmentBackup& segment : files.segments) {
      MB_RETURN_IF_ERROR(AddFiles(FilesOf(site_.milvus_storage, segment), batch));
    }
    const transfer::CopySummary summary = batch.Wait();
    const std::scoped_lock lock(mutex_);
    report_.segments += files.segments.size();
    report_.objects += summary.objects;
    report_.bytes += summary.bytes;
    report_.server_side_objects += summary.server_side_objects;
    report_.second_reads += summary.second_reads;
    return summary.ToStatus();
  }

  /// A batch that has ended early takes no more and says why when it is waited for.
  Status AddFiles(const std::vector<SegmentFile>& files, transfer::CopyBatch& batch) {
    for (const SegmentFile& file : files) {
      const std::string destination_key = backup_dir_ + file.backup_path;
      if (file.source_key == destination_key && site_.backup_visible_to_milvus) {
        return FailedPreconditionError("the backup would overwrite Milvus' own " + file.source_key)
            .WithOrigin(Origin::kConfig)
            .WithAdvice("set " + site_.backup_storage.root_key + " to a directory outside " +
                        site_.milvus_storage.root_key);
      }
      if (!batch.Add({file.source_key, destination_key, file.size, ""}).ok()) break;
    }
    return Status::Ok();
  }

  // Runs on a context of its own: the command's may have been cancelled.
  void RemoveLeftovers() {
    Enter("clean up");
    const CallContext ctx{{}, std::chrono::steady_clock::now() + 60s};
    // This run writes the header as its very last step, so one that is there belongs to a complete
    // backup: another run's, or ours when only the reply to that step was lost.
    const std::string header = meta::MetaKey(backup_dir_, meta::MetaFile::kHeader);
    if (site_.backup_storage.backend->Stat(ctx, header).ok()) {
      log::Warn("a complete backup {} is there and was left alone", info_.name);
      return;
    }
    const Status status =
        meta::DeleteBackup(ctx, *site_.backup_storage.backend, backup_dir_).status();
    if (!status.ok() && status.code() != Code::kNotFound) {
      log::Error("the unfinished backup {} could not be removed: {}; run `delete -n {}`",
                 info_.name, status.ToString(), info_.name);
    }
  }

  const CallContext ctx_;
  Site& site_;
  const CreateOptions& options_;
  PhaseClock clock_;
  transfer::CopyEngine engine_;
  std::string backup_dir_;
  std::set<std::string> databases_;
  std::vector<CollectionName> collections_;
  meta::BackupInfo info_;
  std::mutex mutex_;
  CreateReport report_;
};

}  // namespace

Result<CreateReport> CreateBackup(const CallContext& ctx, Site& site,
                                  const CreateOptions& options) {
  return Creation(ctx, site, options).Run();
}

}  // namespace milvus_backup::backup
