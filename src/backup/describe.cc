#include "describe.h"

#include "milvus_backup/base/encoding.h"

#include <algorithm>
#include <utility>

namespace milvus_backup::backup {
namespace {

std::vector<meta::KeyValue> Convert(const std::vector<milvus::KeyValue>& pairs) {
  std::vector<meta::KeyValue> converted;
  converted.reserve(pairs.size());
  for (const milvus::KeyValue& pair : pairs) converted.push_back({pair.key, pair.value});
  return converted;
}

meta::FieldSchema Convert(const milvus::FieldSchema& field) {
  meta::FieldSchema converted{
      .field_id = field.field_id,
      .name = field.name,
      .is_primary_key = field.is_primary_key,
      .description = field.description,
      .data_type = field.data_type,
      .type_params = Convert(field.type_params),
      .index_params = Convert(field.index_params),
      .auto_id = field.auto_id,
      .element_type = field.element_type,
      .is_dynamic = field.is_dynamic,
      .is_partition_key = field.is_partition_key,
      .nullable = field.nullable,
      .is_function_output = field.is_function_output,
  };
  if (field.default_value) {
    converted.default_value_base64 = Base64Encode(AsBytes(*field.default_value));
  }
  return converted;
}

meta::CollectionSchema Convert(const milvus::CollectionSchema& schema) {
  meta::CollectionSchema converted{
      .name = schema.name,
      .description = schema.description,
      .auto_id = schema.auto_id,
      .enable_dynamic_field = schema.enable_dynamic_field,
      .properties = Convert(schema.properties),
  };
  for (const milvus::FieldSchema& field : schema.fields) converted.fields.push_back(Convert(field));
  for (const milvus::FunctionSchema& function : schema.functions) {
    converted.functions.push_back({.name = function.name,
                                   .id = function.id,
                                   .description = function.description,
                                   .type = function.type,
                                   .input_field_names = function.input_field_names,
                                   .input_field_ids = function.input_field_ids,
                                   .output_field_names = function.output_field_names,
                                   .output_field_ids = function.output_field_ids,
                                   .params = Convert(function.params)});
  }
  for (const milvus::StructArrayFieldSchema& field : schema.struct_array_fields) {
    meta::StructArrayField& added = converted.struct_array_fields.emplace_back();
    added.field_id = field.field_id;
    added.name = field.name;
    added.description = field.description;
    for (const milvus::FieldSchema& inner : field.fields) added.fields.push_back(Convert(inner));
  }
  return converted;
}

meta::IndexInfo Convert(const milvus::Index& index) {
  meta::IndexInfo converted{
      .field_name = index.field_name, .index_name = index.name, .index_id = index.id};
  for (const milvus::KeyValue& param : index.params) {
    converted.params[param.key] = param.value;
    if (param.key == "index_type") converted.index_type = param.value;
  }
  return converted;
}

const char* LoadStateName(milvus::LoadState state) {
  switch (state) {
    case milvus::LoadState::kNotLoad:
      return "NotLoad";
    case milvus::LoadState::kLoading:
      return "Loading";
    case milvus::LoadState::kLoaded:
      return "Loaded";
  }
  return "NotLoad";
}

meta::PartitionBackup Describe(const milvus::Partition& partition, int64_t collection_id,
                               milvus::LoadState load_state) {
  return {.partition_id = partition.id,
          .partition_name = partition.name,
          .collection_id = collection_id,
          .load_state = LoadStateName(load_state)};
}

}  // namespace

Result<meta::CollectionBackup> DescribeForBackup(const CallContext& ctx, milvus::Client& client,
                                                 const CollectionName& name) {
  MB_ASSIGN_OR_RETURN(const milvus::Collection collection,
                      client.DescribeCollection(ctx, name.db, name.collection));
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Index> indexes,
                      client.ListIndexes(ctx, name.db, name.collection));
  MB_ASSIGN_OR_RETURN(const milvus::LoadState load_state,
                      client.GetLoadState(ctx, name.db, name.collection));
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Partition> partitions,
                      client.ListPartitions(ctx, name.db, name.collection));
  meta::CollectionBackup backup{
      .collection_id = collection.id,
      .db_name = name.db,
      .collection_name = name.collection,
      .schema = Convert(collection.schema),
      .shards_num = collection.shards_num,
      .consistency_level = collection.consistency_level,
      .has_index = !indexes.empty(),
      .load_state = LoadStateName(load_state),
      .properties = Convert(collection.properties),
      .db_id = collection.db_id,
      .created_timestamp = collection.created_timestamp,
      .virtual_channel_names = collection.virtual_channel_names,
      .physical_channel_names = collection.physical_channel_names,
      .aliases = collection.aliases,
  };
  for (const milvus::Index& index : indexes) backup.index_infos.push_back(Convert(index));
  for (const milvus::Partition& partition : partitions) {
    milvus::LoadState state = load_state;
    // Only then do partitions differ.
    if (state == milvus::LoadState::kLoading) {
      MB_ASSIGN_OR_RETURN(
          state, client.GetPartitionLoadState(ctx, name.db, name.collection, partition.name));
    }
    backup.partition_backups.push_back(Describe(partition, collection.id, state));
  }
  return backup;
}

Status RefreshSchema(const CallContext& ctx, milvus::Client& client, const CollectionName& name,
                     meta::CollectionBackup& backup) {
  MB_ASSIGN_OR_RETURN(const milvus::Collection collection,
                      client.DescribeCollection(ctx, name.db, name.collection));
  if (collection.id != backup.collection_id) {
    return Status(Code::kAborted, "it was dropped and created anew meanwhile")
        .WithOrigin(Origin::kMilvus);
  }
  backup.schema = Convert(collection.schema);
  return Status::Ok();
}

Status RefreshPartitions(const CallContext& ctx, milvus::Client& client, const CollectionName& name,
                         meta::CollectionBackup& backup) {
  MB_ASSIGN_OR_RETURN(const std::vector<milvus::Partition> partitions,
                      client.ListPartitions(ctx, name.db, name.collection));
  for (const milvus::Partition& partition : partitions) {
    if (std::ranges::count(backup.partition_backups, partition.id,
                           &meta::PartitionBackup::partition_id) > 0) {
      continue;
    }
    MB_ASSIGN_OR_RETURN(
        const milvus::LoadState state,
        client.GetPartitionLoadState(ctx, name.db, name.collection, partition.name));
    backup.partition_backups.push_back(Describe(partition, backup.collection_id, state));
  }
  return Status::Ok();
}

Result<meta::DatabaseBackup> DescribeDatabase(const CallContext& ctx, milvus::Client& client,
                                              const std::string& db) {
  const auto described = client.DescribeDatabase(ctx, db);
  if (!described.ok()) {
    if (described.status().code() == Code::kUnimplemented) return meta::DatabaseBackup{db};
    return described.status();
  }
  meta::DatabaseBackup backup{
      .db_name = db, .db_id = described->id, .properties = Convert(described->properties)};
  const bool is_encrypted = std::ranges::any_of(backup.properties, [](const meta::KeyValue& pair) {
    return pair.key == "cipher.key" && !pair.value.empty();
  });
  if (!is_encrypted) return backup;
  // Its files are of no use without a root key that this program cannot ask for.
  return UnimplementedError("database " + db + " is encrypted (cipher.key)")
      .WithOrigin(Origin::kMilvus)
      .WithAdvice("leave it out with --filter: backups of encrypted databases are not built yet");
}

void AttachSegments(std::vector<meta::SegmentBackup> segments, meta::CollectionBackup& collection) {
  for (meta::SegmentBackup& segment : segments) {
    if (segment.partition_id == meta::kAllPartitions) {
      collection.l0_segments.push_back(std::move(segment));
      continue;
    }
    const auto partition = std::ranges::find(collection.partition_backups, segment.partition_id,
                                             &meta::PartitionBackup::partition_id);
    if (partition == collection.partition_backups.end()) continue;
    partition->segment_backups.push_back(std::move(segment));
  }
}

}  // namespace milvus_backup::backup
