/// The values of a page, in either encoding that Milvus uses.
#pragma once

#include "hybrid_internal.h"
#include "page_internal.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/binlog/parquet.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace milvus_backup::binlog {

/// Bytes that a value takes once decoded; 0 for texts.
size_t WidthOf(const ParquetColumn& column);

/// The different values of a column, copied out of their page.
class Dictionary {
 public:
  Status Fill(const ParquetColumn& column, const PageHeader& header, ByteView page);
  size_t size() const { return size_; }
  ByteView Value(size_t index, size_t width) const {
    return bytes_.view().subspan(index * width, width);
  }
  std::string_view Text(size_t index) const { return texts_[index]; }

 private:
  Scratch bytes_;
  std::vector<std::string_view> texts_;
  size_t size_ = 0;
};

/// Hands out the values of one page in order. Does not see nulls: they take no room in a page.
class ValueDecoder {
 public:
  /// `values` and `dictionary` (null: none) must outlive the decoder.
  static Result<ValueDecoder> Start(const ParquetColumn& column, int32_t encoding, ByteView values,
                                    const Dictionary* dictionary);

  /// For kByteArray.
  Status ReadTexts(std::span<std::string_view> out);
  /// For other types: `count` values, in `scratch` or, where they lie aligned, in the page.
  Result<ByteView> ReadFixed(size_t count, Scratch& scratch);
  /// After the last value: kDataLoss when bytes are left.
  Status Finish() const;

 private:
  Status ReadIndices(size_t count);
  Status ReadBooleans(std::span<std::byte> out);

  ByteView values_;
  size_t width_ = 0;
  size_t alignment_ = 1;
  bool is_boolean_ = false;
  const Dictionary* dictionary_ = nullptr;
  /// Next bit of booleans.
  size_t bit_ = 0;
  HybridDecoder indices_decoder_;
  std::vector<uint32_t> indices_;
};

}  // namespace milvus_backup::binlog
