/// From Milvus' account of a collection to the backup's.
#pragma once

#include "milvus_backup/backup/selection.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/milvus/client.h"

#include <vector>

namespace milvus_backup::backup {

/// Everything but segments: schema, partitions, indexes, load state, properties, channels.
Result<meta::CollectionBackup> DescribeForBackup(const CallContext& ctx, milvus::Client& client,
                                                 const CollectionName& name);

/// Put segments into their partitions, or among the L0 segments of the collection. Segments of
/// unknown partitions are dropped.
void AttachSegments(std::vector<meta::SegmentBackup> segments, meta::CollectionBackup& collection);

}  // namespace milvus_backup::backup
