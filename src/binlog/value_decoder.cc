#include "little_endian_internal.h"
#include "value_decoder_internal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace milvus_backup::binlog {
namespace {

// Encodings of parquet.thrift.
constexpr int32_t kPlain = 0;
constexpr int32_t kPlainDictionary = 2;
constexpr int32_t kRleDictionary = 8;

size_t AlignmentOf(const ParquetColumn& column) {
  switch (column.type) {
    case PhysicalType::kInt64:
    case PhysicalType::kDouble:
      return 8;
    case PhysicalType::kInt32:
    case PhysicalType::kFloat:
    case PhysicalType::kFixedLenByteArray:
      return 4;
    default:
      return 1;
  }
}

/// Take one text, a length and its bytes, from the front.
Status TakeText(ByteView& bytes, std::string_view& text) {
  if (bytes.size() < sizeof(uint32_t)) return DataLossError("a text is cut off");
  const auto length = LoadLe<uint32_t>(bytes);
  bytes = bytes.subspan(sizeof(uint32_t));
  if (length > bytes.size()) {
    return DataLossError(fmt::format("a text of {} bytes where {} are left", length, bytes.size()));
  }
  text = AsText(bytes.first(length));
  bytes = bytes.subspan(length);
  return Status::Ok();
}

}  // namespace

size_t WidthOf(const ParquetColumn& column) {
  switch (column.type) {
    case PhysicalType::kBoolean:
      return 1;
    case PhysicalType::kInt32:
    case PhysicalType::kFloat:
      return 4;
    case PhysicalType::kInt64:
    case PhysicalType::kDouble:
      return 8;
    case PhysicalType::kInt96:
      return 12;
    case PhysicalType::kFixedLenByteArray:
      return column.type_length;
    case PhysicalType::kByteArray:
      return 0;
  }
  return 0;
}

Status Dictionary::Fill(const ParquetColumn& column, const PageHeader& header, ByteView page) {
  if (column.type == PhysicalType::kBoolean) return DataLossError("a dictionary of booleans");
  if (header.encoding != kPlain && header.encoding != kPlainDictionary) {
    return UnimplementedError(fmt::format("a dictionary of encoding {}", header.encoding));
  }
  if (!page.empty()) std::memcpy(bytes_.Resize(page.size()), page.data(), page.size());
  const size_t width = WidthOf(column);
  size_ = header.value_count;
  texts_.clear();
  if (width > 0) {
    if (page.size() % width == 0 && page.size() / width == size_) return Status::Ok();
    return DataLossError(
        fmt::format("a dictionary of {} values of {} bytes takes {}", size_, width, page.size()));
  }
  if (size_ > page.size() / sizeof(uint32_t)) {
    return DataLossError(
        fmt::format("a dictionary of {} texts takes {} bytes", size_, page.size()));
  }
  texts_.resize(size_);
  ByteView rest = page.empty() ? page : bytes_.view();
  for (std::string_view& text : texts_) MB_RETURN_IF_ERROR(TakeText(rest, text));
  return rest.empty() ? Status::Ok() : DataLossError("bytes behind the texts of a dictionary");
}

Result<ValueDecoder> ValueDecoder::Start(const ParquetColumn& column, int32_t encoding,
                                         ByteView values, const Dictionary* dictionary) {
  ValueDecoder decoder;
  decoder.width_ = WidthOf(column);
  decoder.alignment_ = AlignmentOf(column);
  decoder.is_boolean_ = column.type == PhysicalType::kBoolean;
  decoder.values_ = values;
  if (encoding == kPlain) return decoder;
  if (encoding != kPlainDictionary && encoding != kRleDictionary) {
    return UnimplementedError(fmt::format("encoding {} is not supported", encoding));
  }
  if (dictionary == nullptr) return DataLossError("indices without a dictionary");
  decoder.dictionary_ = dictionary;
  // A page without values may lack even the byte that says how wide indices are.
  if (values.empty()) return decoder;
  const auto width = static_cast<unsigned>(values.front());
  if (width > HybridDecoder::kMaxWidth) {
    return DataLossError(fmt::format("indices of {} bits", width));
  }
  decoder.indices_decoder_ = HybridDecoder(values.subspan(1), width);
  return decoder;
}

Status ValueDecoder::ReadIndices(size_t count) {
  indices_.resize(count);
  if (!indices_decoder_.Read(indices_)) return DataLossError("the indices are cut off");
  const auto largest = std::ranges::max_element(indices_);
  if (largest == indices_.end() || *largest < dictionary_->size()) return Status::Ok();
  return DataLossError(
      fmt::format("index {} into a dictionary of {}", *largest, dictionary_->size()));
}

Status ValueDecoder::ReadTexts(std::span<std::string_view> out) {
  if (dictionary_ == nullptr) {
    for (std::string_view& text : out) MB_RETURN_IF_ERROR(TakeText(values_, text));
    return Status::Ok();
  }
  MB_RETURN_IF_ERROR(ReadIndices(out.size()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = dictionary_->Text(indices_[i]);
  return Status::Ok();
}

Status ValueDecoder::ReadBooleans(std::span<std::byte> out) {
  if (out.size() > values_.size() * 8 - bit_) return DataLossError("the values are cut off");
  for (std::byte& value : out) {
    value = (values_[bit_ / 8] >> (bit_ % 8)) & std::byte{1};
    ++bit_;
  }
  return Status::Ok();
}

Result<ByteView> ValueDecoder::ReadFixed(size_t count, Scratch& scratch) {
  if (count == 0) return ByteView{};
  if (is_boolean_) {
    MB_RETURN_IF_ERROR(ReadBooleans({scratch.Resize(count), count}));
    return scratch.view();
  }
  if (dictionary_ != nullptr) {
    MB_RETURN_IF_ERROR(ReadIndices(count));
    std::byte* to = scratch.Resize(count * width_);
    for (const uint32_t index : indices_) {
      std::memcpy(to, dictionary_->Value(index, width_).data(), width_);
      to += width_;
    }
    return scratch.view();
  }
  if (count > values_.size() / width_) return DataLossError("the values are cut off");
  const ByteView values = values_.first(count * width_);
  values_ = values_.subspan(values.size());
  if (reinterpret_cast<uintptr_t>(values.data()) % alignment_ == 0) return values;
  std::memcpy(scratch.Resize(values.size()), values.data(), values.size());
  return scratch.view();
}

Status ValueDecoder::Finish() const {
  const size_t left = is_boolean_ ? values_.size() - (bit_ + 7) / 8 : values_.size();
  if (dictionary_ != nullptr || left == 0) return Status::Ok();
  return DataLossError(fmt::format("{} bytes behind the last value", left));
}

}  // namespace milvus_backup::binlog
