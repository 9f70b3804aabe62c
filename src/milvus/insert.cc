// Rows to be inserted as columns (schema.FieldData).
#include "milvus/convert_internal.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

namespace milvus_backup::milvus {
namespace {

using proto::schema::FieldData;

bool IsNull(const Column& column, size_t row) {
  return !column.nulls.empty() && column.nulls[row] != 0;
}

size_t AliveIn(const Column& column) {
  size_t alive = column.rows;
  for (const uint8_t is_null : column.nulls) alive -= is_null;
  return alive;
}

/// All of them as they lie there, which is how messages hold them.
template <typename Number>
void AddAll(const std::string& fixed, google::protobuf::RepeatedField<Number>& numbers) {
  const auto count = static_cast<int>(fixed.size() / sizeof(Number));
  if (count == 0) return;
  numbers.Reserve(count);
  std::memcpy(numbers.AddNAlreadyReserved(count), fixed.data(),
              static_cast<size_t>(count) * sizeof(Number));
}

/// Numbers of the width they are stored in.
template <typename Stored, typename Number>
void AddNumbers(const Column& column, google::protobuf::RepeatedField<Number>& numbers) {
  // A byte of a bool may be another one than 0 and 1, which a bool must not be.
  if constexpr (std::is_same_v<Stored, Number>) {
    if (column.nulls.empty()) return AddAll(column.fixed, numbers);
  }
  numbers.Reserve(static_cast<int>(AliveIn(column)));
  for (size_t row = 0; row < column.rows; ++row) {
    if (IsNull(column, row)) continue;
    Stored number;
    std::memcpy(&number, column.fixed.data() + row * sizeof(Stored), sizeof(Stored));
    numbers.Add(number);
  }
}

template <typename Texts>
void AddTexts(const Column& column, Texts& texts) {
  texts.Reserve(static_cast<int>(AliveIn(column)));
  for (size_t row = 0; row < column.rows; ++row) {
    if (!IsNull(column, row)) *texts.Add() = column.texts[row];
  }
}

/// An array without elements has to say of which kind: an empty field `data` of ScalarField.
std::string EmptyArray(int32_t element_type) {
  proto::schema::ScalarField scalars;
  switch (element_type) {
    case data_type::kBool:
      scalars.mutable_bool_data();
      break;
    case data_type::kInt64:
      scalars.mutable_long_data();
      break;
    case data_type::kFloat:
      scalars.mutable_float_data();
      break;
    case data_type::kDouble:
      scalars.mutable_double_data();
      break;
    case data_type::kString:
    case data_type::kVarChar:
      scalars.mutable_string_data();
      break;
    default:
      scalars.mutable_int_data();
  }
  return scalars.SerializeAsString();
}

void SetArrays(const Column& column, proto::schema::ArrayArray& arrays) {
  AddTexts(column, *arrays.mutable_data());
  arrays.set_element_type(column.element_type);
  for (std::string& array : *arrays.mutable_data()) {
    if (array.empty()) array = EmptyArray(column.element_type);
  }
}

void SetScalars(const Column& column, proto::schema::ScalarField& scalars) {
  switch (column.data_type) {
    case data_type::kBool:
      return AddNumbers<uint8_t>(column, *scalars.mutable_bool_data()->mutable_data());
    case data_type::kInt8:
    case data_type::kInt16:
    case data_type::kInt32:
      return AddNumbers<int32_t>(column, *scalars.mutable_int_data()->mutable_data());
    case data_type::kInt64:
      return AddNumbers<int64_t>(column, *scalars.mutable_long_data()->mutable_data());
    case data_type::kFloat:
      return AddNumbers<float>(column, *scalars.mutable_float_data()->mutable_data());
    case data_type::kDouble:
      return AddNumbers<double>(column, *scalars.mutable_double_data()->mutable_data());
    case data_type::kArray:
      return SetArrays(column, *scalars.mutable_array_data());
    case data_type::kJson:
      return AddTexts(column, *scalars.mutable_json_data()->mutable_data());
    default:
      return AddTexts(column, *scalars.mutable_string_data()->mutable_data());
  }
}

void SetVectors(const Column& column, proto::schema::VectorField& vectors) {
  const auto width = static_cast<int64_t>(column.width);
  switch (column.data_type) {
    case data_type::kFloatVector:
      vectors.set_dim(width / static_cast<int64_t>(sizeof(float)));
      return AddAll(column.fixed, *vectors.mutable_float_vector()->mutable_data());
    case data_type::kBinaryVector:
      vectors.set_dim(width * 8);
      return vectors.set_binary_vector(column.fixed);
    case data_type::kFloat16Vector:
      vectors.set_dim(width / 2);
      return vectors.set_float16_vector(column.fixed);
    case data_type::kBFloat16Vector:
      vectors.set_dim(width / 2);
      return vectors.set_bfloat16_vector(column.fixed);
    case data_type::kInt8Vector:
      vectors.set_dim(width);
      return vectors.set_int8_vector(column.fixed);
    default:
      AddTexts(column, *vectors.mutable_sparse_float_vector()->mutable_contents());
  }
}

}  // namespace

FieldData ToProto(const Column& column) {
  FieldData field;
  field.set_type(column.data_type);
  field.set_is_dynamic(column.is_dynamic);
  // Milvus neither names the dynamic field in answers nor wants it named.
  if (!column.is_dynamic) field.set_field_name(column.field_name);
  for (const uint8_t is_null : column.nulls) field.add_valid_data(is_null == 0);
  if (data_type::IsVector(column.data_type)) {
    SetVectors(column, *field.mutable_vectors());
  } else {
    SetScalars(column, *field.mutable_scalars());
  }
  return field;
}

proto::milvus::InsertRequest ToProto(const InsertRequest& request) {
  proto::milvus::InsertRequest out;
  out.set_db_name(request.db_name);
  out.set_collection_name(request.collection_name);
  out.set_partition_name(request.partition_name);
  if (!request.columns.empty()) {
    out.set_num_rows(static_cast<uint32_t>(request.columns.front().rows));
  }
  for (const Column& column : request.columns) *out.add_fields_data() = ToProto(column);
  return out;
}

}  // namespace milvus_backup::milvus
