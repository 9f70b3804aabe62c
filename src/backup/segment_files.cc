#include "segment_files.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace milvus_backup::backup {
namespace {

/// common.SegmentLevel L0.
constexpr int32_t kLevelZero = 1;

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

// Attaches listed objects to the segments they belong to.
class Collector {
 public:
  Collector(const Place& storage, const std::vector<milvus::Segment>& segments)
      : storage_(storage) {
    for (const milvus::Segment& segment : segments) {
      by_id_[segment.id] = result_.segments.size();
      result_.segments.push_back(Describe(segment));
    }
  }

  Status Add(const storage::ObjectInfo& object) {
    auto log = meta::ParseSourceKey(object.key, storage_.root);
    if (!log.ok()) return log.status().Annotate("unexpected object among the binlogs");
    const auto it = by_id_.find(log->segment_id);
    if (it == by_id_.end()) return Status::Ok();  // dropped or growing: not part of the backup
    meta::SegmentBackup& segment = result_.segments[it->second];
    if (segment.partition_id != log->partition_id) return Status::Ok();
    std::vector<meta::FieldBinlog>& fields = log->is_delta ? segment.deltalogs : segment.binlogs;
    const auto size = static_cast<int64_t>(object.size);
    BinlogsOf(fields, log->field_id)
        .push_back({.log_path = storage_.milvus_prefix + object.key,
                    .log_size = size,
                    .log_id = log->log_id});
    segment.size += size;
    result_.files.push_back({object.key,
                             log->is_delta
                                 ? meta::DeltaLogKey("", segment, log->log_id)
                                 : meta::InsertLogKey("", segment, log->field_id, log->log_id),
                             object.size, object.etag});
    return Status::Ok();
  }

  Result<SegmentFiles> Take() && {
    for (const meta::SegmentBackup& segment : result_.segments) {
      MB_RETURN_IF_ERROR(CheckComplete(segment));
    }
    return std::move(result_);
  }

 private:
  static std::vector<meta::Binlog>& BinlogsOf(std::vector<meta::FieldBinlog>& fields, int64_t id) {
    const auto it = std::ranges::find(fields, id, &meta::FieldBinlog::field_id);
    if (it != fields.end()) return it->binlogs;
    return fields.emplace_back(meta::FieldBinlog{.field_id = id}).binlogs;
  }

  Status CheckComplete(const meta::SegmentBackup& segment) const {
    if (segment.is_l0) return Status::Ok();
    if (segment.binlogs.empty() && segment.num_of_rows > 0) {
      return DataLossError(
                 fmt::format("segment {} has {} rows but no insert logs under '{}' in {}",
                             segment.segment_id, segment.num_of_rows,
                             meta::SourceInsertDir(storage_.root, segment.collection_id,
                                                   segment.partition_id, segment.segment_id),
                             storage_.backend->Describe()))
          .WithAdvice(fmt::format("check that {} and {} are the ones Milvus itself uses",
                                  storage_.bucket_key, storage_.root_key));
    }
    for (const meta::FieldBinlog& field : segment.binlogs) {
      if (field.binlogs.size() != segment.binlogs.front().binlogs.size()) {
        return DataLossError(fmt::format("segment {}: field {} has {} files where field {} has {}",
                                         segment.segment_id, field.field_id, field.binlogs.size(),
                                         segment.binlogs.front().field_id,
                                         segment.binlogs.front().binlogs.size()))
            .WithAdvice("a compaction or a clean-up ran meanwhile; run the backup again");
      }
    }
    return Status::Ok();
  }

  const Place& storage_;
  std::unordered_map<int64_t, size_t> by_id_;
  SegmentFiles result_;
};

}  // namespace

Result<SegmentFiles> ListSegmentFiles(const CallContext& ctx, const Place& milvus_storage,
                                      int64_t collection_id,
                                      const std::vector<milvus::Segment>& segments) {
  Collector collector(milvus_storage, segments);
  for (const char* kind : {"insert_log", "delta_log"}) {
    const std::string prefix = milvus_storage.Key(fmt::format("{}/{}/", kind, collection_id));
    MB_RETURN_IF_ERROR(storage::ForEachObject(
        ctx, *milvus_storage.backend, prefix,
        [&](const storage::ObjectInfo& object) { return collector.Add(object); }));
  }
  return std::move(collector).Take();
}

}  // namespace milvus_backup::backup
