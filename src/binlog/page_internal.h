/// Pages of a column chunk: their headers, and their contents unpacked.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/binlog/byte_source.h"
#include "milvus_backup/binlog/parquet.h"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace milvus_backup::binlog {

enum class PageType : int32_t { kData = 0, kDictionary = 2 };

struct PageHeader {
  PageType type = PageType::kData;
  /// Bytes, without this header.
  uint64_t compressed_size = 0;
  uint64_t uncompressed_size = 0;
  /// Nulls included.
  uint64_t value_count = 0;
  int32_t encoding = 0;
  /// Bytes of this header.
  uint64_t header_size = 0;
};

/// Bytes that are never copied when they grow; not initialised.
class Scratch {
 public:
  /// At least `size` bytes, aligned for any number; what was there is lost.
  std::byte* Resize(size_t size);
  ByteView view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  size_t capacity_ = 0;
  size_t size_ = 0;
};

/// Goes through the pages of one chunk.
class PageReader {
 public:
  PageReader(ByteSource& source, const ColumnChunk& chunk, const Limits& limits);
  PageReader(const PageReader&) = delete;
  PageReader& operator=(const PageReader&) = delete;
  PageReader(PageReader&&) noexcept;
  PageReader& operator=(PageReader&&) noexcept;
  ~PageReader();

  bool at_end() const { return position_ == end_; }
  uint64_t position() const { return position_; }
  /// The header of the next page; call ReadPage after it.
  Result<PageHeader> ReadHeader();
  /// The content of the page, unpacked; valid until the next call of this object.
  Result<ByteView> ReadPage(const PageHeader& header);

 private:
  struct Zstd;
  Result<ByteView> Unpack(ByteView packed, uint64_t size);

  ByteSource* source_;
  uint64_t position_;
  uint64_t end_;
  int32_t codec_;
  Limits limits_;
  Scratch page_;
  std::unique_ptr<Zstd> zstd_;
};

}  // namespace milvus_backup::binlog
