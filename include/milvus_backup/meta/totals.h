/// Sizes of a backup from the sizes of its parts. Pure functions.
#pragma once

#include "milvus_backup/meta/backup_info.h"

#include <cstdint>

namespace milvus_backup::meta {

/// Bytes of the segment's insert and delta logs.
int64_t SumLogSizes(const SegmentBackup& segment);

/// Set the sizes of partitions, collections (with their L0 segments) and the backup to the sums of
/// SegmentBackup::size below them.
void UpdateTotals(BackupInfo& info);

}  // namespace milvus_backup::meta
