#include "restore_schema.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/milvus/version.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace milvus_backup::backup {
namespace {

std::vector<milvus::KeyValue> Convert(const std::vector<meta::KeyValue>& pairs,
                                      const std::set<std::string>& skipped = {}) {
  std::vector<milvus::KeyValue> converted;
  converted.reserve(pairs.size());
  for (const meta::KeyValue& pair : pairs) {
    if (!skipped.contains(pair.key)) converted.push_back({pair.key, pair.value});
  }
  return converted;
}

Result<milvus::FieldSchema> Convert(const meta::FieldSchema& field, const SkipParams& skip) {
  milvus::FieldSchema converted{
      .field_id = field.field_id,
      .name = field.name,
      .is_primary_key = field.is_primary_key,
      .description = field.description,
      .data_type = field.data_type,
      .type_params = Convert(field.type_params, skip.field_type_params),
      .index_params = Convert(field.index_params, skip.field_index_params),
      .auto_id = field.auto_id,
      .element_type = field.element_type,
      .is_partition_key = field.is_partition_key,
      .nullable = field.nullable,
      .is_function_output = field.is_function_output,
  };
  if (!field.default_value_base64.empty()) {
    auto bytes = Base64Decode(field.default_value_base64);
    if (!bytes.ok())
      return DataLossError("the default value of field " + field.name + " is damaged");
    converted.default_value = *std::move(bytes);
  } else if (!field.default_value_proto.empty() && !HasDamagedDefault(field)) {
    converted.default_value = field.default_value_proto;
  }
  return converted;
}

/// Something of a field that not every server has.
struct Feature {
  bool (*is_used)(const milvus::FieldSchema& field);
  std::string_view what;
  /// The first that may have it.
  milvus::Version since;
  /// The first that has it for certain.
  std::string_view advised;
};
constexpr milvus::Version kDynamicSince{2, 2, 9};
/// A late 2.4 may have the bytes of these in its messages; it knows nothing of what they mean.
constexpr milvus::Version kNullableSince{2, 5, 0};
constexpr milvus::Version kFunctionsSince{2, 5, 0};
constexpr Feature kFeatures[] = {
    {[](const milvus::FieldSchema& f) { return f.data_type == milvus::data_type::kJson; },
     "holds JSON",
     {2, 2, 9},
     "2.2.9"},
    {[](const milvus::FieldSchema& f) { return f.is_partition_key; },
     "is a partition key",
     {2, 2, 9},
     "2.2.9"},
    {[](const milvus::FieldSchema& f) { return f.data_type == milvus::data_type::kArray; },
     "holds arrays",
     {2, 3, 0},
     "2.3"},
    {[](const milvus::FieldSchema& f) { return f.data_type == milvus::data_type::kFloat16Vector; },
     "holds vectors of a newer kind",
     {2, 3, 0},
     "2.4"},
    {[](const milvus::FieldSchema& f) {
       return f.data_type == milvus::data_type::kBFloat16Vector ||
              f.data_type == milvus::data_type::kSparseFloatVector;
     },
     "holds vectors of a newer kind",
     {2, 4, 0},
     "2.4"},
    {[](const milvus::FieldSchema& f) { return f.data_type == milvus::data_type::kInt8Vector; },
     "holds vectors of a newer kind",
     {2, 5, 0},
     "2.6"},
    // Geometry, Text, Timestamptz and what came after them.
    {[](const milvus::FieldSchema& f) {
       return f.data_type > milvus::data_type::kJson &&
              f.data_type < milvus::data_type::kBinaryVector;
     },
     "holds values of a newer kind",
     {2, 6, 0},
     "2.6"},
    {[](const milvus::FieldSchema& f) { return f.nullable; }, "is nullable", kNullableSince, "2.5"},
    {[](const milvus::FieldSchema& f) { return f.is_function_output; }, "is made by a function",
     kFunctionsSince, "2.5"},
};

Status NotKnown(const std::string& what, const std::string& server_version,
                std::string_view advised) {
  return UnimplementedError(fmt::format("{}, which Milvus {} does not know", what, server_version))
      .WithAdvice(fmt::format("restore it into Milvus {} or newer; nothing was changed", advised));
}

std::string ParamOf(const std::vector<milvus::KeyValue>& params, std::string_view key) {
  const auto found = std::ranges::find(params, key, &milvus::KeyValue::key);
  return found == params.end() ? "" : found->value;
}

std::optional<int64_t> NumberOf(const std::string& text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  if (text.empty() || std::from_chars(text.data(), end, number).ptr != end) return std::nullopt;
  return number;
}

std::vector<const milvus::FieldSchema*> UserFields(const milvus::CollectionSchema& schema) {
  std::vector<const milvus::FieldSchema*> fields;
  for (const milvus::FieldSchema& field : schema.fields) {
    if (!field.is_dynamic) fields.push_back(&field);
  }
  return fields;
}

Status Differs(const std::string& what, const std::string& wanted, const std::string& existing) {
  return FailedPreconditionError(
             fmt::format("{} is {} in the backup and {} in the collection", what, wanted, existing))
      .WithAdvice(
          "rows can only be added to a collection with the backup's own schema; restore "
          "under another name with -s/--suffix or -r/--rename");
}

Status CheckFieldFits(const milvus::FieldSchema& wanted, const milvus::FieldSchema& existing) {
  const auto yes_no = [](bool value) { return std::string(value ? "true" : "false"); };
  struct Fact {
    std::string what;
    std::string wanted;
    std::string existing;
  };
  const std::vector<Fact> facts = {
      {"name", wanted.name, existing.name},
      {"id", std::to_string(wanted.field_id), std::to_string(existing.field_id)},
      {"data type", std::to_string(wanted.data_type), std::to_string(existing.data_type)},
      {"element type", std::to_string(wanted.element_type), std::to_string(existing.element_type)},
      {"primary key", yes_no(wanted.is_primary_key), yes_no(existing.is_primary_key)},
      {"partition key", yes_no(wanted.is_partition_key), yes_no(existing.is_partition_key)},
      {"autoID", yes_no(wanted.auto_id), yes_no(existing.auto_id)},
      {"nullable", yes_no(wanted.nullable), yes_no(existing.nullable)},
      {"dim", ParamOf(wanted.type_params, "dim"), ParamOf(existing.type_params, "dim")},
  };
  for (const Fact& fact : facts) {
    if (fact.wanted == fact.existing) continue;
    return Differs(fmt::format("{} of field '{}'", fact.what, wanted.name), fact.wanted,
                   fact.existing);
  }
  for (const char* key : {"max_length", "max_capacity"}) {
    const std::string needed = ParamOf(wanted.type_params, key);
    const std::string given = ParamOf(existing.type_params, key);
    const auto needed_number = NumberOf(needed);
    if (needed_number && NumberOf(given).value_or(*needed_number) < *needed_number) {
      return Differs(fmt::format("{} of field '{}'", key, wanted.name), needed, given);
    }
  }
  return Status::Ok();
}

// Milvus names such an index itself: JSON path indexes, for one, carry slashes.
bool IsAcceptedIndexName(std::string_view name) {
  return std::ranges::all_of(name, [](unsigned char c) {
    return c == '_' || c == '$' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
  });
}

milvus::Index ToIndex(const meta::IndexInfo& info, bool is_vector, const RestoreOptions& options) {
  milvus::Index index{.field_name = info.field_name, .name = info.index_name};
  if (!is_vector && !IsAcceptedIndexName(index.name)) index.name.clear();
  const bool is_auto = is_vector && options.use_auto_index;
  if (is_auto) index.params.push_back({"index_type", "AUTOINDEX"});
  for (const auto& [key, value] : info.params) {
    if (options.skip_params.index_params.contains(key)) continue;
    if (is_auto && key != "metric_type") continue;
    // Milvus reports this index type under a name that CreateIndex does not take.
    const bool trie = key == "index_type" && value == "marisa-trie";
    index.params.push_back({key, trie ? "Trie" : value});
  }
  return index;
}

std::vector<milvus::KeyValue> Sorted(std::vector<milvus::KeyValue> params) {
  std::ranges::sort(params, {}, &milvus::KeyValue::key);
  return params;
}

}  // namespace

bool HasDamagedDefault(const meta::FieldSchema& field) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  return field.default_value_base64.empty() &&
         field.default_value_proto.find(kReplacement) != std::string::npos;
}

Result<milvus::CreateCollectionRequest> ToCreateRequest(const CollectionPlan& plan,
                                                        const RestoreOptions& options) {
  const meta::CollectionBackup& backup = *plan.backup;
  const SkipParams& skip = options.skip_params;
  milvus::CreateCollectionRequest request{
      .db_name = plan.target.db,
      .shards_num = options.max_shard_num > 0 ? std::min(backup.shards_num, options.max_shard_num)
                                              : backup.shards_num,
      .consistency_level = backup.consistency_level,
  };
  milvus::CollectionSchema& schema = request.schema;
  schema.name = plan.target.collection;
  schema.description = backup.schema.description;
  schema.auto_id = backup.schema.auto_id;
  schema.enable_dynamic_field = backup.schema.enable_dynamic_field;
  schema.properties = Convert(backup.schema.properties, skip.collection_properties);
  request.properties =
      Convert(backup.schema.properties.empty() ? backup.properties : backup.schema.properties,
              skip.collection_properties);
  for (const meta::FieldSchema& field : backup.schema.fields) {
    if (field.is_dynamic) continue;
    MB_ASSIGN_OR_RETURN(milvus::FieldSchema converted, Convert(field, skip));
    if (converted.is_partition_key) {
      request.num_partitions = static_cast<int64_t>(backup.partition_backups.size());
    }
    schema.fields.push_back(std::move(converted));
  }
  for (const meta::FunctionSchema& function : backup.schema.functions) {
    schema.functions.push_back({.name = function.name,
                                .id = function.id,
                                .description = function.description,
                                .type = function.type,
                                .input_field_names = function.input_field_names,
                                .input_field_ids = function.input_field_ids,
                                .output_field_names = function.output_field_names,
                                .output_field_ids = function.output_field_ids,
                                .params = Convert(function.params)});
  }
  return request;
}

Status CheckServerKnows(const milvus::CollectionSchema& schema, const std::string& server_version) {
  const milvus::ParsedVersion server = milvus::ParseVersion(server_version);
  if (!server.known) return Status::Ok();
  if (schema.enable_dynamic_field && server.version < kDynamicSince) {
    return NotKnown("the collection has a dynamic field", server_version, "2.2.9");
  }
  for (const milvus::FieldSchema& field : schema.fields) {
    for (const Feature& feature : kFeatures) {
      if (server.version >= feature.since || !feature.is_used(field)) continue;
      return NotKnown(fmt::format("field '{}' {}", field.name, feature.what), server_version,
                      feature.advised);
    }
  }
  if (!schema.functions.empty() && server.version < kFunctionsSince) {
    return NotKnown(fmt::format("the collection has the function '{}'", schema.functions[0].name),
                    server_version, "2.5");
  }
  return Status::Ok();
}

Status CheckMadeAsAsked(const milvus::CollectionSchema& wanted,
                        const milvus::CollectionSchema& made, const std::string& server_version) {
  for (const milvus::FieldSchema& field : wanted.fields) {
    const auto found = std::ranges::find(made.fields, field.name, &milvus::FieldSchema::name);
    if (found == made.fields.end()) continue;
    const bool lost_nullable = field.nullable && !found->nullable;
    const bool lost_output = field.is_function_output && !found->is_function_output;
    if (!lost_nullable && !lost_output) continue;
    return UnimplementedError(
               fmt::format("field '{}' {}, which Milvus {} did not take over", field.name,
                           lost_nullable ? "is nullable" : "is made by a function", server_version))
        .WithAdvice("restore it into Milvus 2.5 or newer");
  }
  return Status::Ok();
}

std::vector<milvus::Index> IndexesToBuild(const meta::CollectionBackup& backup,
                                          const RestoreOptions& options) {
  std::set<std::string> vector_fields;
  for (const meta::FieldSchema& field : backup.schema.fields) {
    if (milvus::data_type::IsVector(field.data_type)) vector_fields.insert(field.name);
  }
  std::vector<milvus::Index> indexes;
  for (const bool is_vector : {true, false}) {
    for (const meta::IndexInfo& info : backup.index_infos) {
      if (vector_fields.contains(info.field_name) != is_vector) continue;
      indexes.push_back(ToIndex(info, is_vector, options));
    }
  }
  return indexes;
}

Status CheckSchemaFits(const milvus::CollectionSchema& wanted,
                       const milvus::CollectionSchema& existing) {
  const auto wanted_fields = UserFields(wanted);
  const auto existing_fields = UserFields(existing);
  for (size_t i = 0; i < std::min(wanted_fields.size(), existing_fields.size()); ++i) {
    MB_RETURN_IF_ERROR(CheckFieldFits(*wanted_fields[i], *existing_fields[i]));
  }
  if (wanted_fields.size() != existing_fields.size()) {
    return Differs("the number of fields", std::to_string(wanted_fields.size()),
                   std::to_string(existing_fields.size()));
  }
  if (wanted.enable_dynamic_field != existing.enable_dynamic_field) {
    return Differs("the dynamic field", wanted.enable_dynamic_field ? "enabled" : "disabled",
                   existing.enable_dynamic_field ? "enabled" : "disabled");
  }
  return Status::Ok();
}

Result<std::vector<milvus::Index>> MissingIndexes(const std::vector<milvus::Index>& wanted,
                                                  const std::vector<milvus::Index>& existing) {
  std::vector<milvus::Index> missing;
  for (const milvus::Index& index : wanted) {
    const auto found = std::ranges::find(existing, index.field_name, &milvus::Index::field_name);
    if (found == existing.end()) {
      missing.push_back(index);
    } else if (Sorted(found->params) != Sorted(index.params)) {
      return FailedPreconditionError(fmt::format("field '{}' has another index, {} ({})",
                                                 index.field_name, found->name,
                                                 ParamOf(found->params, "index_type")))
          .WithAdvice("drop it with --drop_exist_index, or leave out --rebuild_index");
    }
  }
  return missing;
}

std::string VectorFieldWithoutIndex(const milvus::CollectionSchema& schema,
                                    const std::vector<milvus::Index>& indexes) {
  for (const milvus::FieldSchema& field : schema.fields) {
    if (!milvus::data_type::IsVector(field.data_type)) continue;
    if (std::ranges::count(indexes, field.name, &milvus::Index::field_name) == 0) return field.name;
  }
  return "";
}

}  // namespace milvus_backup::backup
