#include "page_internal.h"
#include "thrift_internal.h"

#include <fmt/format.h>

#include <algorithm>
#include <zstd.h>

namespace milvus_backup::binlog {
namespace {

using Field = ThriftReader::Field;

constexpr int32_t kUncompressed = 0;
constexpr int32_t kZstandard = 6;
/// Headers repeat the smallest and largest value in full, so they have no fixed bound.
constexpr uint64_t kFirstHeaderTry = 4 * kKiB;

// DataPageHeader and DictionaryPageHeader begin alike.
void ReadCounts(ThriftReader& thrift, PageHeader& header) {
  thrift.ReadStruct([&](const Field& field) {
    if (field.id == 1) {
      header.value_count = thrift.ReadCount(field);
    } else if (field.id == 2) {
      header.encoding = static_cast<int32_t>(thrift.ReadInt(field));
    } else {
      thrift.Skip(field);
    }
  });
}

PageHeader ParseHeader(ThriftReader& thrift) {
  PageHeader header;
  thrift.ReadStruct([&](const Field& field) {
    switch (field.id) {
      case 1:
        header.type = static_cast<PageType>(thrift.ReadInt(field));
        return;
      case 2:
        header.uncompressed_size = thrift.ReadCount(field);
        return;
      case 3:
        header.compressed_size = thrift.ReadCount(field);
        return;
      case 5:
      case 7:
        ReadCounts(thrift, header);
        return;
      default:
        thrift.Skip(field);
    }
  });
  header.header_size = thrift.position();
  return header;
}

}  // namespace

std::byte* Scratch::Resize(size_t size) {
  if (size > capacity_) {
    bytes_.reset();
    bytes_ = std::make_unique_for_overwrite<std::byte[]>(size);
    capacity_ = size;
  }
  size_ = size;
  return bytes_.get();
}

struct PageReader::Zstd {
  Zstd() : context(ZSTD_createDCtx()) { MB_CHECK(context != nullptr); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;
  ~Zstd() { ZSTD_freeDCtx(context); }

  ZSTD_DCtx* context;
};

PageReader::PageReader(ByteSource& source, const ColumnChunk& chunk, const Limits& limits)
    : source_(&source),
      position_(chunk.offset),
      end_(chunk.offset + chunk.size),
      codec_(chunk.codec),
      limits_(limits) {}
PageReader::PageReader(PageReader&&) noexcept = default;
PageReader& PageReader::operator=(PageReader&&) noexcept = default;
PageReader::~PageReader() = default;

Result<PageHeader> PageReader::ReadHeader() {
  const uint64_t most = std::min<uint64_t>(end_ - position_, limits_.max_page_bytes);
  for (uint64_t length = std::min(most, kFirstHeaderTry);; length = std::min(most, length * 16)) {
    MB_ASSIGN_OR_RETURN(const ByteView bytes, source_->View(position_, length));
    ThriftReader thrift(bytes);
    const PageHeader header = ParseHeader(thrift);
    if (thrift.error() == ThriftReader::Error::kTruncated && length < most) continue;
    if (!thrift.ok())
      return DataLossError(fmt::format("the page header at {} is damaged", position_));
    if (header.type != PageType::kData && header.type != PageType::kDictionary) {
      return UnimplementedError(fmt::format("the page at {} is of type {}, which is not supported",
                                            position_, static_cast<int32_t>(header.type)));
    }
    if (header.compressed_size > end_ - position_ - header.header_size) {
      return DataLossError(fmt::format("the page at {} takes {} bytes, more than its column has",
                                       position_, header.compressed_size));
    }
    if (std::max(header.compressed_size, header.uncompressed_size) > limits_.max_page_bytes) {
      return UnimplementedError(fmt::format(
          "the page at {} takes {} bytes, more than the {} that are read", position_,
          std::max(header.compressed_size, header.uncompressed_size), limits_.max_page_bytes));
    }
    return header;
  }
}

Result<ByteView> PageReader::ReadPage(const PageHeader& header) {
  MB_ASSIGN_OR_RETURN(const ByteView packed,
                      source_->View(position_ + header.header_size, header.compressed_size));
  Result<ByteView> page = Unpack(packed, header.uncompressed_size);
  if (!page.ok()) return page.status().Annotate(fmt::format("the page at {}", position_));
  position_ += header.header_size + header.compressed_size;
  return page;
}

Result<ByteView> PageReader::Unpack(ByteView packed, uint64_t size) {
  if (codec_ == kUncompressed) {
    if (packed.size() == size) return packed;
    return DataLossError(fmt::format("{} bytes instead of {}", packed.size(), size));
  }
  if (codec_ != kZstandard) {
    return UnimplementedError(fmt::format("compression {} is not supported", codec_));
  }
  if (!zstd_) zstd_ = std::make_unique<Zstd>();
  std::byte* to = page_.Resize(size);
  const size_t unpacked =
      ZSTD_decompressDCtx(zstd_->context, to, size, packed.data(), packed.size());
  if (ZSTD_isError(unpacked) != 0) {
    return DataLossError(fmt::format("cannot be unpacked: {}", ZSTD_getErrorName(unpacked)));
  }
  if (unpacked != size) {
    return DataLossError(fmt::format("{} bytes unpacked instead of {}", unpacked, size));
  }
  return page_.view();
}

}  // namespace milvus_backup::binlog
