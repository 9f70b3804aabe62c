#include "consistency_internal.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/totals.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace milvus_backup::meta {
namespace {

constexpr int32_t kHighestConsistencyLevel = 4;

Status WrongSize(const std::string& whole, int64_t recorded, int64_t sum, const char* parts) {
  return DataLossError(fmt::format("{} has {} bytes, but its {} together have {}", whole, recorded,
                                   parts, sum))
      .WithAdvice("its meta files are damaged: a restore would leave data out");
}

std::string NameOf(const CollectionBackup& collection) {
  const std::string db = collection.db_name.empty() ? kDefaultDatabase : collection.db_name;
  return fmt::format("collection {}.{}", db, collection.collection_name);
}

int64_t SizeOf(const std::vector<SegmentBackup>& segments) {
  int64_t sum = 0;
  for (const SegmentBackup& segment : segments) {
    sum += segment.size != 0 ? segment.size : SumLogSizes(segment);
  }
  return sum;
}

/// The bytes of its partitions.
Result<int64_t> CheckPartitions(const CollectionBackup& collection) {
  int64_t sum = 0;
  for (const PartitionBackup& partition : collection.partition_backups) {
    const int64_t size = SizeOf(partition.segment_backups);
    if (partition.size != 0 && partition.size != size) {
      return WrongSize("partition " + partition.partition_name + " of " + NameOf(collection),
                       partition.size, size, "segments");
    }
    sum += size;
  }
  return sum;
}

/// The bytes that count for the backup.
Result<int64_t> CheckCollection(const CollectionBackup& collection, SizeRule rule) {
  MB_ASSIGN_OR_RETURN(const int64_t partitions, CheckPartitions(collection));
  const int64_t all = partitions + SizeOf(collection.l0_segments);
  // The first versions with L0 segments did not count them.
  if (collection.size == 0 || collection.size == all || collection.size == partitions) {
    return collection.size == 0 ? all : collection.size;
  }
  if (rule == SizeRule::kExact || collection.size < all || collection.partition_backups.empty()) {
    return WrongSize(NameOf(collection), collection.size, all, "partitions");
  }
  log::Warn(
      "{} has {} bytes, {} more than its partitions: data of partitions that were being dropped "
      "is not restored",
      NameOf(collection), collection.size, collection.size - all);
  return collection.size;
}

}  // namespace

Status CheckListedOnce(const std::vector<SegmentBackup>& segments,
                       std::unordered_set<int64_t>& seen) {
  for (const SegmentBackup& segment : segments) {
    if (seen.insert(segment.segment_id).second) continue;
    return DataLossError(fmt::format("segment {} of partition {} is listed twice",
                                     segment.segment_id, segment.partition_id));
  }
  return Status::Ok();
}

Status CheckSizes(const BackupInfo& info, SizeRule rule) {
  int64_t sum = 0;
  for (const CollectionBackup& collection : info.collection_backups) {
    MB_ASSIGN_OR_RETURN(const int64_t size, CheckCollection(collection, rule));
    sum += size;
  }
  if (info.size == 0 || info.size == sum) return Status::Ok();
  return WrongSize("the backup", info.size, sum, "collections");
}

Status CheckTree(const BackupInfo& info) {
  for (const CollectionBackup& collection : info.collection_backups) {
    const int32_t level = collection.consistency_level;
    if (level < 0 || level > kHighestConsistencyLevel) {
      return DataLossError(fmt::format("{} has the consistency_level {}, which is none of 0 to {}",
                                       NameOf(collection), level, kHighestConsistencyLevel));
    }
    std::unordered_set<int64_t> seen;
    for (const PartitionBackup& partition : collection.partition_backups) {
      MB_RETURN_IF_ERROR(
          CheckListedOnce(partition.segment_backups, seen).Annotate(NameOf(collection)));
    }
    MB_RETURN_IF_ERROR(CheckListedOnce(collection.l0_segments, seen).Annotate(NameOf(collection)));
  }
  return Status::Ok();
}

bool HasPartitions(const BackupInfo& info, const std::vector<PartitionBackup>& partitions) {
  std::set<std::pair<int64_t, int64_t>> ids;
  for (const CollectionBackup& collection : info.collection_backups) {
    for (const PartitionBackup& partition : collection.partition_backups) {
      ids.insert({collection.collection_id, partition.partition_id});
    }
  }
  return std::ranges::all_of(partitions, [&](const PartitionBackup& partition) {
    return ids.contains({partition.collection_id, partition.partition_id});
  });
}

Status CheckHeaderSize(const BackupInfo& header, const BackupInfo& full) {
  if (header.size == 0 || header.size == full.size) return Status::Ok();
  return WrongSize("the backup", header.size, full.size, "collections");
}

}  // namespace milvus_backup::meta
