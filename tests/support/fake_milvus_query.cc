// What a FakeMilvus answers to queries, in the form of Milvus 2.3.5.
#include "support/fake_milvus_service.h"

#include <cstring>
#include <string>

namespace milvus_backup::testing {
namespace {

// Numbers of schema.DataType.
constexpr int32_t kBool = 1;
constexpr int32_t kInt64 = 5;
constexpr int32_t kFloat = 10;
constexpr int32_t kDouble = 11;
constexpr int32_t kArray = 22;
constexpr int32_t kJson = 23;
constexpr int32_t kBinaryVector = 100;
constexpr int32_t kFloatVector = 101;

template <typename Stored, typename Add>
void ForEachNumber(const std::string& bytes, const Add& add) {
  for (size_t at = 0; at + sizeof(Stored) <= bytes.size(); at += sizeof(Stored)) {
    Stored number;
    std::memcpy(&number, bytes.data() + at, sizeof(number));
    add(number);
  }
}

void SetScalars(const milvus::QueriedColumn& column, proto::schema::ScalarField& scalars) {
  switch (column.data_type) {
    case kBool:
      return ForEachNumber<uint8_t>(
          column.fixed, [&](uint8_t one) { scalars.mutable_bool_data()->add_data(one != 0); });
    case kInt64:
      return ForEachNumber<int64_t>(
          column.fixed, [&](int64_t one) { scalars.mutable_long_data()->add_data(one); });
    case kFloat:
      return ForEachNumber<float>(column.fixed,
                                  [&](float one) { scalars.mutable_float_data()->add_data(one); });
    case kDouble:
      return ForEachNumber<double>(
          column.fixed, [&](double one) { scalars.mutable_double_data()->add_data(one); });
    case kArray:
      for (const std::string& text : column.texts) scalars.mutable_array_data()->add_data(text);
      return;
    case kJson:
      for (const std::string& text : column.texts) scalars.mutable_json_data()->add_data(text);
      return;
    default:
      if (column.width == sizeof(int32_t)) {
        return ForEachNumber<int32_t>(
            column.fixed, [&](int32_t one) { scalars.mutable_int_data()->add_data(one); });
      }
      for (const std::string& text : column.texts) scalars.mutable_string_data()->add_data(text);
  }
}

}  // namespace

grpc::Status FakeMilvusService::Query(grpc::ServerContext* context,
                                      const api::QueryRequest* request, api::QueryResults* reply) {
  milvus::QueryRequest asked{
      .db_name = request->db_name(),
      .collection_name = request->collection_name(),
      .expr = request->expr(),
      .output_fields = {request->output_fields().begin(), request->output_fields().end()}};
  return ServeCollection(
      context, "Query", request, reply, "", [&](const FakeCollection& collection) -> Refusal {
        if (collection.load_state != milvus::LoadState::kLoaded) {
          return {.code = 101, .error_code = 1, .reason = "collection not loaded"};
        }
        if (!query_) return {};
        for (const milvus::QueriedColumn& column : query_(asked)) {
          auto& data = *reply->add_fields_data();
          data.set_type(column.data_type);
          data.set_is_dynamic(column.is_dynamic);
          // Milvus 2.3 does not name the dynamic field.
          if (!column.is_dynamic) data.set_field_name(column.field_name);
          if (column.data_type == kBinaryVector || column.data_type == kFloatVector) {
            auto& vectors = *data.mutable_vectors();
            const bool is_float = column.data_type == kFloatVector;
            vectors.set_dim(static_cast<int64_t>(is_float ? column.width / 4 : column.width * 8));
            if (!is_float) vectors.set_binary_vector(column.fixed);
            if (is_float) {
              ForEachNumber<float>(
                  column.fixed, [&](float one) { vectors.mutable_float_vector()->add_data(one); });
            }
          } else {
            SetScalars(column, *data.mutable_scalars());
          }
        }
        return {};
      });
}

}  // namespace milvus_backup::testing
