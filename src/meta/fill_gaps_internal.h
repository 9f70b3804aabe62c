/// Brings what older writers left out up to what the current one writes.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"

#include <string>
#include <vector>

namespace milvus_backup::meta {

/// See ReadBackup; `name` is that of the directory.
void FillGaps(BackupInfo& info, const std::string& name);

/// What FillGaps does to a segment that knows where it belongs.
void FillLogs(SegmentBackup& segment);

/// Put the lists of the leveled files into the collections of `info` and recompute the sizes. What
/// a collection holds already is kept, for files before 0.5.14 hold everything. kDataLoss when a
/// partition or segment belongs to nothing.
Status AttachLevels(BackupInfo& info, std::vector<PartitionBackup> partitions,
                    std::vector<SegmentBackup> segments);

}  // namespace milvus_backup::meta
