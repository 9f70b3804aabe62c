// What a FakeMilvus takes and answers of rows, in the form of Milvus 2.3.5.
#include "milvus/convert_internal.h"
#include "support/fake_milvus_rows.h"
#include "support/fake_milvus_service.h"

#include <algorithm>
#include <string>
#include <utility>

namespace milvus_backup::testing {
namespace {

constexpr int kGrowing = 2;

milvus::QueryRequest FromProto(const api::QueryRequest& request) {
  milvus::QueryRequest asked{
      .db_name = request.db_name(),
      .collection_name = request.collection_name(),
      .expr = request.expr(),
      .output_fields = {request.output_fields().begin(), request.output_fields().end()},
      .partition_names = {request.partition_names().begin(), request.partition_names().end()},
      .guarantee_timestamp = request.guarantee_timestamp()};
  for (const auto& param : request.query_params()) {
    if (param.key() == "limit") asked.limit = std::stoll(param.value());
  }
  return asked;
}

std::string TextOf(const milvus::QueryRequest& request) {
  std::string text;
  for (const std::string& name : request.partition_names) text += "/" + name;
  text += " " + request.expr;
  if (request.limit != 0) text += " limit=" + std::to_string(request.limit);
  return text;
}

/// Arrays without elements come as no bytes at all.
void Answer(const milvus::Column& column, proto::schema::FieldData& field) {
  field = milvus::ToProto(column);
  if (column.data_type != milvus::data_type::kArray) return;
  auto& arrays = *field.mutable_scalars()->mutable_array_data();
  for (size_t row = 0; row < column.rows; ++row) {
    if (column.texts[row].empty()) arrays.mutable_data(static_cast<int>(row))->clear();
  }
}

}  // namespace

grpc::Status FakeMilvusService::Query(grpc::ServerContext* context,
                                      const api::QueryRequest* request, api::QueryResults* reply) {
  const milvus::QueryRequest asked = FromProto(*request);
  return ServeCollection(
      context, "Query", request, reply, TextOf(asked),
      [&](const FakeCollection& collection) -> Refusal {
        if (collection.load_state != milvus::LoadState::kLoaded) {
          return {.code = 101, .error_code = 1, .reason = "collection not loaded"};
        }
        std::vector<milvus::Column> columns;
        if (query_) {
          columns = query_(asked);
        } else if (const Refusal refusal =
                       FindRows(collection, asked, options_.max_output_rows, columns);
                   !refusal.ok()) {
          return refusal;
        }
        if (alter_) alter_(asked, columns);
        for (const milvus::Column& column : columns) Answer(column, *reply->add_fields_data());
        return {};
      });
}

grpc::Status FakeMilvusService::Insert(grpc::ServerContext* context,
                                       const api::InsertRequest* request,
                                       api::MutationResult* reply) {
  return Write(context, request, reply, false);
}

grpc::Status FakeMilvusService::Upsert(grpc::ServerContext* context,
                                       const api::InsertRequest* request,
                                       api::MutationResult* reply) {
  return Write(context, request, reply, true);
}

grpc::Status FakeMilvusService::Write(grpc::ServerContext* context,
                                      const api::InsertRequest* request, api::MutationResult* reply,
                                      bool is_upsert) {
  const std::string more =
      "/" + request->partition_name() + " rows=" + std::to_string(request->num_rows());
  return ServeCollection(
      context, is_upsert ? "Upsert" : "Insert", request, reply, more,
      [&](FakeCollection& collection) -> Refusal {
        FakeWrite write{.rows = request->num_rows(),
                        .partition = request->partition_name(),
                        .is_upsert = is_upsert};
        if (options_.keeps_rows) {
          for (const auto& field : request->fields_data()) {
            auto column = milvus::FromProto(field);
            if (!column.ok()) {
              return {.code = 1100, .error_code = 5, .reason = column.status().message()};
            }
            write.columns.push_back(*std::move(column));
          }
          const Refusal refusal = WriteRows(collection, write, [&] { return state_.NewId(); });
          if (!refusal.ok()) return refusal;
        }
        const auto partition =
            std::ranges::find(collection.partitions, write.partition, &milvus::Partition::name);
        collection.segments.push_back({.id = state_.NewId(),
                                       .collection_id = collection.info.id,
                                       .partition_id = partition == collection.partitions.end()
                                                           ? collection.partitions.front().id
                                                           : partition->id,
                                       .num_rows = request->num_rows(),
                                       .state = kGrowing});
        if (is_upsert) reply->set_upsert_cnt(request->num_rows());
        if (!is_upsert) reply->set_insert_cnt(request->num_rows());
        return {};
      });
}

}  // namespace milvus_backup::testing
