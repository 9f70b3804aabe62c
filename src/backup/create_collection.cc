#include "create_collection.h"

#include "describe.h"
#include "expected_files.h"
#include "flush_cut.h"
#include "flush_wait.h"
#include "read_backup.h"
#include "segment_rows.h"
#include "stale_files.h"
#include "stored_rows.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// common.SegmentState. A server that leaves it out lists stored segments only.
constexpr int32_t kNotTold = 0;
constexpr int32_t kGrowing = 2;
constexpr int32_t kFlushed = 4;
constexpr int32_t kDropped = 6;
constexpr int32_t kImporting = 7;
/// common.SegmentLevel L0: only deletes.
constexpr int32_t kLevelZero = 1;
/// Flushes of one collection before it fails because there was a compaction after each.
constexpr int kMostFlushes = 5;
/// Between the moment and the flush: a write that was given its time before the moment has its
/// segment by then, and the flush seals that one.
constexpr std::chrono::milliseconds kWritesInFlight{20};
/// Segments whose rows are counted at once, of all collections together and of one of them.
constexpr size_t kMostCounters = 64;
constexpr size_t kMostCountersOfOne = 16;

size_t CountersOf(size_t parallel_collections) {
  const size_t share = kMostCounters / std::max<size_t>(parallel_collections, 1);
  return std::clamp<size_t>(share, 1, kMostCountersOfOne);
}

bool IsStored(const milvus::Segment& segment) {
  return segment.state == kFlushed || segment.state == kNotTold;
}

/// Sealed, and on its way into storage.
bool IsBeingStored(const milvus::Segment& segment) {
  return !IsStored(segment) && segment.state != kGrowing && segment.state != kDropped &&
         segment.state != kImporting;
}

}  // namespace

void CreateRun::WarnOfNoMoment() {
  std::call_once(no_moment_, [this] {
    warnings.Add(fmt::format(
        "Milvus {} does not say up to when it has flushed: deletes from shortly before the backup "
        "may be missing from it, and rows that were replaced while it was taken may be; hold "
        "writes back until create has ended",
        site.client->server_version()));
  });
}

CollectionCreation::CollectionCreation(CreateRun& run, const CollectionName& name)
    : run_(run), name_(name) {
  report_.name = name.ToString();
}

Status CollectionCreation::Describe(const CallContext& ctx) {
  const auto phase = run_.Enter("describe");
  MB_ASSIGN_OR_RETURN(backup_, DescribeForBackup(ctx, *run_.site.client, name_));
  backup_.id = run_.id;
  return Status::Ok();
}

Status CollectionCreation::ChooseMoment(const CallContext& ctx) {
  milvus::Client& client = *run_.site.client;
  is_flushed_ = true;
  segments_at_moment_.clear();
  stored_at_moment_.clear();
  // What happens between two calls counts as later: storing by the list before the moment, being
  // there by both, so that a compaction in between is noticed.
  MB_RETURN_IF_ERROR(NoteSegments(ctx, &stored_at_moment_));
  const Result<uint64_t> now = client.CurrentTimestamp(ctx);
  if (!now.ok() && now.status().code() != Code::kUnimplemented) return now.status();
  moment_ = now.ok() ? *now : 0;
  MB_RETURN_IF_ERROR(NoteSegments(ctx, nullptr));
  if (moment_ != 0 && !Clock::Real().SleepFor(kWritesInFlight, ctx.stop)) return CancelledError();
  return Status::Ok();
}

Status CollectionCreation::NoteSegments(const CallContext& ctx, std::set<int64_t>* stored) {
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Segment> segments,
                      run_.site.client->ListPersistentSegments(ctx, name_.db, name_.collection));
  for (const milvus::Segment& segment : segments) {
    const bool has_rows = segment.num_rows > 0 && segment.level != kLevelZero;
    const bool stays = segment.state != kDropped && segment.state != kImporting;
    if (!has_rows || !stays || !KnowsPartition(segment.partition_id)) continue;
    segments_at_moment_.insert(segment.id);
    if (stored != nullptr && segment.state == kFlushed) stored->insert(segment.id);
  }
  return Status::Ok();
}

Status CollectionCreation::Flush(const CallContext& ctx) {
  const auto phase = run_.Enter("flush");
  milvus::Client& client = *run_.site.client;
  MB_RETURN_IF_ERROR(ChooseMoment(ctx));
  MB_ASSIGN_OR_RETURN(const milvus::FlushTicket ticket,
                      client.Flush(ctx, name_.db, name_.collection));
  MB_RETURN_IF_ERROR(WaitUntilFlushed(ctx, run_.options, report_.name, [&] {
    return client.IsFlushed(ctx, name_.db, name_.collection, ticket);
  }));
  // A server that does not say up to when it has flushed has not promised anything.
  moment_ = std::min(moment_, ticket.flush_ts);
  backup_.backup_physical_timestamp = static_cast<uint64_t>(std::max<int64_t>(ticket.seal_time, 0));
  for (const auto& [channel, position] : ticket.channel_checkpoints) {
    backup_.channel_checkpoints[channel] = Base64Encode(AsBytes(position));
  }
  backup_.backup_timestamp = ticket.checkpoint_timestamp;
  return Status::Ok();
}

Status CollectionCreation::FindFiles(const CallContext& ctx) {
  const auto phase = run_.Enter("list");
  // By now the collection may have been described long ago.
  MB_RETURN_IF_ERROR(RefreshSchema(ctx, *run_.site.client, name_, backup_));
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Segment> segments, FindSettledSegments(ctx));
  MB_ASSIGN_OR_RETURN(files_, ListSegmentFiles(ctx, run_.site.milvus_storage, backup_.collection_id,
                                               segments, run_.listings));
  MarkDeletesAlone(run_.site.client->server_version(), files_.segments);
  CountFiles();
  return Status::Ok();
}

void CollectionCreation::CountFiles() {
  report_.segments = files_.segments.size();
  report_.objects = 0;
  report_.bytes = 0;
  report_.rows = 0;
  for (const meta::SegmentBackup& segment : files_.segments) {
    report_.objects += segment.binlogs.log_count() + segment.deltalogs.log_count();
    report_.bytes += static_cast<uint64_t>(segment.size);
    report_.rows += segment.num_of_rows;
  }
}

/// A compaction drops rows for good that were deleted after the moment, whose newer versions may
/// not be in storage; a flush after it brings those.
Result<std::vector<milvus::Segment>> CollectionCreation::FindSettledSegments(
    const CallContext& ctx) {
  for (int flushes = 1;; ++flushes) {
    MB_ASSIGN_OR_RETURN(std::vector<milvus::Segment> segments, FindSegments(ctx));
    if (moment_ == 0 || !WasCompacted(segments)) return segments;
    if (flushes == kMostFlushes) {
      return Status(Code::kAborted,
                    fmt::format("Milvus has compacted it after each of {} flushes: rows that were "
                                "replaced meanwhile could be lost",
                                flushes))
          .WithOrigin(Origin::kMilvus)
          .WithAdvice("run the same command again");
    }
    MB_RETURN_IF_ERROR(Flush(ctx));
  }
}

bool CollectionCreation::WasCompacted(const std::vector<milvus::Segment>& segments) const {
  std::set<int64_t> gone = segments_at_moment_;
  for (const milvus::Segment& segment : segments) gone.erase(segment.id);
  return !gone.empty();
}

bool CollectionCreation::KnowsPartition(int64_t id) const {
  return id == meta::kAllPartitions || std::ranges::count(backup_.partition_backups, id,
                                                          &meta::PartitionBackup::partition_id) > 0;
}

/// A server may list segments as being stored although a flush has ended: those that it has sealed
/// before, by itself, among them. Whatever is listed so by now may hold rows that the flush
/// promised, so it is waited for; what is sealed from now on holds later ones, and is left out, as
/// all of them are where nothing was flushed.
Result<std::vector<milvus::Segment>> CollectionCreation::ListStoredSegments(
    const CallContext& ctx) {
  std::vector<milvus::Segment> segments;
  std::optional<std::set<int64_t>> awaited;
  MB_RETURN_IF_ERROR(WaitUntilFlushed(ctx, run_.options, report_.name, [&]() -> Result<bool> {
    MB_ASSIGN_OR_RETURN(segments,
                        run_.site.client->ListPersistentSegments(ctx, name_.db, name_.collection));
    if (!is_flushed_) return true;
    std::set<int64_t> not_stored;
    for (const milvus::Segment& segment : segments) {
      const bool counts = !awaited || awaited->contains(segment.id);
      if (counts && IsBeingStored(segment)) not_stored.insert(segment.id);
    }
    awaited = std::move(not_stored);
    return awaited->empty();
  }));
  std::erase_if(segments, [](const milvus::Segment& segment) { return !IsStored(segment); });
  return segments;
}

Result<std::vector<milvus::Segment>> CollectionCreation::FindSegments(const CallContext& ctx) {
  milvus::Client& client = *run_.site.client;
  MB_ASSIGN_OR_RETURN(std::vector<milvus::Segment> segments, ListStoredSegments(ctx));
  const auto is_unknown = [this](const milvus::Segment& segment) {
    return !KnowsPartition(segment.partition_id);
  };
  if (std::ranges::none_of(segments, is_unknown)) return segments;
  MB_RETURN_IF_ERROR(RefreshPartitions(ctx, client, name_, backup_));
  std::erase_if(segments, [&](const milvus::Segment& segment) {
    if (!is_unknown(segment)) return false;
    log::Warn("segment={} of collection={} left out: its partition {} was dropped", segment.id,
              report_.name, segment.partition_id);
    return true;
  });
  return segments;
}

Status CollectionCreation::CopyData(const CallContext& ctx) {
  MB_RETURN_IF_ERROR(FindFiles(ctx));
  MB_RETURN_IF_ERROR(Copy(ctx));
  MB_RETURN_IF_ERROR(LeaveOutLater(ctx));
  MB_RETURN_IF_ERROR(CheckArrived(ctx));
  AttachSegments(std::move(files_.segments), backup_);
  files_ = {};
  return Status::Ok();
}

Status CollectionCreation::Copy(const CallContext& ctx) {
  const auto phase = run_.Enter("copy");
  const Site& site = run_.site;
  std::optional<transfer::CopyBatch> batch;
  batch.emplace(
      run_.engine, *site.milvus_storage.backend, *site.backup_storage.backend, ctx.stop,
      run_.claim->resumes() ? transfer::Existing::kKeepIfEqual : transfer::Existing::kOverwrite);
  MB_RETURN_IF_ERROR(AnnounceUploads(ctx, *batch));
  StoredRowsCheck counting(ctx, site.milvus_storage, CountersOf(site.parallel_collections));
  for (const meta::SegmentBackup& segment : files_.segments) {
    if (!counting.Add(segment)) break;
    MB_ASSIGN_OR_RETURN(const bool taken, AddFiles(FilesOf(site.milvus_storage, segment), *batch));
    if (!taken) break;
  }
  if (Status counted = counting.Wait(); !counted.ok()) {
    // Ends the copying, too.
    batch.reset();
    if (counted.code() == Code::kDataLoss) DropCopied(ctx);
    return counted;
  }
  if (const StoredRowsCheck::Uncounted& uncounted = counting.uncounted(); uncounted.segments > 0) {
    run_.warnings.Add(fmt::format(
        "collection {}: the rows of {} segments could not be counted and compared with those that "
        "Milvus tells of, the first: {}",
        report_.name, uncounted.segments, uncounted.first));
  }
  copied_ = batch->Wait();
  return copied_.ToStatus();
}

/// What cannot be restored is of no use to the next run: kept, it would be a copy more every night.
void CollectionCreation::DropCopied(const CallContext& ctx) {
  if (const Status removed = RemoveData(ctx); !removed.ok()) {
    log::Warn("files of {} are left in the backup: {}", report_.name, removed.ToString());
  }
}

Status CollectionCreation::AnnounceUploads(const CallContext& ctx,
                                           const transfer::CopyBatch& batch) const {
  std::vector<std::string> keys;
  for (const meta::SegmentBackup& segment : files_.segments) {
    for (SegmentFile& file : FilesOf(run_.site.milvus_storage, segment)) {
      if (batch.GoesInParts({.size = file.size})) keys.push_back(std::move(file.backup_path));
    }
  }
  return run_.claim->NoteUploads(ctx, keys);
}

Result<bool> CollectionCreation::AddFiles(const std::vector<SegmentFile>& files,
                                          transfer::CopyBatch& batch) const {
  const Site& site = run_.site;
  for (const SegmentFile& file : files) {
    const std::string destination_key = run_.backup_dir + file.backup_path;
    if (file.source_key == destination_key && site.backup_visible_to_milvus) {
      return FailedPreconditionError("the backup would overwrite Milvus' own " + file.source_key)
          .WithOrigin(Origin::kConfig)
          .WithAdvice("set " + site.backup_storage.root_key + " to a directory outside " +
                      site.milvus_storage.root_key);
    }
    if (!batch.Add({file.source_key, destination_key, file.size, ""}).ok()) return false;
  }
  return true;
}

Status CollectionCreation::LeaveOutLater(const CallContext& ctx) {
  if (moment_ == 0) {
    if (is_flushed_) run_.WarnOfNoMoment();
    return Status::Ok();
  }
  const auto phase = run_.Enter("check");
  const Place& milvus = run_.site.milvus_storage;
  MB_ASSIGN_OR_RETURN(const int64_t key_field, KeyFieldOf(backup_));
  const FlushCut cut = {
      .moment = moment_,
      .key_field = key_field,
      .source_prefix = milvus.milvus_prefix + milvus.Key(""),
      .may_be_younger = [this](int64_t id) { return !stored_at_moment_.contains(id); }};
  const BackupLocation backup = {.backend = run_.site.backup_storage.backend,
                                 .dir = run_.backup_dir};
  MB_ASSIGN_OR_RETURN(const FlushCutReport done, CutAtFlush(ctx, backup, cut, files_.segments));
  if (!done.changed()) return Status::Ok();
  log::Info(
      "collection={} changes after the flush left out: deletes={} rows={} and segments={} of later "
      "rows",
      report_.name, done.deletes_left_out, done.rows_deleted, done.segments_left_out);
  CountFiles();
  return Status::Ok();
}

Status CollectionCreation::CheckArrived(const CallContext& ctx) {
  const auto phase = run_.Enter("check");
  storage::Backend& backend = *run_.site.backup_storage.backend;
  const ExpectedFiles expected(files_.segments);
  if (run_.claim->resumes()) {
    MB_RETURN_IF_ERROR(
        RemoveStaleFiles(ctx, backend, run_.backup_dir, backup_.collection_id, expected));
  }
  return CheckFiles(ctx, backend, run_.backup_dir, backup_.collection_id, expected, {});
}

Status CollectionCreation::RemoveData(const CallContext& ctx) {
  if (backup_.collection_id == 0) return Status::Ok();  // not even described
  for (const char* kind : {"insert_log", "delta_log"}) {
    const std::string prefix =
        fmt::format("{}{}/{}/", meta::BinlogsDir(run_.backup_dir), kind, backup_.collection_id);
    MB_RETURN_IF_ERROR(
        storage::DeleteTree(ctx, *run_.site.backup_storage.backend, prefix).status());
  }
  return Status::Ok();
}

}  // namespace milvus_backup::backup
