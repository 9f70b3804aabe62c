/// What is in a backup, read from its metas and logs. Nothing is written, Milvus is not asked. Safe
/// from any thread; memory is a few windows of logs at a time and the deletes of one partition.
#pragma once

#include "milvus_backup/backup/selection.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/meta/codec.h"
#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <string>
#include <vector>

namespace milvus_backup::backup {

struct PartitionSummary {
  std::string name;
  /// In the logs, deleted ones included.
  uint64_t rows = 0;
  uint64_t live_rows = 0;
  uint64_t segments = 0;
  uint64_t files = 0;
  /// Of insert and delta logs.
  uint64_t bytes = 0;
};

struct FieldSummary {
  int64_t id = 0;
  std::string name;
  /// As in the API, with what belongs to it: `FloatVector(128)`, `Array<Int64>`.
  std::string type;
  bool is_primary_key = false;
  bool is_partition_key = false;
  bool auto_id = false;
  bool nullable = false;
  friend bool operator==(const FieldSummary&, const FieldSummary&) = default;
};

struct CollectionSummary {
  CollectionName name;
  int64_t collection_id = 0;
  std::vector<FieldSummary> fields;
  bool has_dynamic_field = false;
  int32_t shards = 0;
  std::vector<std::string> aliases;
  /// `field index_type`.
  std::vector<std::string> indexes;
  std::vector<PartitionSummary> partitions;
  uint64_t rows = 0;
  uint64_t live_rows = 0;
  uint64_t files = 0;
  uint64_t bytes = 0;
  /// 2 for packed logs; the largest of the segments.
  int64_t storage_version = 0;
};

struct BackupSummary {
  std::string name;
  std::string milvus_version;
  bool partial = false;
  std::vector<std::string> failed_collections;
  std::vector<CollectionSummary> collections;
  uint64_t bytes = 0;
};

/// A backup in a storage.
struct BackupLocation {
  storage::Backend* backend = nullptr;
  /// As meta::BackupDir returns it.
  std::string dir;
};

/// Rows of a collection of `backup` that deletes leave, counted exactly. Primary keys and times are
/// read only of segments that deletes may apply to. kDataLoss when logs are damaged or missing.
Result<uint64_t> CountLiveRows(const CallContext& ctx, const BackupLocation& backup,
                               const meta::CollectionBackup& collection);

/// Collections that `selection` matches, in the order of the backup. kNotFound when it names one
/// that the backup does not have.
Result<BackupSummary> InspectBackup(const CallContext& ctx, const BackupLocation& backup,
                                    const Selection& selection);

/// One line per difference between two backups, empty when there is none: collections, schemas,
/// partitions, rows, sizes.
std::vector<std::string> CompareSummaries(const BackupSummary& a, const BackupSummary& b);

enum class RowFormat {
  /// A list, one object per line. Floats are the shortest text that reads back as the same float;
  /// binary vectors are hex, sparse ones objects; dynamic columns stand beside the others.
  kJson,
  /// RFC 4180 with a header; vectors, arrays and the dynamic columns as in JSON.
  kCsv,
  /// For people: columns of fixed width, long values cut.
  kTable,
};

/// Write the first `max_rows` live rows of a collection to `sink`, segment by segment. kNotFound
/// when the backup does not have the collection. Returns how many there were.
Result<uint64_t> InspectRows(const CallContext& ctx, const BackupLocation& backup,
                             const CollectionName& name, uint64_t max_rows, RowFormat format,
                             const meta::TextSink& sink);

}  // namespace milvus_backup::backup
