/// Whether the metas of a backup agree with each other.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"

#include <cstdint>
#include <unordered_set>
#include <vector>

namespace milvus_backup::meta {

/// kDataLoss naming the first segment that `seen` holds already; the others are added to it.
Status CheckListedOnce(const std::vector<SegmentBackup>& segments,
                       std::unordered_set<int64_t>& seen);

enum class SizeRule {
  kExact,
  /// A collection may be larger than its partitions: later reference tools count segments of
  /// partitions that were being dropped, but do not list them. Warns.
  kMayHaveDropped,
};

/// kDataLoss naming the partition, collection or backup whose recorded size is not the sum of its
/// parts. A size of 0 was not recorded by the writer and says nothing. Needs the logs.
Status CheckSizes(const BackupInfo& info, SizeRule rule);

/// kDataLoss for a tree that a restore could not follow whatever the sizes: segments that are
/// listed twice, consistency levels that Milvus does not have.
Status CheckTree(const BackupInfo& info);

/// Whether `info` has every one of these partitions.
bool HasPartitions(const BackupInfo& info, const std::vector<PartitionBackup>& partitions);

/// kDataLoss when the size of a full_meta.json is not the header's.
Status CheckHeaderSize(const BackupInfo& header, const BackupInfo& full);

}  // namespace milvus_backup::meta
