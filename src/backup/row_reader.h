/// The rows of a collection that deletes leave, column by column from its logs.
#pragma once

#include "inspect_value.h"
#include "segment_rows.h"

#include "milvus_backup/backup/inspect.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"

#include <functional>
#include <vector>

namespace milvus_backup::backup {

/// Name under which Milvus knows the field of the dynamic columns.
inline constexpr char kDynamicName[] = "$meta";

/// The fields of the schema, and last the one of the dynamic columns where there are any.
std::vector<ShownField> ShownFieldsOf(const meta::CollectionSchema& schema);

/// Gets the values of a row in the order of ShownFieldsOf, which last until it returns; false ends
/// the reading.
using RowVisitor = std::function<Result<bool>(const std::vector<Cell>& cells)>;

/// Call `visit` for every live row, in the order of partitions and segments. kDataLoss naming a log
/// that is damaged.
Status ForEachLiveRow(const CallContext& ctx, const BackupLocation& backup,
                      const meta::CollectionBackup& collection, const RowVisitor& visit);

}  // namespace milvus_backup::backup
