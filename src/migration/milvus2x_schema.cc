#include "milvus2x_schema.h"

#include "milvus_backup/milvus/version.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <utility>

namespace milvus_backup::migration {
namespace {

namespace data_type = milvus::data_type;
using milvus::FieldSchema;

constexpr char kDynamicField[] = "$meta";
constexpr int32_t kTimestamptz = 26;
/// Nullable fields, defaults and functions came with it.
constexpr milvus::Version kNullableSince{2, 5, 0};

Status ConfigProblem(std::string message) {
  return InvalidArgumentError(std::move(message)).WithOrigin(Origin::kConfig);
}

bool CanBeRead(int32_t type) {
  return (type >= data_type::kBool && type <= data_type::kInt64) ||
         (type >= data_type::kFloat && type <= data_type::kDouble) ||
         (type >= data_type::kString && type <= data_type::kJson) || type == kTimestamptz ||
         (type >= data_type::kBinaryVector && type <= data_type::kInt8Vector);
}

std::string ParamOf(const FieldSchema& field, std::string_view key) {
  const auto found = std::ranges::find(field.type_params, key, &milvus::KeyValue::key);
  return found == field.type_params.end() ? "" : found->value;
}

int64_t NumberOf(const std::string& text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

/// Bytes of a value, 0 where values differ in length.
uint64_t WidthOf(const FieldSchema& field) {
  const auto dim = static_cast<uint64_t>(std::max<int64_t>(NumberOf(ParamOf(field, "dim")), 0));
  switch (field.data_type) {
    case data_type::kBool:
      return 1;
    case data_type::kInt8:
    case data_type::kInt16:
    case data_type::kInt32:
    case data_type::kFloat:
      return 4;
    case data_type::kInt64:
    case data_type::kDouble:
    case kTimestamptz:
      return 8;
    case data_type::kBinaryVector:
      return dim / 8;
    case data_type::kFloatVector:
      return dim * 4;
    case data_type::kFloat16Vector:
    case data_type::kBFloat16Vector:
      return dim * 2;
    case data_type::kInt8Vector:
      return dim;
    default:
      return 0;
  }
}

/// As `meta.fields` has them, or all.
Result<std::vector<FieldSchema>> ChooseFields(const milvus::CollectionSchema& schema,
                                              const std::vector<std::string>& names) {
  std::vector<FieldSchema> chosen;
  for (const FieldSchema& field : schema.fields) {
    if (!field.is_dynamic && names.empty()) chosen.push_back(field);
  }
  for (const std::string& name : names) {
    const auto found = std::ranges::find(schema.fields, name, &FieldSchema::name);
    if (found == schema.fields.end()) {
      return ConfigProblem("not found milvus collection field : " + name);
    }
    chosen.push_back(*found);
  }
  const auto is_vector = [](const FieldSchema& field) {
    return data_type::IsVector(field.data_type);
  };
  if (std::ranges::none_of(chosen, is_vector)) {
    return ConfigProblem("not migrate milvus2x source collection FloatVector type field");
  }
  const auto key = std::ranges::find(schema.fields, true, &FieldSchema::is_primary_key);
  if (key == schema.fields.end()) return InternalError("the source has no primary key");
  if (std::ranges::count(chosen, key->name, &FieldSchema::name) == 0) {
    return ConfigProblem(fmt::format("meta.fields lacks the primary key {}", key->name));
  }
  return chosen;
}

/// Fields whose rows go along; what functions make, the target makes itself.
Result<std::vector<FieldSchema>> FieldsToRead(const std::vector<FieldSchema>& chosen) {
  std::vector<FieldSchema> fields;
  for (const FieldSchema& field : chosen) {
    if (field.is_function_output) continue;
    if (!CanBeRead(field.data_type)) {
      return UnimplementedError(fmt::format("field {} is of a type ({}) that cannot be migrated",
                                            field.name, field.data_type))
          .WithAdvice("leave it out with meta.fields, or use create, copy and restore");
    }
    fields.push_back(field);
  }
  return fields;
}

Status CheckVersion(const milvus::CollectionSchema& source, std::vector<FieldSchema>& chosen,
                    const std::string& target_version, std::vector<std::string>& warnings) {
  if (!source.struct_array_fields.empty()) {
    return UnimplementedError("it has struct fields, which cannot be migrated by queries")
        .WithAdvice("use create, copy and restore");
  }
  const milvus::ParsedVersion target = milvus::ParseVersion(target_version);
  if (!target.known || target.version >= kNullableSince) return Status::Ok();
  for (FieldSchema& field : chosen) {
    if (field.nullable || field.is_function_output) {
      return FailedPreconditionError(
                 fmt::format("field {} {}, which Milvus {} does not know", field.name,
                             field.nullable ? "is nullable" : "is made by a function",
                             target_version))
          .WithAdvice("leave it out with meta.fields, or use a Milvus from 2.5 on");
    }
    if (!field.default_value) continue;
    warnings.push_back(fmt::format("the default value of field {} is lost: Milvus {} knows none",
                                   field.name, target_version));
    field.default_value.reset();
  }
  return Status::Ok();
}

/// Functions all of whose fields are there.
std::vector<milvus::FunctionSchema> FunctionsOf(const milvus::CollectionSchema& source,
                                                const std::vector<FieldSchema>& chosen) {
  const auto is_there = [&](const std::string& name) {
    return std::ranges::count(chosen, name, &FieldSchema::name) > 0;
  };
  std::vector<milvus::FunctionSchema> functions;
  for (const milvus::FunctionSchema& function : source.functions) {
    if (std::ranges::all_of(function.input_field_names, is_there) &&
        std::ranges::all_of(function.output_field_names, is_there)) {
      functions.push_back(function);
    }
  }
  return functions;
}

std::string DifferenceOf(const FieldSchema& wanted, const FieldSchema& existing) {
  if (wanted.data_type != existing.data_type || wanted.element_type != existing.element_type) {
    return "has another type";
  }
  if (ParamOf(wanted, "dim") != ParamOf(existing, "dim")) {
    return fmt::format("has dimension {} instead of {}", ParamOf(existing, "dim"),
                       ParamOf(wanted, "dim"));
  }
  for (const char* key : {"max_length", "max_capacity"}) {
    const int64_t needed = NumberOf(ParamOf(wanted, key));
    const int64_t given = NumberOf(ParamOf(existing, key));
    if (given < needed) return fmt::format("has {} {} instead of {}", key, given, needed);
  }
  if (wanted.is_primary_key != existing.is_primary_key) return "differs in being the primary key";
  if (wanted.nullable && !existing.nullable) return "takes no nulls";
  return "";
}

}  // namespace

Result<TargetPlan> PlanTarget(const milvus::Collection& source,
                              const std::vector<milvus::Partition>& partitions,
                              const Milvus2xOptions& options, const std::string& name,
                              const std::string& target_version) {
  TargetPlan plan;
  const milvus::CollectionSchema& schema = source.schema;
  MB_ASSIGN_OR_RETURN(std::vector<FieldSchema> chosen, ChooseFields(schema, options.fields));
  MB_RETURN_IF_ERROR(CheckVersion(schema, chosen, target_version, plan.warnings));
  const auto key = std::ranges::find(chosen, true, &FieldSchema::is_primary_key);
  const bool new_keys = options.auto_id.value_or(key->auto_id);
  key->auto_id = new_keys;
  if (new_keys && options.upsert) {
    return ConfigProblem("target.milvus2x.writeMode is upsert, but the target makes new keys")
        .WithAdvice("set meta.milvus.autoId to \"false\" to keep the keys");
  }
  RowPlan& rows = plan.rows;
  MB_ASSIGN_OR_RETURN(rows.fields, FieldsToRead(chosen));
  rows.key = KeyField(key->name, key->data_type != data_type::kInt64);
  rows.keeps_keys = !new_keys;
  rows.has_partition_key = std::ranges::any_of(schema.fields, &FieldSchema::is_partition_key);
  for (const milvus::Partition& partition : partitions) rows.partitions.push_back(partition.name);

  milvus::CreateCollectionRequest& create = plan.create;
  create.schema.name = name;
  create.schema.description =
      schema.description.empty() ? "Migration from Milvus2x" : schema.description;
  create.schema.auto_id = schema.auto_id && new_keys;
  create.schema.enable_dynamic_field = options.dynamic_field.value_or(schema.enable_dynamic_field);
  create.schema.functions = FunctionsOf(schema, chosen);
  create.schema.properties = schema.properties;
  create.properties = schema.properties.empty() ? source.properties : schema.properties;
  create.shards_num = options.shards_num.value_or(source.shards_num);
  create.consistency_level = options.consistency_level.value_or(source.consistency_level);
  if (std::ranges::any_of(chosen, &FieldSchema::is_partition_key)) {
    create.num_partitions = static_cast<int64_t>(partitions.size());
  }
  create.schema.fields = std::move(chosen);
  if (schema.enable_dynamic_field && create.schema.enable_dynamic_field) {
    rows.fields.push_back(
        {.name = kDynamicField, .data_type = data_type::kJson, .is_dynamic = true});
  } else if (schema.enable_dynamic_field) {
    plan.warnings.push_back("the values of dynamic fields are left out");
  }
  return plan;
}

uint64_t LeastRowBytes(const RowPlan& rows) {
  uint64_t bytes = 0;
  for (const FieldSchema& field : rows.fields) {
    if (!field.nullable) bytes += WidthOf(field);
  }
  return bytes;
}

Status CheckRowsFit(const milvus::Collection& existing, const RowPlan& rows) {
  const milvus::CollectionSchema& schema = existing.schema;
  const auto differs = [&](const std::string& what) {
    return FailedPreconditionError(
               fmt::format("collection {} exists in the target, but {}", schema.name, what))
        .WithAdvice("rename or drop it, or choose another name with meta.milvus.collection");
  };
  for (const FieldSchema& wanted : rows.fields) {
    if (wanted.is_dynamic) {
      if (!schema.enable_dynamic_field) return differs("has no dynamic field");
      continue;
    }
    const auto found = std::ranges::find(schema.fields, wanted.name, &FieldSchema::name);
    if (found == schema.fields.end()) return differs("has no field " + wanted.name);
    const std::string difference = DifferenceOf(wanted, *found);
    if (!difference.empty())
      return differs(fmt::format("its field {} {}", wanted.name, difference));
    if (wanted.is_primary_key && found->auto_id == rows.keeps_keys) {
      return differs(found->auto_id ? "makes its keys itself" : "does not make its keys itself");
    }
  }
  if (!rows.has_partition_key &&
      std::ranges::any_of(schema.fields, &FieldSchema::is_partition_key)) {
    return differs("has a partition key, so rows cannot be put into their partitions");
  }
  for (const FieldSchema& field : schema.fields) {
    const bool is_needed =
        !field.is_dynamic && !field.nullable && !field.default_value && !field.is_function_output;
    if (is_needed && std::ranges::count(rows.fields, field.name, &FieldSchema::name) == 0) {
      return differs(fmt::format("has a field {} that the rows do not have", field.name));
    }
  }
  return Status::Ok();
}

std::vector<milvus::Index> IndexesToCopy(const std::vector<milvus::Index>& source,
                                         const std::vector<FieldSchema>& fields) {
  std::vector<milvus::Index> indexes;
  for (const bool vectors : {true, false}) {
    for (const milvus::Index& index : source) {
      const auto field = std::ranges::find(fields, index.field_name, &FieldSchema::name);
      if (field == fields.end() || data_type::IsVector(field->data_type) != vectors) continue;
      milvus::Index copied = index;
      for (milvus::KeyValue& param : copied.params) {
        // Milvus reports this index type under a name that CreateIndex does not take.
        if (param.key == "index_type" && param.value == "marisa-trie") param.value = "Trie";
      }
      indexes.push_back(std::move(copied));
    }
  }
  return indexes;
}

std::string VectorWithoutIndex(const milvus::CollectionSchema& schema,
                               const std::vector<milvus::Index>& indexes) {
  for (const FieldSchema& field : schema.fields) {
    if (!data_type::IsVector(field.data_type)) continue;
    if (std::ranges::count(indexes, field.name, &milvus::Index::field_name) == 0) return field.name;
  }
  return "";
}

}  // namespace milvus_backup::migration
