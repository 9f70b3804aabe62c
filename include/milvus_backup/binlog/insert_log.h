/// Insert logs: a container with one field, or a packed Parquet file with a group of fields.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/binlog/byte_source.h"
#include "milvus_backup/binlog/column.h"
#include "milvus_backup/binlog/container.h"
#include "milvus_backup/binlog/parquet.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::binlog {

/// What the headers and footers of a log say.
struct InsertLog {
  /// None for a packed file.
  std::optional<Descriptor> descriptor{};
  /// As many as `files`; empty for a packed file.
  std::vector<Event> events{};
  /// One per event, each with the same single column; or the packed file.
  std::vector<ParquetFile> files{};
  uint64_t row_count = 0;

  size_t column_count() const { return files.front().columns.size(); }
  const ParquetColumn& column(size_t index) const { return files.front().columns[index]; }
  /// Of the field in Milvus; none for a column of a packed file that does not say so.
  std::optional<int64_t> field_id(size_t column) const;
  /// The column of a field; none when the log does not hold it.
  std::optional<size_t> FindColumn(int64_t field_id) const;
};

/// Tells the form by the first bytes. Reads headers and footers, no rows.
Result<InsertLog> OpenInsertLog(ByteSource& source, const Limits& limits);

/// All rows of one column of a log. `source` and `log` must outlive it.
class ColumnReader {
 public:
  ColumnReader(ByteSource& source, const InsertLog& log, size_t column, const Limits& limits)
      : source_(&source), log_(&log), column_(column), limits_(limits) {}

  /// As ChunkReader::Next, over all events and row groups.
  Result<bool> Next(Batch& batch);

 private:
  ByteSource* source_;
  const InsertLog* log_;
  size_t column_;
  Limits limits_;
  size_t file_ = 0;
  size_t row_group_ = 0;
  std::optional<ChunkReader> chunk_;
};

}  // namespace milvus_backup::binlog
