#include "target_schema.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <string_view>
#include <vector>

namespace milvus_backup::migration {
namespace {

using nlohmann::json;

constexpr char kIdField[] = "id";
/// common.ConsistencyLevel
constexpr int32_t kBounded = 2;
/// What 1.x itself uses when the parameter is not given.
constexpr int64_t kDefaultNlist = 1024;

/// engine_type of the 1.x meta.
enum Engine : int64_t {
  kFlat = 1,
  kIvfFlat = 2,
  kIvfSq8 = 3,
  kIvfSq8h = 5,
  kIvfPq = 6,
  kBinFlat = 9,
  kBinIvfFlat = 10,
  kHnsw = 11,
};

int32_t VectorType(const Table& table) {
  return IsBinary(table.metric) ? milvus::data_type::kBinaryVector
                                : milvus::data_type::kFloatVector;
}

std::string_view MetricName(Metric metric) {
  // Milvus 2.3 has no TANIMOTO for new indexes; it orders as JACCARD does.
  return OldMetricName(metric == Metric::kTanimoto ? Metric::kJaccard : metric);
}

struct IndexType {
  std::string_view name;
  /// Parameters it takes over, with what stands for one that is missing; 0 for none.
  std::vector<std::pair<const char*, int64_t>> params;
  bool replaced = false;
};

IndexType BinaryIndexType(const Table& table, int64_t engine) {
  const bool flat_only =
      table.metric == Metric::kSubstructure || table.metric == Metric::kSuperstructure;
  if (!flat_only && (engine == kBinIvfFlat || engine == kIvfFlat)) {
    return {"BIN_IVF_FLAT", {{"nlist", kDefaultNlist}}};
  }
  return {"BIN_FLAT", {}, engine != kBinFlat && engine != kFlat};
}

IndexType FloatIndexType(int64_t engine) {
  switch (engine) {
    case kFlat:
      return {"FLAT", {}};
    case kIvfFlat:
      return {"IVF_FLAT", {{"nlist", kDefaultNlist}}};
    case kIvfSq8:
    case kIvfSq8h:
      return {"IVF_SQ8", {{"nlist", kDefaultNlist}}};
    case kIvfPq:
      return {"IVF_PQ", {{"nlist", kDefaultNlist}, {"m", 0}}};
    case kHnsw:
      return {"HNSW", {{"M", 16}, {"efConstruction", 200}}};
    default:
      return {"FLAT", {}, true};
  }
}

std::string ParamOf(const std::vector<milvus::KeyValue>& params, std::string_view key) {
  const auto it = std::ranges::find(params, key, &milvus::KeyValue::key);
  return it == params.end() ? "" : it->value;
}

}  // namespace

std::string_view OldMetricName(Metric metric) {
  switch (metric) {
    case Metric::kL2:
      return "L2";
    case Metric::kIp:
      return "IP";
    case Metric::kHamming:
      return "HAMMING";
    case Metric::kJaccard:
      return "JACCARD";
    case Metric::kTanimoto:
      return "TANIMOTO";
    case Metric::kSubstructure:
      return "SUBSTRUCTURE";
    case Metric::kSuperstructure:
      return "SUPERSTRUCTURE";
  }
  return "L2";
}

milvus::CreateCollectionRequest TargetCollection(const std::string& db, const std::string& name,
                                                 const Table& table, const CollectionStyle& style) {
  milvus::CreateCollectionRequest request{.db_name = db, .consistency_level = kBounded};
  request.shards_num = style.shards;
  request.schema = {
      .name = name,
      .description = style.description,
      .fields = {{.name = kIdField, .is_primary_key = true, .data_type = milvus::data_type::kInt64},
                 {.name = style.vector_field,
                  .data_type = VectorType(table),
                  .type_params = {{"dim", std::to_string(table.dim)}}}}};
  return request;
}

Status CheckFits(const milvus::Collection& existing, const Table& table,
                 const CollectionStyle& style) {
  const std::vector<milvus::FieldSchema>& fields = existing.schema.fields;
  const auto id = std::ranges::find(fields, kIdField, &milvus::FieldSchema::name);
  const auto data = std::ranges::find(fields, style.vector_field, &milvus::FieldSchema::name);
  std::string why;
  if (fields.size() != 2 || id == fields.end() || data == fields.end()) {
    why = fmt::format("its fields are not just id and {}", style.vector_field);
  } else if (!id->is_primary_key || id->data_type != milvus::data_type::kInt64 || id->auto_id) {
    why = "its field id is no primary key of type Int64 without auto id";
  } else if (data->data_type != VectorType(table)) {
    why = fmt::format("its field {} does not hold {} vectors", style.vector_field,
                      IsBinary(table.metric) ? "binary" : "float");
  } else if (ParamOf(data->type_params, "dim") != std::to_string(table.dim)) {
    why = fmt::format("its dimension is {} instead of {}", ParamOf(data->type_params, "dim"),
                      table.dim);
  }
  if (why.empty()) return Status::Ok();
  return FailedPreconditionError(
             fmt::format("collection {} exists in Milvus, but {}", existing.schema.name, why))
      .WithAdvice("rename or drop it");
}

TargetIndex IndexOf(const Table& table, const std::string& vector_field) {
  const int64_t engine = table.index_type.value_or(kFlat);
  const IndexType type =
      IsBinary(table.metric) ? BinaryIndexType(table, engine) : FloatIndexType(engine);
  const json given = json::parse(table.index_params.empty() ? "{}" : table.index_params, nullptr,
                                 /*allow_exceptions=*/false);
  json params = json::object();
  for (const auto& [key, fallback] : type.params) {
    if (given.is_object() && given.contains(key) && given[key].is_number_integer()) {
      params[key] = given[key];
    } else if (fallback != 0) {
      params[key] = fallback;
    }
  }
  TargetIndex target;
  target.index = {.field_name = vector_field,
                  .name = "",
                  .params = {{"index_type", std::string(type.name)},
                             {"metric_type", std::string(MetricName(table.metric))},
                             {"params", params.dump()}}};
  if (type.replaced) {
    target.warning = fmt::format("collection '{}': Milvus 2.x has no index of kind {}; {} is built",
                                 table.collection(), engine, type.name);
  }
  return target;
}

}  // namespace milvus_backup::migration
