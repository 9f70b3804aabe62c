/// What the checks of insert and delta logs share.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/binlog/check.h"
#include "milvus_backup/binlog/column.h"
#include "milvus_backup/binlog/container.h"
#include "milvus_backup/binlog/parquet.h"

#include <cstdint>
#include <optional>
#include <string>

namespace milvus_backup::binlog {

/// Whether `status` says something of the bytes, and not that they could not be had.
bool IsDamage(const Status& status);

/// Report what keeps a log from being read. Any other status is returned.
Status ReportDamage(const Status& status, const FindingSink& report);

/// Compare the ids of a container with those of its key.
void CheckIds(const Descriptor& descriptor, const LogFacts& facts, const FindingSink& report);

/// Report pages that do not fill the file from end to end.
void CheckLayout(const ParquetFile& file, Severity severity, const FindingSink& report);

/// Looks at all values of one column. Tells only the first bad one, and how many there are.
class ColumnCheck {
 public:
  ColumnCheck(FieldFacts field, std::string column_name, const FindingSink& report)
      : field_(std::move(field)), column_name_(std::move(column_name)), report_(report) {}

  /// Whether the column can hold the field at all; reports why not.
  bool CheckType(const ParquetColumn& column);
  /// Read and look at all values of a chunk. Returns errors of the source only; false when the
  /// chunk is damaged, which has been reported.
  Result<bool> ReadChunk(ByteSource& source, const ParquetFile& file, size_t row_group,
                         size_t column, const Limits& limits);
  /// Report what was found.
  void Finish();

  uint64_t rows() const { return rows_; }
  /// Of an integer column; none without a value.
  std::optional<int64_t> min() const { return min_; }
  std::optional<int64_t> max() const { return max_; }

 private:
  void Look(const Batch& batch);
  void LookAtIntegers(const Batch& batch);
  template <typename T>
  void LookAtRange(const Batch& batch);
  void LookAtTexts(const Batch& batch);
  std::string TextProblem(std::string_view text) const;
  void Bad(uint64_t row, std::string problem);
  void CheckStatistics(const ColumnChunk& chunk);
  void Report(std::string what, std::string expected, std::string found);

  FieldFacts field_;
  std::string column_name_;
  const FindingSink& report_;
  uint64_t rows_ = 0;
  uint64_t bad_ = 0;
  std::string first_bad_;
  std::optional<int64_t> min_;
  std::optional<int64_t> max_;
  /// Of the current chunk.
  std::optional<int64_t> chunk_min_;
  std::optional<int64_t> chunk_max_;
};

}  // namespace milvus_backup::binlog
