/// From Milvus' account of a collection to the backup's.
#pragma once

#include "milvus_backup/backup/selection.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/milvus/client.h"

#include <string>
#include <vector>

namespace milvus_backup::backup {

/// Everything but segments: schema, partitions, indexes, load state, properties, channels.
Result<meta::CollectionBackup> DescribeForBackup(const CallContext& ctx, milvus::Client& client,
                                                 const CollectionName& name);

/// Bring the schema up to date, which may have changed since the collection was described. kAborted
/// when there is another collection of that name by now.
Status RefreshSchema(const CallContext& ctx, milvus::Client& client, const CollectionName& name,
                     meta::CollectionBackup& backup);
/// Add the partitions that were created since.
Status RefreshPartitions(const CallContext& ctx, milvus::Client& client, const CollectionName& name,
                         meta::CollectionBackup& backup);

/// Name, and id and properties where the server tells them. kUnimplemented for an encrypted one.
Result<meta::DatabaseBackup> DescribeDatabase(const CallContext& ctx, milvus::Client& client,
                                              const std::string& db);

/// Put segments into their partitions, or among the L0 segments of the collection. Segments of
/// unknown partitions are dropped.
void AttachSegments(std::vector<meta::SegmentBackup> segments, meta::CollectionBackup& collection);

}  // namespace milvus_backup::backup
