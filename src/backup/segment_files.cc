#include "segment_files.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/totals.h"

#include <fmt/format.h>

#include <algorithm>
#include <compare>
#include <unordered_map>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// common.SegmentLevel L0.
constexpr int32_t kLevelZero = 1;

/// A range of this many segments takes at least a page or two, so cutting it saves time.
constexpr size_t kSegmentsPerRange = 100;
/// Ranges per kind of log.
constexpr size_t kMostRanges = 16;
/// Ranges of a collection listed at once, each with a page in work and one on its way; a page of
/// 1000 names takes about 3 MiB while it is parsed.
constexpr size_t kParallelRanges = 4;

meta::SegmentBackup Describe(const milvus::Segment& segment) {
  return {.segment_id = segment.id,
          .collection_id = segment.collection_id,
          .partition_id = segment.partition_id,
          .num_of_rows = segment.num_rows,
          // One entry without logs is what the reference tool writes for "no deletes".
          .deltalogs = {{}},
          .group_id = meta::GroupOf(segment.partition_id, segment.id),
          .is_l0 = segment.level == kLevelZero,
          .storage_version = segment.storage_version};
}

/// Attaches the objects of one range to the segments they belong to. Keys come in order, so a
/// segment is complete when another one begins. Ranges of the same kind share no segment.
class Collector {
 public:
  Collector(const Place& storage, const std::unordered_map<int64_t, size_t>& by_id,
            std::vector<meta::SegmentBackup>& segments)
      : storage_(storage), by_id_(by_id), segments_(segments) {}

  Status Add(const storage::ObjectInfo& object) {
    auto log = meta::ParseSourceKey(object.key, storage_.root);
    if (!log.ok()) return log.status().Annotate("unexpected object among the binlogs");
    const auto it = by_id_.find(log->segment_id);
    if (it == by_id_.end()) return Status::Ok();  // dropped or growing: not part of the backup
    meta::SegmentBackup& segment = segments_[it->second];
    if (segment.partition_id != log->partition_id) return Status::Ok();
    meta::LogList& list = log->is_delta ? segment.deltalogs : segment.binlogs;
    if (list_ != &list) Finish();
    list_ = &list;
    BinlogsOf(log->field_id)
        .push_back({.log_path = storage_.milvus_prefix + object.key,
                    .log_size = static_cast<int64_t>(object.size),
                    .log_id = log->log_id});
    return Status::Ok();
  }

  /// Hand over what was collected last.
  void Finish() {
    if (list_ != nullptr) *list_ = meta::LogList(fields_);
    list_ = nullptr;
    fields_.clear();
  }

 private:
  std::vector<meta::Binlog>& BinlogsOf(int64_t id) {
    const auto it = std::ranges::find(fields_, id, &meta::FieldBinlog::field_id);
    if (it != fields_.end()) return it->binlogs;
    return fields_.emplace_back(meta::FieldBinlog{.field_id = id}).binlogs;
  }

  const Place& storage_;
  const std::unordered_map<int64_t, size_t>& by_id_;
  std::vector<meta::SegmentBackup>& segments_;
  /// The list that `fields_` will be.
  meta::LogList* list_ = nullptr;
  std::vector<meta::FieldBinlog> fields_;
};

/// The collection's keys of one kind, cut before the directories of some segments; together the
/// ranges hold every key.
std::vector<storage::KeyRange> CutIntoRanges(const Place& storage, const std::string& kind,
                                             int64_t collection_id,
                                             const std::vector<meta::SegmentBackup>& segments) {
  std::vector<const meta::SegmentBackup*> ordered;
  ordered.reserve(segments.size());
  for (const meta::SegmentBackup& segment : segments) ordered.push_back(&segment);
  std::ranges::sort(ordered, [](const meta::SegmentBackup* a, const meta::SegmentBackup* b) {
    std::strong_ordering order = meta::CompareAsText(a->partition_id, b->partition_id);
    if (order == std::strong_ordering::equal) {
      order = meta::CompareAsText(a->segment_id, b->segment_id);
    }
    return order == std::strong_ordering::less;
  });
  const std::string prefix = storage.Key(fmt::format("{}/{}/", kind, collection_id));
  const size_t count = std::clamp<size_t>(ordered.size() / kSegmentsPerRange, 1, kMostRanges);
  std::vector<storage::KeyRange> ranges(count, {.prefix = prefix});
  for (size_t i = 1; i < count; ++i) {
    const meta::SegmentBackup& first = *ordered[i * ordered.size() / count];
    ranges[i].after = fmt::format("{}{}/{}/", prefix, first.partition_id, first.segment_id);
    ranges[i - 1].last = ranges[i].after;
  }
  return ranges;
}

Status ListAll(const CallContext& ctx, const Place& storage, int64_t collection_id,
               std::vector<meta::SegmentBackup>& segments, Seats& seats) {
  std::unordered_map<int64_t, size_t> by_id;
  for (size_t i = 0; i < segments.size(); ++i) by_id[segments[i].segment_id] = i;
  std::vector<storage::KeyRange> ranges;
  for (const char* kind : {"insert_log", "delta_log"}) {
    std::ranges::move(CutIntoRanges(storage, kind, collection_id, segments),
                      std::back_inserter(ranges));
  }
  TaskGroup group(kParallelRanges, ctx.stop);
  for (const storage::KeyRange& range : ranges) {
    const bool taken = group.Submit([&](const std::stop_token& stop) {
      const Seats::Seat seat(seats);
      Collector collector(storage, by_id, segments);
      MB_RETURN_IF_ERROR(storage::ForEachObject(
          {stop, ctx.deadline}, *storage.backend, range,
          [&](const storage::ObjectInfo& object) { return collector.Add(object); }));
      collector.Finish();
      return Status::Ok();
    });
    if (!taken) break;
  }
  return group.Wait();
}

/// A field and how many files it has, in the order of the list.
std::vector<std::pair<int64_t, size_t>> CountPerField(const std::vector<meta::LogEntry>& logs) {
  std::vector<std::pair<int64_t, size_t>> counts;
  for (const meta::LogEntry& log : logs) {
    if (counts.empty() || counts.back().first != log.field_id) counts.push_back({log.field_id, 0});
    ++counts.back().second;
  }
  return counts;
}

Status CheckComplete(const Place& storage, const meta::SegmentBackup& segment) {
  if (segment.is_l0) return Status::Ok();
  const auto counts = CountPerField(segment.binlogs.Entries());
  if (counts.empty() && segment.num_of_rows > 0) {
    return DataLossError(
               fmt::format("segment {} has {} rows but no insert logs under '{}' in {}",
                           segment.segment_id, segment.num_of_rows,
                           meta::SourceInsertDir(storage.root, segment.collection_id,
                                                 segment.partition_id, segment.segment_id),
                           storage.backend->Describe()))
        .WithAdvice(fmt::format("check that {} and {} are the ones Milvus itself uses",
                                storage.bucket_key, storage.root_key));
  }
  for (const auto& [field, files] : counts) {
    if (files == counts.front().second) continue;
    return DataLossError(fmt::format("segment {}: field {} has {} files where field {} has {}",
                                     segment.segment_id, field, files, counts.front().first,
                                     counts.front().second))
        .WithAdvice("a compaction or a clean-up ran meanwhile; run the backup again");
  }
  return Status::Ok();
}

void AppendFiles(const std::string& source_dir, const std::string& backup_dir,
                 const meta::LogList& logs, bool with_field, std::vector<SegmentFile>& files) {
  for (const meta::LogEntry& log : logs.Entries()) {
    const std::string end =
        with_field ? fmt::format("{}/{}", log.field_id, log.log_id) : std::to_string(log.log_id);
    files.push_back({source_dir + end, backup_dir + end, static_cast<uint64_t>(log.log_size)});
  }
}

}  // namespace

Result<SegmentFiles> ListSegmentFiles(const CallContext& ctx, const Place& milvus_storage,
                                      int64_t collection_id,
                                      const std::vector<milvus::Segment>& segments, Seats& seats) {
  SegmentFiles found;
  found.segments.reserve(segments.size());
  for (const milvus::Segment& segment : segments) found.segments.push_back(Describe(segment));
  MB_RETURN_IF_ERROR(ListAll(ctx, milvus_storage, collection_id, found.segments, seats));
  for (meta::SegmentBackup& segment : found.segments) {
    MB_RETURN_IF_ERROR(CheckComplete(milvus_storage, segment));
    segment.size = meta::SumLogSizes(segment);
    found.files += segment.binlogs.log_count() + segment.deltalogs.log_count();
    found.bytes += static_cast<uint64_t>(segment.size);
  }
  return found;
}

std::vector<SegmentFile> FilesOf(const Place& milvus_storage, const meta::SegmentBackup& segment) {
  std::vector<SegmentFile> files;
  files.reserve(segment.binlogs.log_count() + segment.deltalogs.log_count());
  const int64_t collection = segment.collection_id;
  const int64_t partition = segment.partition_id;
  AppendFiles(
      milvus_storage.Key(meta::SourceInsertDir("", collection, partition, segment.segment_id)),
      meta::InsertSegmentDir("", segment), segment.binlogs, true, files);
  AppendFiles(
      milvus_storage.Key(meta::SourceDeltaDir("", collection, partition, segment.segment_id)),
      meta::DeltaSegmentDir("", segment), segment.deltalogs, false, files);
  return files;
}

}  // namespace milvus_backup::backup
