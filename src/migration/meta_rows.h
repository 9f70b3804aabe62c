/// The meta database of Milvus 1.x as rows, and what they say of collections. Not thread-safe.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/export.h"
#include "milvus_backup/migration/meta.h"

#include <cstdint>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// A row of `Tables`.
struct TableRow {
  std::string table_id;
  int64_t state = 0;
  int64_t dimension = 0;
  int64_t flag = 0;
  int64_t engine_type = 0;
  std::string index_params;
  int64_t metric_type = 0;
  std::string owner_table;
  std::string partition_tag;
  int64_t index_file_size = 0;
  std::string version;
};

/// A row of `TableFiles` that stands for raw vectors: file_type RAW, TO_INDEX or BACKUP.
struct FileRow {
  std::string table_id;
  std::string segment_id;
  int64_t row_count = 0;
  int64_t file_size = 0;
};

/// Both in the order of their ids.
struct MetaRows {
  std::vector<TableRow> tables;
  std::vector<FileRow> files;
};

/// The columns of the structs above, in their order, as both databases know them.
inline constexpr char kTableQuery[] =
    "SELECT table_id, state, dimension, flag, engine_type, index_params, metric_type, "
    "owner_table, partition_tag, index_file_size, version FROM Tables WHERE state = 0 ORDER BY id";
/// An indexed segment has a row for its raw file (7) and one for its index (3); every live segment
/// has exactly one of type 1, 2 or 7.
inline constexpr char kFileQuery[] =
    "SELECT table_id, segment_id, row_count, file_size FROM TableFiles "
    "WHERE file_type IN (1, 2, 7) ORDER BY id";

/// kFailedPrecondition unless `tables`, the names of all tables of the database `what`, are those
/// of Milvus 0.9 to 1.x.
Status CheckGeneration(const std::vector<std::string>& tables, const std::string& what);

struct BuiltMeta {
  Meta meta;
  /// One line each: what was left out although it looks alive.
  std::vector<std::string> warnings;
};

/// Partitions of a dropped collection are left out. kFailedPrecondition `empty collections, …`
/// without tables, `empty segments, …` when none is left.
Result<BuiltMeta> BuildMeta(MetaRows rows, EmptyTables empty);

}  // namespace milvus_backup::migration
