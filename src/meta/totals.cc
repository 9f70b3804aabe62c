#include "milvus_backup/meta/totals.h"

namespace milvus_backup::meta {
namespace {

int64_t SumSizes(const std::vector<SegmentBackup>& segments) {
  int64_t sum = 0;
  for (const SegmentBackup& segment : segments) sum += segment.size;
  return sum;
}

}  // namespace

int64_t SumLogSizes(const SegmentBackup& segment) {
  int64_t sum = 0;
  for (const LogList* logs : {&segment.binlogs, &segment.deltalogs}) {
    for (const LogEntry& log : logs->Entries()) sum += log.log_size;
  }
  return sum;
}

void UpdateTotals(BackupInfo& info) {
  info.size = 0;
  for (CollectionBackup& collection : info.collection_backups) {
    collection.size = SumSizes(collection.l0_segments);
    for (PartitionBackup& partition : collection.partition_backups) {
      partition.size = SumSizes(partition.segment_backups);
      collection.size += partition.size;
    }
    info.size += collection.size;
  }
}

}  // namespace milvus_backup::meta
