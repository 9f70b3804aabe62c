/// Values of a column, a few thousand rows at a time. Values stay where decompression put them:
/// vectors are never copied one by one.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/binlog/byte_source.h"
#include "milvus_backup/binlog/parquet.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace milvus_backup::binlog {

/// Consecutive rows of a column. Everything points into the reader that filled it, until its next
/// call.
struct Batch {
  PhysicalType type = PhysicalType::kInt32;
  size_t rows = 0;
  /// Bytes of a value in `fixed`: 1 for booleans, which are unpacked to 0 and 1; 0 for kByteArray.
  size_t width = 0;
  /// rows * width bytes, aligned for the type (for 4 bytes with kFixedLenByteArray). Nulls are
  /// zeros.
  ByteView fixed{};
  /// For kByteArray: `rows` views; nulls are empty.
  std::span<const std::string_view> texts{};
  /// 1 for every null; empty when there is none.
  std::span<const uint8_t> nulls{};

  bool IsNull(size_t row) const { return !nulls.empty() && nulls[row] != 0; }
  ByteView Value(size_t row) const { return fixed.subspan(row * width, width); }
  /// All of `fixed` as numbers; T must be what the type says, or a part of a fixed-length value.
  template <typename T>
  std::span<const T> As() const {
    return {reinterpret_cast<const T*>(fixed.data()), fixed.size() / sizeof(T)};
  }
};

/// Reads the values of one column chunk in order. Holds one unpacked page and the dictionary.
class ChunkReader {
 public:
  /// `source` must outlive the reader. kUnimplemented for nested columns, codecs other than none
  /// and Zstandard.
  static Result<ChunkReader> Open(ByteSource& source, const ParquetFile& file, size_t row_group,
                                  size_t column, const Limits& limits);
  ChunkReader(const ChunkReader&) = delete;
  ChunkReader& operator=(const ChunkReader&) = delete;
  ChunkReader(ChunkReader&&) noexcept;
  ChunkReader& operator=(ChunkReader&&) noexcept;
  ~ChunkReader();

  /// The next rows, at most kBatchRows; false at the end, once the chunk has held exactly what the
  /// footer says.
  Result<bool> Next(Batch& batch);

  static constexpr size_t kBatchRows = 4096;

 private:
  class Impl;
  explicit ChunkReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace milvus_backup::binlog
