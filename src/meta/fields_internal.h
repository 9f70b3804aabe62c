/// The members of every message, once, in the order they are written. A visitor (the encoder's or
/// the decoder's) is called per member with its JSON name:
///   Field       left out when zero, empty or none
///   Always      written even when zero
///   Segments    as Field, left out of files that carry no segments
///   Legacy      members that exist only together, in a TaskRecord
///   HeaderOnly  read from any file, but written into backup_meta.json alone
#pragma once

#include "milvus_backup/meta/backup_info.h"

#include <concepts>
#include <type_traits>

namespace milvus_backup::meta {

template <typename T, typename U>
concept As = std::same_as<std::remove_const_t<T>, U>;

template <typename V, As<KeyValue> T>
void VisitFields(V& v, T& pair) {
  v.Field("key", pair.key);
  v.Field("value", pair.value);
}

template <typename V, As<Binlog> T>
void VisitFields(V& v, T& log) {
  v.Field("entries_num", log.entries_num);
  v.Field("timestamp_from", log.timestamp_from);
  v.Field("timestamp_to", log.timestamp_to);
  v.Field("log_path", log.log_path);
  v.Always("log_size", log.log_size);
  v.Field("log_id", log.log_id);
}

template <typename V, As<FieldBinlog> T>
void VisitFields(V& v, T& field) {
  v.Field("fieldID", field.field_id);
  v.Field("binlogs", field.binlogs);
}

template <typename V, As<SegmentBackup> T>
void VisitFields(V& v, T& segment) {
  v.Field("segment_id", segment.segment_id);
  v.Field("collection_id", segment.collection_id);
  v.Field("partition_id", segment.partition_id);
  v.Field("num_of_rows", segment.num_of_rows);
  v.Field("binlogs", segment.binlogs);
  v.Field("statslogs", segment.statslogs);
  v.Field("deltalogs", segment.deltalogs);
  v.Always("size", segment.size);
  v.Field("group_id", segment.group_id);
  v.Field("backuped", segment.backuped);
  v.Field("is_l0", segment.is_l0);
  v.Field("v_channel", segment.v_channel);
  v.Field("storage_version", segment.storage_version);
}

template <typename V, As<PartitionBackup> T>
void VisitFields(V& v, T& partition) {
  v.Field("partition_id", partition.partition_id);
  v.Field("partition_name", partition.partition_name);
  v.Field("collection_id", partition.collection_id);
  v.Segments("segment_backups", partition.segment_backups);
  v.Always("size", partition.size);
  v.Field("load_state", partition.load_state);
}

template <typename V, As<FieldSchema> T>
void VisitFields(V& v, T& field) {
  v.Field("fieldID", field.field_id);
  v.Field("name", field.name);
  v.Field("is_primary_key", field.is_primary_key);
  v.Field("description", field.description);
  v.Field("data_type", field.data_type);
  v.Field("type_params", field.type_params);
  v.Field("index_params", field.index_params);
  v.Field("autoID", field.auto_id);
  v.Field("state", field.state);
  v.Field("element_type", field.element_type);
  v.Field("is_dynamic", field.is_dynamic);
  v.Field("is_partition_key", field.is_partition_key);
  v.Field("nullable", field.nullable);
  v.Field("default_value_proto", field.default_value_proto);
  v.Field("is_function_output", field.is_function_output);
  v.Field("default_value_base64", field.default_value_base64);
}

template <typename V, As<FunctionSchema> T>
void VisitFields(V& v, T& function) {
  v.Field("name", function.name);
  v.Field("id", function.id);
  v.Field("description", function.description);
  v.Field("type", function.type);
  v.Field("input_field_names", function.input_field_names);
  v.Field("input_field_ids", function.input_field_ids);
  v.Field("output_field_names", function.output_field_names);
  v.Field("output_field_ids", function.output_field_ids);
  v.Field("params", function.params);
}

template <typename V, As<StructArrayField> T>
void VisitFields(V& v, T& field) {
  v.Field("fieldID", field.field_id);
  v.Field("name", field.name);
  v.Field("description", field.description);
  v.Field("fields", field.fields);
}

template <typename V, As<CollectionSchema> T>
void VisitFields(V& v, T& schema) {
  v.Field("name", schema.name);
  v.Field("description", schema.description);
  v.Field("autoID", schema.auto_id);
  v.Field("fields", schema.fields);
  v.Field("enable_dynamic_field", schema.enable_dynamic_field);
  v.Field("properties", schema.properties);
  v.Field("functions", schema.functions);
  v.Field("struct_array_fields", schema.struct_array_fields);
}

template <typename V, As<IndexInfo> T>
void VisitFields(V& v, T& index) {
  v.Field("field_name", index.field_name);
  v.Field("index_name", index.index_name);
  v.Field("index_type", index.index_type);
  v.Field("params", index.params);
  v.Field("index_id", index.index_id);
  v.Field("field_id", index.field_id);
  v.Field("create_time", index.create_time);
  v.Field("type_params", index.type_params);
  v.Field("index_params", index.index_params);
  v.Field("user_index_params", index.user_index_params);
  v.Field("is_auto_index", index.is_auto_index);
  v.Field("min_index_version", index.min_index_version);
  v.Field("max_index_version", index.max_index_version);
}

template <typename V, As<SnapshotBackup> T>
void VisitFields(V& v, T& snapshot) {
  v.Field("metadata_path", snapshot.metadata_path);
  v.Field("total_files", snapshot.total_files);
  v.Field("total_bytes", snapshot.total_bytes);
}

template <typename V, As<CollectionBackup> T>
void VisitFields(V& v, T& collection) {
  v.Field("id", collection.id);
  v.Legacy(collection.task, [](auto& visitor, auto& task) {
    visitor.Always("state_code", task.state_code);
    visitor.Field("errorMessage", task.error_message);
    visitor.Field("start_time", task.start_time);
    visitor.Field("end_time", task.end_time);
    visitor.Always("progress", task.progress);
  });
  v.Field("collection_id", collection.collection_id);
  v.Field("db_name", collection.db_name);
  v.Field("collection_name", collection.collection_name);
  v.Always("schema", collection.schema);
  v.Field("shards_num", collection.shards_num);
  v.Field("consistency_level", collection.consistency_level);
  v.Field("partition_backups", collection.partition_backups);
  v.Field("backup_timestamp", collection.backup_timestamp);
  v.Always("size", collection.size);
  v.Always("has_index", collection.has_index);
  v.Field("index_infos", collection.index_infos);
  v.Field("load_state", collection.load_state);
  v.Field("backup_physical_timestamp", collection.backup_physical_timestamp);
  v.Field("channel_checkpoints", collection.channel_checkpoints);
  v.Segments("l0_segments", collection.l0_segments);
  v.Field("properties", collection.properties);
  v.Field("db_id", collection.db_id);
  v.Field("created_timestamp", collection.created_timestamp);
  v.Field("virtual_channel_names", collection.virtual_channel_names);
  v.Field("physical_channel_names", collection.physical_channel_names);
  v.Field("aliases", collection.aliases);
  v.Field("snapshot_backup", collection.snapshot_backup);
}

template <typename V, As<DatabaseBackup> T>
void VisitFields(V& v, T& database) {
  v.Field("db_name", database.db_name);
  v.Field("db_id", database.db_id);
  v.Field("properties", database.properties);
  v.Field("ezk", database.ezk);
}

template <typename V, As<RbacName> T>
void VisitFields(V& v, T& entity) {
  v.Field("name", entity.name);
}

template <typename V, As<RbacUser> T>
void VisitFields(V& v, T& user) {
  v.Field("user", user.user);
  v.Field("password", user.password);
  v.Field("roles", user.roles);
}

template <typename V, As<RbacGrantor> T>
void VisitFields(V& v, T& grantor) {
  v.Always("user", grantor.user);
  v.Always("privilege", grantor.privilege);
}

template <typename V, As<RbacGrant> T>
void VisitFields(V& v, T& grant) {
  v.Always("role", grant.role);
  v.Always("object", grant.object);
  v.Field("object_name", grant.object_name);
  v.Always("grantor", grant.grantor);
  v.Field("db_name", grant.db_name);
}

template <typename V, As<RbacPrivilegeGroup> T>
void VisitFields(V& v, T& group) {
  v.Field("group_name", group.group_name);
  v.Field("privileges", group.privileges);
}

template <typename V, As<RbacMeta> T>
void VisitFields(V& v, T& rbac) {
  v.Field("users", rbac.users);
  v.Field("roles", rbac.roles);
  v.Field("grants", rbac.grants);
  v.Field("privilege_groups", rbac.privilege_groups);
}

template <typename V, As<RpcChannelInfo> T>
void VisitFields(V& v, T& channel) {
  v.Field("name", channel.name);
  v.Field("position", channel.position);
}

/// The members of BackupInfo up to its name; backup_meta.json has them too.
template <typename V, As<BackupInfo> T>
void VisitIdentity(V& v, T& backup) {
  v.Field("id", backup.id);
  v.Always("state_code", backup.state_code);
  v.Legacy(backup.task, [](auto& visitor, auto& task) {
    visitor.Field("errorMessage", task.error_message);
    visitor.Field("start_time", task.start_time);
    visitor.Field("end_time", task.end_time);
    visitor.Always("progress", task.progress);
  });
  v.Field("name", backup.name);
}

template <typename V, As<BackupInfo> T>
void VisitMetaSize(V& v, T& backup) {
  v.Legacy(backup.task,
           [](auto& visitor, auto& task) { visitor.Always("meta_size", task.meta_size); });
}

/// What an incomplete backup says of itself; backup_meta.json has it too.
template <typename V, As<BackupInfo> T>
void VisitGaps(V& v, T& backup) {
  v.Field("partial", backup.partial);
  v.Field("failed_collections", backup.failed_collections);
}

template <typename V, As<BackupInfo> T>
void VisitFields(V& v, T& backup) {
  VisitIdentity(v, backup);
  v.Field("backup_timestamp", backup.backup_timestamp);
  v.Field("collection_backups", backup.collection_backups);
  v.Always("size", backup.size);
  v.Field("milvus_version", backup.milvus_version);
  v.Field("rbac_meta", backup.rbac_meta);
  v.Field("rpc_channel_info", backup.rpc_channel_info);
  v.Field("database_backups", backup.database_backups);
  VisitMetaSize(v, backup);
  v.Field("flush_all_msgs_base64", backup.flush_all_msgs_base64);
  v.Field("control_channel_name", backup.control_channel_name);
  v.Field("physical_channel_names", backup.physical_channel_names);
  v.Field("format", backup.format);
  VisitGaps(v, backup);
  v.HeaderOnly("manifest_sha256", backup.manifest_sha256);
}

}  // namespace milvus_backup::meta
