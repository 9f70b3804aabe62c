/// The footers of the Parquet files that Milvus writes: flat columns, data pages of version 1.
/// Numbers of enumerations are those of parquet.thrift in apache/parquet-format. Plain data.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/binlog/byte_source.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::binlog {

enum class PhysicalType : int32_t {
  kBoolean = 0,
  kInt32 = 1,
  kInt64 = 2,
  kInt96 = 3,
  kFloat = 4,
  kDouble = 5,
  kByteArray = 6,
  kFixedLenByteArray = 7,
};
/// As in messages, such as `INT64`.
const char* PhysicalTypeName(PhysicalType type);

struct ParquetColumn {
  std::string name{};
  PhysicalType type = PhysicalType::kInt32;
  /// Bytes of a value of kFixedLenByteArray.
  uint32_t type_length = 0;
  /// Nulls are possible.
  bool optional = false;
  /// Below a group or repeated: its pages cannot be read here.
  bool nested = false;
  /// Of the field in Milvus, in packed files.
  std::optional<int32_t> field_id{};
};

/// The values of one column in one row group.
struct ColumnChunk {
  /// In the object.
  uint64_t offset = 0;
  /// Bytes, page headers included.
  uint64_t size = 0;
  int32_t codec = 0;
  uint64_t value_count = 0;
  uint64_t uncompressed_size = 0;
  /// Smallest and largest value of an integer column, where the writer says so.
  std::optional<int64_t> min{};
  std::optional<int64_t> max{};
};

struct RowGroup {
  uint64_t row_count = 0;
  /// One per column.
  std::vector<ColumnChunk> chunks{};
};

struct ParquetFile {
  /// Where the pages may lie in the object: from behind the magic number to the footer.
  uint64_t pages_begin = 0;
  uint64_t pages_end = 0;
  uint64_t row_count = 0;
  std::vector<ParquetColumn> columns{};
  std::vector<RowGroup> row_groups{};
};

/// Read the footer of the file that takes `size` bytes of `source` at `offset`, and check that
/// what it says is possible: chunks inside the file, counts that agree.
Result<ParquetFile> OpenParquet(ByteSource& source, uint64_t offset, uint64_t size,
                                const Limits& limits);

}  // namespace milvus_backup::binlog
