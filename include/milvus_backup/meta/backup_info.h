/// What a backup directory says about itself: plain data that mirrors the JSON messages of the meta
/// files, member by member (docs/format.md). Zero, empty and none mean "absent in the file". No
/// behaviour and no locks: one object may not be used from two threads while one of them writes.
#pragma once

#include "milvus_backup/meta/log_list.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::meta {

/// Partition id of an L0 segment whose deletes apply to every partition of its collection.
inline constexpr int64_t kAllPartitions = -1;
inline constexpr char kDefaultDatabase[] = "default";
/// BackupInfo::format of a directory that holds files written by Milvus itself.
inline constexpr char kSnapshotFormat[] = "snapshot";

struct KeyValue {
  std::string key{};
  std::string value{};
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

/// Progress that writers up to 0.5.9 left in the file; kept so that such a file is written back
/// unchanged. Current writers leave it out.
struct TaskRecord {
  /// Of a collection; a backup has its own BackupInfo::state_code.
  int32_t state_code = 0;
  std::string error_message{};
  /// Unix time, in seconds or milliseconds depending on the writer.
  int64_t start_time = 0;
  int64_t end_time = 0;
  /// Percent.
  int32_t progress = 0;
  /// Bytes under `meta/`; of a backup only.
  int64_t meta_size = 0;
  friend bool operator==(const TaskRecord&, const TaskRecord&) = default;
};

struct SegmentBackup {
  int64_t segment_id = 0;
  int64_t collection_id = 0;
  /// kAllPartitions for an L0 segment of the whole collection.
  int64_t partition_id = 0;
  int64_t num_of_rows = 0;
  LogList binlogs{};
  /// Only in old files; never restored.
  LogList statslogs{};
  /// Files list a segment without deletes as absent, `[]` or one entry without logs.
  LogList deltalogs{};
  /// Bytes of insert and delta logs.
  int64_t size = 0;
  /// Directory level above the segment: the segment id since 0.4.5, a small number shared by
  /// several segments in 0.3 to 0.4.4, 0 (no such level) before and for kAllPartitions.
  int64_t group_id = 0;
  /// Only in old files.
  bool backuped = false;
  bool is_l0 = false;
  /// Virtual channel; empty when the server did not tell.
  std::string v_channel{};
  /// 0 or 1: a file per field, 2: a file per column group.
  int64_t storage_version = 0;
  friend bool operator==(const SegmentBackup&, const SegmentBackup&) = default;
};

struct PartitionBackup {
  int64_t partition_id = 0;
  std::string partition_name{};
  int64_t collection_id = 0;
  std::vector<SegmentBackup> segment_backups{};
  /// Bytes, sum of the segments.
  int64_t size = 0;
  /// `NotLoad`, `Loading`, `Loaded`, in old files also `NotExist`; may be empty.
  std::string load_state{};
  friend bool operator==(const PartitionBackup&, const PartitionBackup&) = default;
};

struct FieldSchema {
  int64_t field_id = 0;
  std::string name{};
  bool is_primary_key = false;
  std::string description{};
  /// schema.DataType.
  int32_t data_type = 0;
  std::vector<KeyValue> type_params{};
  std::vector<KeyValue> index_params{};
  bool auto_id = false;
  /// Never set by a known writer.
  int32_t state = 0;
  /// schema.DataType of an array's elements.
  int32_t element_type = 0;
  bool is_dynamic = false;
  bool is_partition_key = false;
  bool nullable = false;
  /// Before 0.5.7: serialized schema.ValueField put into a JSON string, so bytes that are no UTF-8
  /// were lost by the writer.
  std::string default_value_proto{};
  bool is_function_output = false;
  /// Base64 of the serialized schema.ValueField.
  std::string default_value_base64{};
  friend bool operator==(const FieldSchema&, const FieldSchema&) = default;
};

struct FunctionSchema {
  std::string name{};
  int64_t id = 0;
  std::string description{};
  /// schema.FunctionType.
  int32_t type = 0;
  std::vector<std::string> input_field_names{};
  std::vector<int64_t> input_field_ids{};
  std::vector<std::string> output_field_names{};
  std::vector<int64_t> output_field_ids{};
  std::vector<KeyValue> params{};
  friend bool operator==(const FunctionSchema&, const FunctionSchema&) = default;
};

struct StructArrayField {
  int64_t field_id = 0;
  std::string name{};
  std::string description{};
  std::vector<FieldSchema> fields{};
  friend bool operator==(const StructArrayField&, const StructArrayField&) = default;
};

struct CollectionSchema {
  std::string name{};
  std::string description{};
  bool auto_id = false;
  std::vector<FieldSchema> fields{};
  bool enable_dynamic_field = false;
  std::vector<KeyValue> properties{};
  std::vector<FunctionSchema> functions{};
  std::vector<StructArrayField> struct_array_fields{};
  friend bool operator==(const CollectionSchema&, const CollectionSchema&) = default;
};

struct IndexInfo {
  std::string field_name{};
  std::string index_name{};
  /// `params["index_type"]`; empty for an index that Milvus chose.
  std::string index_type{};
  std::map<std::string, std::string> params{};
  int64_t index_id = 0;
  /// From here on only with `--backup_index_extra`.
  int64_t field_id = 0;
  uint64_t create_time = 0;
  std::vector<KeyValue> type_params{};
  std::vector<KeyValue> index_params{};
  std::vector<KeyValue> user_index_params{};
  bool is_auto_index = false;
  int32_t min_index_version = 0;
  int32_t max_index_version = 0;
  friend bool operator==(const IndexInfo&, const IndexInfo&) = default;
};

/// Where the files of a collection are in a backup of the snapshot format.
struct SnapshotBackup {
  /// Relative to the backup directory.
  std::string metadata_path{};
  int64_t total_files = 0;
  int64_t total_bytes = 0;
  friend bool operator==(const SnapshotBackup&, const SnapshotBackup&) = default;
};

struct CollectionBackup {
  /// Id of the task that made the backup.
  std::string id{};
  std::optional<TaskRecord> task{};
  int64_t collection_id = 0;
  std::string db_name{};
  std::string collection_name{};
  CollectionSchema schema{};
  int32_t shards_num = 0;
  /// 0 Strong, 1 Session, 2 Bounded, 3 Eventually, 4 Customized.
  int32_t consistency_level = 0;
  std::vector<PartitionBackup> partition_backups{};
  /// Hybrid timestamp: the latest channel checkpoint after the flush; 0 on servers without them.
  uint64_t backup_timestamp = 0;
  /// Bytes, sum of the partitions and of the collection's L0 segments.
  int64_t size = 0;
  bool has_index = false;
  std::vector<IndexInfo> index_infos{};
  /// As PartitionBackup::load_state.
  std::string load_state{};
  /// Unix seconds at which the server sealed the segments.
  uint64_t backup_physical_timestamp = 0;
  /// Virtual channel → base64 of the serialized msg.MsgPosition.
  std::map<std::string, std::string> channel_checkpoints{};
  /// Segments of kAllPartitions.
  std::vector<SegmentBackup> l0_segments{};
  std::vector<KeyValue> properties{};
  int64_t db_id = 0;
  /// Hybrid timestamp.
  uint64_t created_timestamp = 0;
  std::vector<std::string> virtual_channel_names{};
  std::vector<std::string> physical_channel_names{};
  std::vector<std::string> aliases{};
  std::optional<SnapshotBackup> snapshot_backup{};
  friend bool operator==(const CollectionBackup&, const CollectionBackup&) = default;
};

struct DatabaseBackup {
  std::string db_name{};
  int64_t db_id = 0;
  std::vector<KeyValue> properties{};
  /// Root key of an encrypted database, itself encrypted.
  std::string ezk{};
  friend bool operator==(const DatabaseBackup&, const DatabaseBackup&) = default;
};

/// A user, role, object or privilege that is known by its name alone.
struct RbacName {
  std::string name{};
  friend bool operator==(const RbacName&, const RbacName&) = default;
};

struct RbacUser {
  std::string user{};
  /// Already hashed by Milvus. Secret all the same: never log it.
  std::string password{};
  std::vector<RbacName> roles{};
  friend bool operator==(const RbacUser&, const RbacUser&) = default;
};

struct RbacGrantor {
  RbacName user{};
  RbacName privilege{};
  friend bool operator==(const RbacGrantor&, const RbacGrantor&) = default;
};

struct RbacGrant {
  RbacName role{};
  /// Kind of the object, such as `Collection`.
  RbacName object{};
  std::string object_name{};
  RbacGrantor grantor{};
  std::string db_name{};
  friend bool operator==(const RbacGrant&, const RbacGrant&) = default;
};

struct RbacPrivilegeGroup {
  std::string group_name{};
  std::vector<RbacName> privileges{};
  friend bool operator==(const RbacPrivilegeGroup&, const RbacPrivilegeGroup&) = default;
};

struct RbacMeta {
  std::vector<RbacUser> users{};
  std::vector<RbacName> roles{};
  std::vector<RbacGrant> grants{};
  std::vector<RbacPrivilegeGroup> privilege_groups{};
  friend bool operator==(const RbacMeta&, const RbacMeta&) = default;
};

/// Replication channel of the cluster.
struct RpcChannelInfo {
  std::string name{};
  std::string position{};
  friend bool operator==(const RpcChannelInfo&, const RpcChannelInfo&) = default;
};

struct BackupInfo {
  /// Id of the task that made the backup.
  std::string id{};
  /// 0 in current backups; 0.4 wrote 2 for success, 0.5.9 left 1.
  int32_t state_code = 0;
  std::optional<TaskRecord> task{};
  std::string name{};
  uint64_t backup_timestamp = 0;
  std::vector<CollectionBackup> collection_backups{};
  /// Bytes, sum of the collections.
  int64_t size = 0;
  /// As the server reported it, such as `v2.3.5`.
  std::string milvus_version{};
  std::optional<RbacMeta> rbac_meta{};
  std::optional<RpcChannelInfo> rpc_channel_info{};
  std::vector<DatabaseBackup> database_backups{};
  /// Physical channel → base64 of a serialized message.
  std::map<std::string, std::string> flush_all_msgs_base64{};
  std::string control_channel_name{};
  std::vector<std::string> physical_channel_names{};
  /// Empty: binlogs under `binlogs/`. kSnapshotFormat: files under `bundle/`.
  std::string format{};
  /// Collections that were asked for are missing: those of `failed_collections`, as
  /// `database.collection`.
  bool partial = false;
  std::vector<std::string> failed_collections{};
  /// SHA-256 of the manifest's index, lower-case hex; empty without a manifest. In backup_meta.json
  /// only, for the manifest lists the others.
  std::string manifest_sha256{};
  friend bool operator==(const BackupInfo&, const BackupInfo&) = default;
};

}  // namespace milvus_backup::meta
