/// What the bytes of single values mean, by schema.DataType of Milvus. Pure functions.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/binlog/parquet.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace milvus_backup::binlog {

/// schema.DataType; other numbers are possible.
enum class DataType : int32_t {
  kBool = 1,
  kInt8 = 2,
  kInt16 = 3,
  kInt32 = 4,
  kInt64 = 5,
  kFloat = 10,
  kDouble = 11,
  kString = 20,
  kVarChar = 21,
  kArray = 22,
  kJson = 23,
  kGeometry = 24,
  kText = 25,
  kTimestamptz = 26,
  kBinaryVector = 100,
  kFloatVector = 101,
  kFloat16Vector = 102,
  kBFloat16Vector = 103,
  kSparseFloatVector = 104,
  kInt8Vector = 105,
  kArrayOfVector = 106,
};

/// Ids of the fields that every segment has besides those of the schema.
inline constexpr int64_t kRowIdField = 0;
inline constexpr int64_t kTimestampField = 1;
/// First id of a field of the schema.
inline constexpr int64_t kFirstUserField = 100;

/// As in the API, such as `FloatVector`; `type 77` for a number that is not known.
std::string DataTypeName(DataType type);
/// BinaryVector, FloatVector, Float16Vector, BFloat16Vector, Int8Vector.
bool IsDenseVector(DataType type);
/// How logs hold values of the type; none for one that is not known.
std::optional<PhysicalType> PhysicalTypeOf(DataType type);
/// Bytes of a dense vector of `dim` dimensions; 0 for other types.
uint64_t VectorBytes(DataType type, uint64_t dim);

/// Elements of an Array, by kind. Texts point into the bytes that were decoded.
using ArrayValue =
    std::variant<std::monostate, std::vector<bool>, std::vector<int32_t>, std::vector<int64_t>,
                 std::vector<float>, std::vector<double>, std::vector<std::string_view>>;
/// Decode a serialized schema.ScalarField. No bytes are std::monostate.
Result<ArrayValue> DecodeArray(std::string_view bytes);
/// Whether an array of this content may stand in a field with elements of `element_type`.
bool FitsElementType(const ArrayValue& value, DataType element_type);

/// A single value, such as the default of a field. Texts point into the bytes that were decoded.
using ScalarValue = std::variant<std::monostate, bool, int64_t, float, double, std::string_view>;
/// Decode a serialized schema.ValueField. std::monostate when it holds no value.
Result<ScalarValue> DecodeScalar(std::string_view bytes);

/// Entry of a sparse vector.
struct SparseEntry {
  uint32_t index = 0;
  float value = 0;
};
/// kDataLoss unless it is a list of entries with ascending indices.
Result<std::vector<SparseEntry>> DecodeSparse(std::string_view bytes);

float FromFloat16(uint16_t bits);
float FromBFloat16(uint16_t bits);

bool IsUtf8(std::string_view text);
/// One JSON value (RFC 8259), blanks around it allowed, and also NaN and Infinity, which clients
/// written in Python send.
bool IsJson(std::string_view text);
/// Call `visit` for every member of a JSON object with its name, unescaped, and its value as it is
/// written. kDataLoss when `text` is not one JSON object.
Status ForEachMember(
    std::string_view text,
    const std::function<Status(const std::string& name, std::string_view value)>& visit);
/// The text that a JSON string means; kDataLoss when `json` is not one.
Result<std::string> DecodeJsonString(std::string_view json);

}  // namespace milvus_backup::binlog
