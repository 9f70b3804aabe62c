// Queries and the columns that answer them (schema.FieldData).
#include "milvus/convert_internal.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::milvus {
namespace {

using proto::schema::FieldData;

Status Unexpected(const FieldData& field, std::string_view problem) {
  return InternalError("the answer to a query has " + std::string(problem) + " for field " +
                       field.field_name())
      .WithOrigin(Origin::kMilvus);
}

/// Values as they come: as many as there are rows, or only those that are not null.
struct Values {
  size_t count = 0;
  size_t width = 0;
  std::string fixed;
  std::vector<std::string> texts;
};

/// Numbers lie in a message as they are stored, a byte for a bool too.
template <typename Number>
Values FromNumbers(const google::protobuf::RepeatedField<Number>& numbers) {
  const auto count = static_cast<size_t>(numbers.size());
  Values values{.count = count, .width = sizeof(Number), .fixed = {}, .texts = {}};
  if (count == 0) return values;
  values.fixed.assign(reinterpret_cast<const char*>(numbers.data()), count * sizeof(Number));
  return values;
}

/// Takes the texts out of their message.
template <typename Texts>
Values FromTexts(Texts& texts) {
  return {.count = static_cast<size_t>(texts.size()),
          .width = 0,
          .fixed = {},
          .texts = {std::make_move_iterator(texts.begin()), std::make_move_iterator(texts.end())}};
}

/// `bytes` of vectors of `width` bytes each.
Values FromVectors(std::string bytes, size_t width) {
  const size_t count = width == 0 ? 0 : bytes.size() / width;
  return {.count = count, .width = width, .fixed = std::move(bytes), .texts = {}};
}

Values ScalarsOf(proto::schema::ScalarField& scalars) {
  static_assert(sizeof(bool) == sizeof(uint8_t));
  if (scalars.has_bool_data()) return FromNumbers(scalars.bool_data().data());
  if (scalars.has_int_data()) return FromNumbers(scalars.int_data().data());
  if (scalars.has_long_data()) return FromNumbers(scalars.long_data().data());
  if (scalars.has_float_data()) return FromNumbers(scalars.float_data().data());
  if (scalars.has_double_data()) return FromNumbers(scalars.double_data().data());
  if (scalars.has_timestamptz_data()) return FromNumbers(scalars.timestamptz_data().data());
  if (scalars.has_array_data()) return FromTexts(*scalars.mutable_array_data()->mutable_data());
  if (scalars.has_json_data()) return FromTexts(*scalars.mutable_json_data()->mutable_data());
  return FromTexts(*scalars.mutable_string_data()->mutable_data());
}

Values VectorsOf(proto::schema::VectorField& vectors) {
  const auto dim = static_cast<size_t>(std::max<int64_t>(vectors.dim(), 0));
  if (vectors.has_float_vector()) {
    return FromVectors(FromNumbers(vectors.float_vector().data()).fixed, dim * sizeof(float));
  }
  if (vectors.has_sparse_float_vector()) {
    return FromTexts(*vectors.mutable_sparse_float_vector()->mutable_contents());
  }
  if (!vectors.binary_vector().empty()) {
    return FromVectors(std::move(*vectors.mutable_binary_vector()), dim / 8);
  }
  if (!vectors.float16_vector().empty()) {
    return FromVectors(std::move(*vectors.mutable_float16_vector()), dim * 2);
  }
  if (!vectors.bfloat16_vector().empty()) {
    return FromVectors(std::move(*vectors.mutable_bfloat16_vector()), dim * 2);
  }
  return FromVectors(std::move(*vectors.mutable_int8_vector()), dim);
}

/// `values` of the rows that are not null, with room made for the others.
void Spread(const FieldData& field, Values& values) {
  Values spread{.count = 0, .width = values.width, .fixed = {}, .texts = {}};
  size_t next = 0;
  for (const bool is_valid : field.valid_data()) {
    if (values.width > 0) {
      spread.fixed += is_valid ? values.fixed.substr(next * values.width, values.width)
                               : std::string(values.width, '\0');
    } else {
      spread.texts.push_back(is_valid ? std::move(values.texts[next]) : "");
    }
    if (is_valid) ++next;
    ++spread.count;
  }
  values = std::move(spread);
}

}  // namespace

Result<Column> FromProto(FieldData field) {
  Column column{.field_name = field.field_name(),
                .data_type = field.type(),
                .element_type = field.scalars().array_data().element_type(),
                .is_dynamic = field.is_dynamic()};
  Values values = field.has_vectors() ? VectorsOf(*field.mutable_vectors())
                                      : ScalarsOf(*field.mutable_scalars());
  if (values.fixed.size() != values.count * values.width) {
    return Unexpected(field, "a part of a value");
  }
  const auto& valid = field.valid_data();
  const auto alive = static_cast<size_t>(std::ranges::count(valid, true));
  const auto rows = static_cast<size_t>(valid.size());
  if (alive != rows) {
    for (const bool is_valid : valid) column.nulls.push_back(is_valid ? 0 : 1);
    // Some servers leave out what is null.
    if (values.count == alive) Spread(field, values);
  }
  if (rows != 0 && values.count != rows) return Unexpected(field, "another number of values");
  column.rows = values.count;
  column.width = values.width;
  column.fixed = std::move(values.fixed);
  column.texts = std::move(values.texts);
  return column;
}

proto::milvus::QueryRequest ToProto(const QueryRequest& request) {
  proto::milvus::QueryRequest message;
  message.set_db_name(request.db_name);
  message.set_collection_name(request.collection_name);
  message.set_expr(request.expr);
  for (const std::string& field : request.output_fields) message.add_output_fields(field);
  for (const std::string& name : request.partition_names) message.add_partition_names(name);
  // Together with consistency level 0 the time counts instead of the level (internal/proxy,
  // task_query.go).
  message.set_guarantee_timestamp(request.guarantee_timestamp);
  std::vector<KeyValue> params;
  if (request.limit != 0) {
    // Segments answer in the order of keys. Without the last parameter, a segment with many rows of
    // one key would have rows left out that lie behind its own limit.
    params = {{"limit", std::to_string(request.limit)}, {"reduce_stop_for_best", "True"}};
  }
  if (request.limit != 0 || request.guarantee_timestamp != 0)
    params.push_back({"iterator", "True"});
  AppendTo(*message.mutable_query_params(), params);
  return message;
}

Result<std::vector<Column>> FromProto(proto::milvus::QueryResults reply) {
  std::vector<Column> columns;
  columns.reserve(static_cast<size_t>(reply.fields_data_size()));
  for (FieldData& field : *reply.mutable_fields_data()) {
    // Given away field by field, so that no more than one is in memory twice.
    MB_ASSIGN_OR_RETURN(Column column, FromProto(std::move(field)));
    if (!columns.empty() && column.rows != columns.front().rows) {
      return InternalError("the answer to a query has another number of rows for field " +
                           column.field_name)
          .WithOrigin(Origin::kMilvus);
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

}  // namespace milvus_backup::milvus
