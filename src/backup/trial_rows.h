/// Comparing rows of a backup with what a server returns of them.
#pragma once

#include "row_reader.h"

#include "milvus_backup/backup/inspect.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/milvus/client.h"

#include <cstdint>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// Values as JSON, in the order of ComparedFields.
struct SampledRow {
  /// Of the primary key.
  std::string key;
  std::vector<std::string> values;
};

/// Where a row of the backup and the server's differ. Values are JSON.
struct RowDifference {
  std::string key;
  /// Empty when the server has no such row.
  std::string field;
  std::string expected;
  std::string found;
};

/// The fields whose values can be asked for: not those that the server works out itself.
std::vector<ShownField> ComparedFields(const meta::CollectionSchema& schema);

/// `count` rows, or all when there are fewer, spread evenly over the `live_rows` of a collection.
Result<std::vector<SampledRow>> SampleRows(const CallContext& ctx, const BackupLocation& backup,
                                           const meta::CollectionBackup& collection,
                                           uint64_t live_rows, uint64_t count);

/// Ask for these rows in `scratch`, a loaded collection that holds those of `collection`. Where
/// several rows of the backup share a key any of them will do.
Result<std::vector<RowDifference>> CompareRows(const CallContext& ctx, milvus::Client& client,
                                               const BackupLocation& backup,
                                               const meta::CollectionBackup& collection,
                                               const std::string& scratch,
                                               const std::vector<SampledRow>& sample);

}  // namespace milvus_backup::backup
