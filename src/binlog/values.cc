#include "milvus_backup/binlog/values.h"

#include "little_endian_internal.h"

#include <fmt/format.h>

#include <bit>

namespace milvus_backup::binlog {

std::string DataTypeName(DataType type) {
  switch (type) {
    case DataType::kBool:
      return "Bool";
    case DataType::kInt8:
      return "Int8";
    case DataType::kInt16:
      return "Int16";
    case DataType::kInt32:
      return "Int32";
    case DataType::kInt64:
      return "Int64";
    case DataType::kFloat:
      return "Float";
    case DataType::kDouble:
      return "Double";
    case DataType::kString:
      return "String";
    case DataType::kVarChar:
      return "VarChar";
    case DataType::kArray:
      return "Array";
    case DataType::kJson:
      return "JSON";
    case DataType::kGeometry:
      return "Geometry";
    case DataType::kText:
      return "Text";
    case DataType::kTimestamptz:
      return "Timestamptz";
    case DataType::kBinaryVector:
      return "BinaryVector";
    case DataType::kFloatVector:
      return "FloatVector";
    case DataType::kFloat16Vector:
      return "Float16Vector";
    case DataType::kBFloat16Vector:
      return "BFloat16Vector";
    case DataType::kSparseFloatVector:
      return "SparseFloatVector";
    case DataType::kInt8Vector:
      return "Int8Vector";
    case DataType::kArrayOfVector:
      return "ArrayOfVector";
  }
  return fmt::format("type {}", static_cast<int32_t>(type));
}

bool IsDenseVector(DataType type) { return VectorBytes(type, 8) != 0; }

std::optional<PhysicalType> PhysicalTypeOf(DataType type) {
  switch (type) {
    case DataType::kBool:
      return PhysicalType::kBoolean;
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32:
      return PhysicalType::kInt32;
    case DataType::kInt64:
    case DataType::kTimestamptz:
      return PhysicalType::kInt64;
    case DataType::kFloat:
      return PhysicalType::kFloat;
    case DataType::kDouble:
      return PhysicalType::kDouble;
    case DataType::kString:
    case DataType::kVarChar:
    case DataType::kText:
    case DataType::kArray:
    case DataType::kJson:
    case DataType::kGeometry:
    case DataType::kSparseFloatVector:
      return PhysicalType::kByteArray;
    case DataType::kBinaryVector:
    case DataType::kFloatVector:
    case DataType::kFloat16Vector:
    case DataType::kBFloat16Vector:
    case DataType::kInt8Vector:
      return PhysicalType::kFixedLenByteArray;
    default:
      return std::nullopt;
  }
}

uint64_t VectorBytes(DataType type, uint64_t dim) {
  switch (type) {
    case DataType::kBinaryVector:
      return dim / 8;
    case DataType::kFloatVector:
      return dim * 4;
    case DataType::kFloat16Vector:
    case DataType::kBFloat16Vector:
      return dim * 2;
    case DataType::kInt8Vector:
      return dim;
    default:
      return 0;
  }
}

Result<std::vector<SparseEntry>> DecodeSparse(std::string_view bytes) {
  constexpr size_t kEntrySize = 8;
  if (bytes.size() % kEntrySize != 0) {
    return DataLossError(fmt::format("a sparse vector of {} bytes", bytes.size()));
  }
  std::vector<SparseEntry> entries;
  entries.reserve(bytes.size() / kEntrySize);
  for (size_t at = 0; at < bytes.size(); at += kEntrySize) {
    const SparseEntry entry = {.index = LoadLe<uint32_t>(AsBytes(bytes), at),
                               .value = LoadLe<float>(AsBytes(bytes), at + 4)};
    if (!entries.empty() && entry.index <= entries.back().index) {
      return DataLossError(fmt::format("the indices of a sparse vector do not ascend: {} after {}",
                                       entry.index, entries.back().index));
    }
    entries.push_back(entry);
  }
  return entries;
}

float FromBFloat16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16U); }

float FromFloat16(uint16_t bits) {
  constexpr uint32_t kExponentShift = 127 - 15;
  const uint32_t sign = uint32_t{bits & 0x8000U} << 16U;
  const uint32_t exponent = (bits >> 10U) & 0x1FU;
  const uint32_t mantissa = bits & 0x3FFU;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + kExponentShift;
  return std::bit_cast<float>(sign | (wide << 23U) | (mantissa << 13U));
}

}  // namespace milvus_backup::binlog
