#include "hybrid_internal.h"
#include "little_endian_internal.h"
#include "page_internal.h"
#include "value_decoder_internal.h"

#include "milvus_backup/binlog/column.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

namespace milvus_backup::binlog {
namespace {

/// Bytes of a batch of vectors, unless one vector is larger.
constexpr size_t kBatchBytes = kMiB;

}  // namespace

class ChunkReader::Impl {
 public:
  Impl(ByteSource& source, const ParquetColumn& column, const ColumnChunk& chunk,
       const Limits& limits)
      : column_(column),
        width_(WidthOf(column)),
        values_left_(chunk.value_count),
        pages_(source, chunk, limits) {}

  Result<bool> Next(Batch& batch) {
    while (page_left_ == 0) {
      if (pages_.at_end()) return FinishChunk();
      const uint64_t position = pages_.position();
      if (const Status started = StartPage(); !started.ok()) return AtPage(started, position);
    }
    Result<bool> read = ReadBatch(batch);
    if (!read.ok()) return AtPage(read.status(), page_position_);
    return read;
  }

 private:
  Status AtPage(const Status& status, uint64_t position) const {
    if (status.code() != Code::kDataLoss && status.code() != Code::kUnimplemented) return status;
    return status.Annotate(fmt::format("column {}, page at {}", column_.name, position));
  }

  Result<bool> FinishChunk() const {
    if (values_left_ == 0) return false;
    return DataLossError(fmt::format("column {} ends {} values early", column_.name, values_left_));
  }

  Status StartPage() {
    page_position_ = pages_.position();
    MB_ASSIGN_OR_RETURN(const PageHeader header, pages_.ReadHeader());
    MB_ASSIGN_OR_RETURN(const ByteView page, pages_.ReadPage(header));
    if (header.type == PageType::kDictionary) {
      if (has_dictionary_ || has_data_) return DataLossError("a second dictionary");
      has_dictionary_ = true;
      return dictionary_.Fill(column_, header, page);
    }
    has_data_ = true;
    if (header.value_count > values_left_) {
      return DataLossError(
          fmt::format("{} values where {} are left", header.value_count, values_left_));
    }
    ByteView values = page;
    if (column_.optional) MB_RETURN_IF_ERROR(StartLevels(values));
    MB_ASSIGN_OR_RETURN(decoder_, ValueDecoder::Start(column_, header.encoding, values,
                                                      has_dictionary_ ? &dictionary_ : nullptr));
    page_left_ = header.value_count;
    values_left_ -= header.value_count;
    return page_left_ == 0 ? decoder_->Finish() : Status::Ok();
  }

  /// Cut the definition levels, which say where nulls are, from the front of a page.
  Status StartLevels(ByteView& page) {
    if (page.size() < sizeof(uint32_t)) return DataLossError("the levels are cut off");
    const auto length = LoadLe<uint32_t>(page);
    page = page.subspan(sizeof(uint32_t));
    if (length > page.size()) return DataLossError("the levels are cut off");
    levels_ = HybridDecoder(page.first(length), 1);
    page = page.subspan(length);
    return Status::Ok();
  }

  Result<bool> ReadBatch(Batch& batch) {
    const size_t most = width_ == 0 ? kBatchRows : std::max<size_t>(kBatchBytes / width_, 1);
    const auto rows = static_cast<size_t>(std::min<uint64_t>({page_left_, most, kBatchRows}));
    MB_ASSIGN_OR_RETURN(const size_t present, ReadNulls(rows));
    batch = {.type = column_.type, .rows = rows, .width = width_};
    if (present < rows) batch.nulls = nulls_;
    if (width_ == 0) {
      texts_.resize(rows);
      MB_RETURN_IF_ERROR(decoder_->ReadTexts(std::span(texts_).first(present)));
      if (present < rows) SpreadTexts(present);
      batch.texts = texts_;
    } else {
      MB_ASSIGN_OR_RETURN(batch.fixed, decoder_->ReadFixed(present, values_));
      if (present < rows) batch.fixed = SpreadFixed(batch.fixed);
    }
    page_left_ -= rows;
    if (page_left_ == 0) MB_RETURN_IF_ERROR(decoder_->Finish());
    return true;
  }

  /// Fills nulls_; returns the number of values that are there.
  Result<size_t> ReadNulls(size_t rows) {
    if (!column_.optional) return rows;
    level_values_.resize(rows);
    if (!levels_.Read(level_values_)) return DataLossError("the levels are cut off");
    nulls_.resize(rows);
    size_t present = 0;
    for (size_t i = 0; i < rows; ++i) {
      if (level_values_[i] > 1) return DataLossError("a level above 1");
      nulls_[i] = level_values_[i] == 0 ? 1 : 0;
      present += level_values_[i];
    }
    return present;
  }

  // From the back, so that nothing is overwritten before it has moved.
  void SpreadTexts(size_t present) {
    for (size_t row = texts_.size(); row-- > 0;) {
      texts_[row] = nulls_[row] != 0 ? std::string_view() : texts_[--present];
    }
  }

  ByteView SpreadFixed(ByteView present) {
    std::byte* to = spread_.Resize(nulls_.size() * width_);
    size_t from = 0;
    for (const uint8_t is_null : nulls_) {
      if (is_null != 0) {
        std::memset(to, 0, width_);
      } else {
        std::memcpy(to, present.data() + from, width_);
        from += width_;
      }
      to += width_;
    }
    return spread_.view();
  }

  const ParquetColumn& column_;
  const size_t width_;
  /// Of the chunk, behind the current page.
  uint64_t values_left_;
  PageReader pages_;
  uint64_t page_position_ = 0;
  uint64_t page_left_ = 0;
  bool has_dictionary_ = false;
  bool has_data_ = false;
  Dictionary dictionary_;
  HybridDecoder levels_;
  std::optional<ValueDecoder> decoder_;

  std::vector<uint32_t> level_values_;
  std::vector<uint8_t> nulls_;
  std::vector<std::string_view> texts_;
  Scratch values_;
  Scratch spread_;
};

ChunkReader::ChunkReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChunkReader::ChunkReader(ChunkReader&&) noexcept = default;
ChunkReader& ChunkReader::operator=(ChunkReader&&) noexcept = default;
ChunkReader::~ChunkReader() = default;

Result<ChunkReader> ChunkReader::Open(ByteSource& source, const ParquetFile& file, size_t row_group,
                                      size_t column, const Limits& limits) {
  const ParquetColumn& schema = file.columns[column];
  if (schema.nested) {
    return UnimplementedError(
        fmt::format("column {} holds lists, which are not read", schema.name));
  }
  const ColumnChunk& chunk = file.row_groups[row_group].chunks[column];
  return ChunkReader(std::make_unique<Impl>(source, schema, chunk, limits));
}

Result<bool> ChunkReader::Next(Batch& batch) { return impl_->Next(batch); }

}  // namespace milvus_backup::binlog
