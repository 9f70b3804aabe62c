#include "milvus_backup/backup/inspect.h"

#include "read_backup.h"
#include "segment_rows.h"

#include "milvus_backup/binlog/values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace milvus_backup::backup {
namespace {

std::string ParamOf(const meta::FieldSchema& field, std::string_view key) {
  const auto found = std::ranges::find(field.type_params, key, &meta::KeyValue::key);
  return found == field.type_params.end() ? std::string() : found->value;
}

std::string TypeOf(const meta::FieldSchema& field) {
  const auto type = static_cast<binlog::DataType>(field.data_type);
  std::string text = binlog::DataTypeName(type);
  if (type == binlog::DataType::kArray) {
    text += "<" + binlog::DataTypeName(static_cast<binlog::DataType>(field.element_type)) + ">";
  }
  for (const char* key : {"dim", "max_length", "max_capacity"}) {
    const std::string value = ParamOf(field, key);
    if (!value.empty()) return fmt::format("{}({})", text, value);
  }
  return text;
}

FieldSummary SummaryOf(const meta::FieldSchema& field) {
  return {.id = field.field_id,
          .name = field.name,
          .type = TypeOf(field),
          .is_primary_key = field.is_primary_key,
          .is_partition_key = field.is_partition_key,
          .auto_id = field.auto_id,
          .nullable = field.nullable};
}

void AddSegment(PartitionSummary& partition, const meta::SegmentBackup& segment) {
  // The rows of an L0 segment are deletes.
  if (!segment.is_l0) partition.rows += static_cast<uint64_t>(segment.num_of_rows);
  ++partition.segments;
  partition.files += segment.binlogs.log_count() + segment.deltalogs.log_count();
  for (const meta::LogList* logs : {&segment.binlogs, &segment.deltalogs}) {
    for (const meta::LogEntry& log : logs->Entries()) {
      partition.bytes += static_cast<uint64_t>(log.log_size);
    }
  }
}

Result<uint64_t> CountSegment(const CallContext& ctx, const BackupLocation& backup,
                              const meta::SegmentBackup& segment, int64_t key_field,
                              binlog::DeleteSet& l0) {
  const auto rows = static_cast<uint64_t>(segment.num_of_rows);
  if (segment.is_l0) return uint64_t{0};
  if (l0.empty() && segment.deltalogs.log_count() == 0) return rows;
  MB_ASSIGN_OR_RETURN(LiveRows live, LiveRows::Open(ctx, backup, segment, key_field, &l0));
  uint64_t alive = 0;
  for (uint64_t i = 0; i < rows; ++i) {
    MB_ASSIGN_OR_RETURN(const bool is_alive, live.Next());
    if (is_alive) ++alive;
  }
  return alive;
}

Result<uint64_t> CountPartition(const CallContext& ctx, const BackupLocation& backup,
                                const meta::CollectionBackup& collection,
                                const meta::PartitionBackup& partition) {
  MB_ASSIGN_OR_RETURN(const int64_t key_field, KeyFieldOf(collection));
  MB_ASSIGN_OR_RETURN(binlog::DeleteSet l0, ReadL0Deletes(ctx, backup, collection, partition));
  uint64_t alive = 0;
  for (const meta::SegmentBackup& segment : partition.segment_backups) {
    MB_RETURN_IF_ERROR(ctx.Check());
    const Result<uint64_t> rows = CountSegment(ctx, backup, segment, key_field, l0);
    if (!rows.ok()) {
      return rows.status().Annotate(
          fmt::format("counting the rows of segment {}", segment.segment_id));
    }
    alive += *rows;
  }
  return alive;
}

Result<CollectionSummary> Summarize(const CallContext& ctx, const BackupLocation& backup,
                                    const meta::CollectionBackup& collection) {
  CollectionSummary summary = {
      .name = {.db = collection.db_name, .collection = collection.collection_name},
      .collection_id = collection.collection_id,
      .has_dynamic_field = collection.schema.enable_dynamic_field,
      .shards = collection.shards_num,
      .aliases = collection.aliases};
  std::ranges::transform(collection.schema.fields, std::back_inserter(summary.fields), SummaryOf);
  for (const meta::IndexInfo& index : collection.index_infos) {
    summary.indexes.push_back(
        fmt::format("{} {}", index.field_name,
                    index.index_type.empty() ? "chosen by Milvus" : index.index_type));
  }
  for (const meta::PartitionBackup& partition : collection.partition_backups) {
    PartitionSummary part = {.name = partition.partition_name};
    for (const meta::SegmentBackup& segment : partition.segment_backups) {
      AddSegment(part, segment);
      summary.storage_version = std::max(summary.storage_version, segment.storage_version);
    }
    MB_ASSIGN_OR_RETURN(part.live_rows, CountPartition(ctx, backup, collection, partition));
    summary.rows += part.rows;
    summary.live_rows += part.live_rows;
    summary.files += part.files;
    summary.bytes += part.bytes;
    summary.partitions.push_back(std::move(part));
  }
  PartitionSummary all_partitions;
  for (const meta::SegmentBackup& segment : collection.l0_segments) {
    AddSegment(all_partitions, segment);
  }
  summary.files += all_partitions.files;
  summary.bytes += all_partitions.bytes;
  return summary;
}

Status CheckNames(const meta::BackupInfo& info, const Selection& selection) {
  for (const CollectionName& name : selection.named()) {
    const bool is_there = std::ranges::any_of(info.collection_backups, [&](const auto& each) {
      return each.db_name == name.db && each.collection_name == name.collection;
    });
    if (is_there) continue;
    return NotFoundError(fmt::format("the backup has no collection {}", name.ToString()))
        .WithAdvice("inspect without -c shows what it has");
  }
  return Status::Ok();
}

/// Collects the lines of CompareSummaries.
class Comparison {
 public:
  void Compare(const CollectionSummary& a, const CollectionSummary& b) {
    where_ = a.name.ToString();
    CompareFields(a.fields, b.fields);
    Value("dynamic fields", a.has_dynamic_field, b.has_dynamic_field);
    Value("shards", a.shards, b.shards);
    Value("indexes", fmt::format("{}", fmt::join(a.indexes, ", ")),
          fmt::format("{}", fmt::join(b.indexes, ", ")));
    Value("aliases", fmt::format("{}", fmt::join(a.aliases, ", ")),
          fmt::format("{}", fmt::join(b.aliases, ", ")));
    Value("rows", a.rows, b.rows);
    Value("live rows", a.live_rows, b.live_rows);
    Value("files", a.files, b.files);
    Value("bytes", a.bytes, b.bytes);
    ComparePartitions(a, b);
  }

  template <typename T>
  void Value(std::string_view what, const T& a, const T& b) {
    if (a != b) lines_.push_back(fmt::format("{}: {} {} -> {}", where_, what, a, b));
  }
  void Only(std::string_view what, std::string_view name, bool in_first) {
    lines_.push_back(
        fmt::format("{} {} only in the {} backup", what, name, in_first ? "first" : "second"));
  }
  std::vector<std::string> Take() { return std::move(lines_); }

 private:
  static std::string Describe(const FieldSummary& field) {
    return fmt::format("{} {}{}{}{}{}", field.id, field.type,
                       field.is_primary_key ? ", primary key" : "",
                       field.is_partition_key ? ", partition key" : "",
                       field.auto_id ? ", auto id" : "", field.nullable ? ", nullable" : "");
  }

  void CompareFields(const std::vector<FieldSummary>& a, const std::vector<FieldSummary>& b) {
    for (const FieldSummary& field : a) {
      const auto other = std::ranges::find(b, field.name, &FieldSummary::name);
      if (other == b.end()) {
        Only("field", where_ + "/" + field.name, true);
      } else {
        Value("field " + field.name, Describe(field), Describe(*other));
      }
    }
    for (const FieldSummary& field : b) {
      if (std::ranges::find(a, field.name, &FieldSummary::name) == a.end()) {
        Only("field", where_ + "/" + field.name, false);
      }
    }
  }

  void ComparePartitions(const CollectionSummary& a, const CollectionSummary& b) {
    for (const PartitionSummary& part : a.partitions) {
      const auto other = std::ranges::find(b.partitions, part.name, &PartitionSummary::name);
      if (other == b.partitions.end()) {
        Only("partition", where_ + "/" + part.name, true);
      } else {
        Value("live rows of partition " + part.name, part.live_rows, other->live_rows);
      }
    }
    for (const PartitionSummary& part : b.partitions) {
      if (std::ranges::find(a.partitions, part.name, &PartitionSummary::name) ==
          a.partitions.end()) {
        Only("partition", where_ + "/" + part.name, false);
      }
    }
  }

  std::string where_;
  std::vector<std::string> lines_;
};

const CollectionSummary* Find(const BackupSummary& backup, const CollectionName& name) {
  const auto found = std::ranges::find(backup.collections, name, &CollectionSummary::name);
  return found == backup.collections.end() ? nullptr : &*found;
}

}  // namespace

Result<uint64_t> CountLiveRows(const CallContext& ctx, const BackupLocation& backup,
                               const meta::CollectionBackup& collection) {
  uint64_t alive = 0;
  for (const meta::PartitionBackup& partition : collection.partition_backups) {
    MB_ASSIGN_OR_RETURN(const uint64_t rows, CountPartition(ctx, backup, collection, partition));
    alive += rows;
  }
  return alive;
}

Result<BackupSummary> InspectBackup(const CallContext& ctx, const BackupLocation& backup,
                                    const Selection& selection) {
  MB_ASSIGN_OR_RETURN(const meta::BackupInfo info,
                      ReadRestorable(ctx, *backup.backend, backup.dir));
  MB_RETURN_IF_ERROR(CheckNames(info, selection));
  BackupSummary summary = {.name = info.name,
                           .milvus_version = info.milvus_version,
                           .partial = info.partial,
                           .failed_collections = info.failed_collections};
  for (const meta::CollectionBackup& collection : info.collection_backups) {
    if (!selection.Matches({.db = collection.db_name, .collection = collection.collection_name})) {
      continue;
    }
    MB_ASSIGN_OR_RETURN(CollectionSummary each, Summarize(ctx, backup, collection));
    summary.bytes += each.bytes;
    summary.collections.push_back(std::move(each));
  }
  return summary;
}

std::vector<std::string> CompareSummaries(const BackupSummary& a, const BackupSummary& b) {
  Comparison comparison;
  for (const CollectionSummary& collection : a.collections) {
    if (const CollectionSummary* other = Find(b, collection.name)) {
      comparison.Compare(collection, *other);
    } else {
      comparison.Only("collection", collection.name.ToString(), true);
    }
  }
  for (const CollectionSummary& collection : b.collections) {
    if (Find(a, collection.name) == nullptr) {
      comparison.Only("collection", collection.name.ToString(), false);
    }
  }
  return comparison.Take();
}

}  // namespace milvus_backup::backup
