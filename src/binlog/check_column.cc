#include "check_internal.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace milvus_backup::binlog {
namespace {

struct Range {
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
};

Range RangeOf(DataType type) {
  switch (type) {
    case DataType::kInt8:
      return {-128, 127};
    case DataType::kInt16:
      return {-32768, 32767};
    default:
      return {};
  }
}

bool IsInteger(PhysicalType type) {
  return type == PhysicalType::kInt32 || type == PhysicalType::kInt64;
}

void Widen(std::optional<int64_t>& min, std::optional<int64_t>& max, int64_t value) {
  min = std::min(min.value_or(value), value);
  max = std::max(max.value_or(value), value);
}

}  // namespace

void ColumnCheck::Report(std::string what, std::string expected, std::string found) {
  report_({.severity = Severity::kError,
           .what = std::move(what) + " of " + column_name_,
           .expected = std::move(expected),
           .found = std::move(found)});
}

bool ColumnCheck::CheckType(const ParquetColumn& column) {
  const std::optional<PhysicalType> expected = PhysicalTypeOf(field_.type);
  if (!expected) return true;
  const uint64_t width = VectorBytes(field_.type, field_.dim);
  // Vectors that may be null are texts of their length.
  const bool is_nullable_vector =
      IsDenseVector(field_.type) && column.optional && column.type == PhysicalType::kByteArray;
  if (column.type != *expected && !is_nullable_vector) {
    Report("type", PhysicalTypeName(*expected), PhysicalTypeName(column.type));
    return false;
  }
  if (column.type == PhysicalType::kFixedLenByteArray && width != 0 &&
      column.type_length != width) {
    Report("length of vectors", fmt::format("{} bytes", width),
           fmt::format("{} bytes", column.type_length));
    return false;
  }
  return true;
}

Result<bool> ColumnCheck::ReadChunk(ByteSource& source, const ParquetFile& file, size_t row_group,
                                    size_t column, const Limits& limits) {
  chunk_min_.reset();
  chunk_max_.reset();
  const auto read = [&]() -> Status {
    MB_ASSIGN_OR_RETURN(ChunkReader chunk,
                        ChunkReader::Open(source, file, row_group, column, limits));
    Batch batch;
    for (;;) {
      MB_ASSIGN_OR_RETURN(const bool has_rows, chunk.Next(batch));
      if (!has_rows) return Status::Ok();
      Look(batch);
    }
  };
  const Status status = read();
  if (!status.ok()) {
    MB_RETURN_IF_ERROR(ReportDamage(status, report_));
    return false;
  }
  if (IsInteger(file.columns[column].type)) {
    CheckStatistics(file.row_groups[row_group].chunks[column]);
  }
  return true;
}

void ColumnCheck::CheckStatistics(const ColumnChunk& chunk) {
  const auto differs = [](const auto& said, const auto& is) { return said && is && *said != *is; };
  if (!differs(chunk.min, chunk_min_) && !differs(chunk.max, chunk_max_)) return;
  Report("statistics",
         fmt::format("{} to {}", chunk.min.value_or(*chunk_min_), chunk.max.value_or(*chunk_max_)),
         fmt::format("{} to {}", *chunk_min_, *chunk_max_));
}

void ColumnCheck::Bad(uint64_t row, std::string problem) {
  if (bad_++ == 0) first_bad_ = fmt::format("row {}: {}", row, problem);
}

void ColumnCheck::Look(const Batch& batch) {
  if (!batch.nulls.empty() && (field_.is_primary_key || field_.field_id < kFirstUserField)) {
    const auto null = std::ranges::find(batch.nulls, 1);
    Bad(rows_ + static_cast<uint64_t>(null - batch.nulls.begin()), "null");
  }
  if (IsInteger(batch.type)) LookAtIntegers(batch);
  if (batch.type == PhysicalType::kByteArray) LookAtTexts(batch);
  rows_ += batch.rows;
}

template <typename T>
void ColumnCheck::LookAtRange(const Batch& batch) {
  const Range range = RangeOf(field_.type);
  const std::span<const T> values = batch.As<T>();
  for (size_t i = 0; i < batch.rows; ++i) {
    if (batch.IsNull(i)) continue;
    const int64_t value = values[i];
    Widen(chunk_min_, chunk_max_, value);
    if (value < range.min || value > range.max) {
      Bad(rows_ + i, fmt::format("{} does not fit {}", value, DataTypeName(field_.type)));
    }
  }
}

void ColumnCheck::LookAtIntegers(const Batch& batch) {
  if (batch.type == PhysicalType::kInt64) {
    LookAtRange<int64_t>(batch);
  } else {
    LookAtRange<int32_t>(batch);
  }
  if (!chunk_min_) return;
  Widen(min_, max_, *chunk_min_);
  Widen(min_, max_, *chunk_max_);
}

std::string ColumnCheck::TextProblem(std::string_view text) const {
  switch (field_.type) {
    case DataType::kString:
    case DataType::kVarChar:
    case DataType::kText:
      return IsUtf8(text) ? "" : "not UTF-8";
    // No bytes are no value.
    case DataType::kJson:
      return text.empty() || IsJson(text) ? "" : "not JSON";
    case DataType::kArray: {
      const Result<ArrayValue> value = DecodeArray(text);
      if (!value.ok()) return value.status().message();
      return FitsElementType(*value, field_.element_type)
                 ? ""
                 : "elements other than " + DataTypeName(field_.element_type);
    }
    case DataType::kSparseFloatVector: {
      const Result<std::vector<SparseEntry>> entries = DecodeSparse(text);
      return entries.ok() ? "" : entries.status().message();
    }
    default:
      break;
  }
  const uint64_t width = VectorBytes(field_.type, field_.dim);
  if (width == 0 || text.size() == width) return "";
  return fmt::format("a vector of {} bytes instead of {}", text.size(), width);
}

void ColumnCheck::LookAtTexts(const Batch& batch) {
  for (size_t i = 0; i < batch.rows; ++i) {
    if (batch.IsNull(i)) continue;
    std::string problem = TextProblem(batch.texts[i]);
    if (!problem.empty()) Bad(rows_ + i, std::move(problem));
  }
}

void ColumnCheck::Finish() {
  if (bad_ == 0) return;
  Report("values", DataTypeName(field_.type), fmt::format("{} bad, {}", bad_, first_bad_));
}

}  // namespace milvus_backup::binlog
