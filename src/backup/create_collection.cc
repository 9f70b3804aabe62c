#include "create_collection.h"

#include "describe.h"
#include "expected_files.h"
#include "flush_wait.h"
#include "stale_files.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// common.SegmentState values of segments whose files are on their way in or out.
constexpr int32_t kGrowing = 2;
constexpr int32_t kDropped = 6;
constexpr int32_t kImporting = 7;

bool IsOnItsWay(const milvus::Segment& segment) {
  return segment.state == kGrowing || segment.state == kDropped || segment.state == kImporting;
}

}  // namespace

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

Status CollectionCreation::Flush(const CallContext& ctx) {
  const auto phase = run_.Enter("flush");
  milvus::Client& client = *run_.site.client;
  MB_ASSIGN_OR_RETURN(const milvus::FlushTicket ticket,
                      client.Flush(ctx, name_.db, name_.collection));
  MB_RETURN_IF_ERROR(WaitUntilFlushed(
      ctx, [&] { return client.IsFlushed(ctx, name_.db, name_.collection, ticket); }));
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
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Segment> segments, FindSegments(ctx));
  MB_ASSIGN_OR_RETURN(
      files_, ListSegmentFiles(ctx, run_.site.milvus_storage, backup_.collection_id, segments));
  report_.segments = files_.segments.size();
  report_.objects = files_.files;
  report_.bytes = files_.bytes;
  for (const meta::SegmentBackup& segment : files_.segments) report_.rows += segment.num_of_rows;
  return Status::Ok();
}

bool CollectionCreation::KnowsPartition(int64_t id) const {
  return id == meta::kAllPartitions || std::ranges::count(backup_.partition_backups, id,
                                                          &meta::PartitionBackup::partition_id) > 0;
}

Result<std::vector<milvus::Segment>> CollectionCreation::FindSegments(const CallContext& ctx) {
  milvus::Client& client = *run_.site.client;
  MB_ASSIGN_OR_RETURN(std::vector<milvus::Segment> segments,
                      client.ListPersistentSegments(ctx, name_.db, name_.collection));
  std::erase_if(segments, IsOnItsWay);
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
  MB_RETURN_IF_ERROR(CheckArrived(ctx));
  AttachSegments(std::move(files_.segments), backup_);
  files_ = {};
  return Status::Ok();
}

Status CollectionCreation::Copy(const CallContext& ctx) {
  const auto phase = run_.Enter("copy");
  const Site& site = run_.site;
  transfer::CopyBatch batch(
      run_.engine, *site.milvus_storage.backend, *site.backup_storage.backend, ctx.stop,
      run_.claim->resumes() ? transfer::Existing::kKeepIfEqual : transfer::Existing::kOverwrite);
  MB_RETURN_IF_ERROR(AnnounceUploads(ctx, batch));
  for (const meta::SegmentBackup& segment : files_.segments) {
    MB_RETURN_IF_ERROR(AddFiles(FilesOf(site.milvus_storage, segment), batch));
  }
  copied_ = batch.Wait();
  return copied_.ToStatus();
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

/// A batch that has ended early takes no more and says why when it is waited for.
Status CollectionCreation::AddFiles(const std::vector<SegmentFile>& files,
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
    if (!batch.Add({file.source_key, destination_key, file.size, ""}).ok()) break;
  }
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
