/// Milvus' own objects as plain data, free of protobuf: schema, index, segment, import. Names and
/// meanings follow the Milvus API; numbers of enumerations are the API's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::milvus {

struct KeyValue {
  std::string key;
  std::string value;
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

/// schema.DataType
namespace data_type {
inline constexpr int32_t kBool = 1;
inline constexpr int32_t kInt8 = 2;
inline constexpr int32_t kInt16 = 3;
inline constexpr int32_t kInt32 = 4;
inline constexpr int32_t kInt64 = 5;
inline constexpr int32_t kFloat = 10;
inline constexpr int32_t kDouble = 11;
inline constexpr int32_t kString = 20;
inline constexpr int32_t kVarChar = 21;
inline constexpr int32_t kArray = 22;
inline constexpr int32_t kJson = 23;
inline constexpr int32_t kBinaryVector = 100;
inline constexpr int32_t kFloatVector = 101;
inline constexpr int32_t kFloat16Vector = 102;
inline constexpr int32_t kBFloat16Vector = 103;
inline constexpr int32_t kSparseFloatVector = 104;
inline constexpr int32_t kInt8Vector = 105;
inline constexpr int32_t kArrayOfVector = 106;
/// True for every vector type, including array of vector.
constexpr bool IsVector(int32_t type) { return type >= kBinaryVector && type <= kArrayOfVector; }
}  // namespace data_type

struct FieldSchema {
  int64_t field_id = 0;
  std::string name;
  bool is_primary_key = false;
  std::string description;
  int32_t data_type = 0;
  std::vector<KeyValue> type_params;
  std::vector<KeyValue> index_params;
  bool auto_id = false;
  int32_t element_type = 0;
  bool is_dynamic = false;
  bool is_partition_key = false;
  bool is_clustering_key = false;
  bool nullable = false;
  bool is_function_output = false;
  /// Serialized schema.ValueField; none when the field has no default.
  std::optional<std::string> default_value;
  friend bool operator==(const FieldSchema&, const FieldSchema&) = default;
};

struct FunctionSchema {
  std::string name;
  int64_t id = 0;
  std::string description;
  int32_t type = 0;
  std::vector<std::string> input_field_names;
  std::vector<int64_t> input_field_ids;
  std::vector<std::string> output_field_names;
  std::vector<int64_t> output_field_ids;
  std::vector<KeyValue> params;
  friend bool operator==(const FunctionSchema&, const FunctionSchema&) = default;
};

struct StructArrayFieldSchema {
  int64_t field_id = 0;
  std::string name;
  std::string description;
  std::vector<FieldSchema> fields;
  friend bool operator==(const StructArrayFieldSchema&, const StructArrayFieldSchema&) = default;
};

struct CollectionSchema {
  std::string name;
  std::string description;
  bool auto_id = false;
  std::vector<FieldSchema> fields;
  bool enable_dynamic_field = false;
  std::vector<KeyValue> properties;
  std::vector<FunctionSchema> functions;
  std::vector<StructArrayFieldSchema> struct_array_fields;
  friend bool operator==(const CollectionSchema&, const CollectionSchema&) = default;
};

/// Reply of DescribeCollection.
struct Collection {
  int64_t id = 0;
  int64_t db_id = 0;
  std::string db_name;
  CollectionSchema schema;
  int32_t shards_num = 0;
  int32_t consistency_level = 0;
  uint64_t created_timestamp = 0;
  std::vector<std::string> virtual_channel_names;
  std::vector<std::string> physical_channel_names;
  std::vector<std::string> aliases;
  std::vector<KeyValue> properties;
};

/// Reply of DescribeDatabase.
struct Database {
  int64_t id = 0;
  std::string name;
  std::vector<KeyValue> properties;
};

struct Partition {
  int64_t id = 0;
  std::string name;
};

struct Index {
  std::string field_name;
  std::string name;
  int64_t id = 0;
  std::vector<KeyValue> params;
};

struct FlushTicket {
  /// Segments whose flush has to be waited for.
  std::vector<int64_t> segment_ids;
  /// Hybrid timestamp up to which data is flushed; 0 on servers that do not tell.
  uint64_t flush_ts = 0;
  /// Unix seconds at which the server sealed the segments.
  int64_t seal_time = 0;
  /// Virtual channel → serialized msg.MsgPosition; empty before Milvus 2.4.
  std::map<std::string, std::string> channel_checkpoints;
  /// The latest timestamp of those positions, hybrid; 0 without them.
  uint64_t checkpoint_timestamp = 0;
};

/// What a flush of the whole server has to wait for, by physical channel.
struct FlushAllTicket {
  /// Serialized common.ImmutableMessage.
  std::map<std::string, std::string> messages;
  /// Hybrid timestamps up to which data is flushed.
  std::map<std::string, uint64_t> timestamps;
  std::string control_channel;
  std::vector<std::string> physical_channels;
};

struct Segment {
  int64_t id = 0;
  int64_t collection_id = 0;
  int64_t partition_id = 0;
  int64_t num_rows = 0;
  int32_t state = 0;
  /// 1 means L0: only deletes.
  int32_t level = 0;
  int64_t storage_version = 0;
};

/// common.ImportState
enum class ImportState {
  kPending = 0,
  kFailed = 1,
  kStarted = 2,
  kPersisted = 5,
  kCompleted = 6,
  kFailedAndCleaned = 7,
  kFlushed = 8
};

struct ImportTask {
  int64_t id = 0;
  ImportState state = ImportState::kPending;
  int64_t row_count = 0;
  int64_t collection_id = 0;
  /// The server's own account: `failed_reason`, `progress_percent`, `files`, `collection`, …
  std::map<std::string, std::string> infos;
};

struct ImportRequest {
  std::string db_name;
  std::string collection_name;
  std::string partition_name;
  std::vector<std::string> files;
  std::vector<KeyValue> options;
};

/// common.LoadState, as GetLoadingProgress percentages express it.
enum class LoadState { kNotLoad, kLoading, kLoaded };

struct CreateCollectionRequest {
  std::string db_name;
  /// `schema.name` is the collection's name; the dynamic field is never part of `fields`.
  CollectionSchema schema;
  int32_t shards_num = 1;
  int32_t consistency_level = 0;
  std::vector<KeyValue> properties;
  /// Only for a collection with a partition key; 0 otherwise.
  int64_t num_partitions = 0;
};

/// Which rows to read of which fields.
struct QueryRequest {
  std::string db_name;
  std::string collection_name;
  /// Which rows, as Milvus writes conditions. Without one there must be a limit, unless rows are
  /// counted.
  std::string expr;
  /// Fields by name, `$meta` for the dynamic one; or `count(*)` alone.
  std::vector<std::string> output_fields;
  /// All of them when empty.
  std::vector<std::string> partition_names;
  /// Hybrid. What was written until then is seen. What was written later is not seen by servers
  /// that pin iterators (2.4 and newer); 2.3 shows what it has got by the time of the call. 0:
  /// everything that was written before the call is seen.
  uint64_t guarantee_timestamp = 0;
  /// When not 0, the rows with the smallest primary keys, in the order of those: at least one where
  /// there is any, about as many as the limit, and no row is left out below the last one. At most
  /// 16384 (quotaAndLimits.limits.maxQueryResultWindow).
  int64_t limit = 0;
};

/// The values of one field in some rows, as they lie in the logs of a segment: what a query found,
/// or what is to be inserted.
struct Column {
  std::string field_name;
  /// schema.DataType.
  int32_t data_type = 0;
  /// schema.DataType of the elements of arrays.
  int32_t element_type = 0;
  /// The field of the dynamic columns, whose name servers may leave out.
  bool is_dynamic = false;
  size_t rows = 0;
  /// Bytes of a value in `fixed`; 0 where values are texts.
  size_t width = 0;
  /// Numbers and dense vectors one after the other, little endian: Bool has 1 byte, Int8 to Int32
  /// have 4. Nulls are zeros.
  std::string fixed;
  /// VarChar, JSON, serialized arrays, sparse vectors. Nulls are empty, and so are arrays without
  /// elements where a server says so.
  std::vector<std::string> texts;
  /// 1 for every null; empty when there is none.
  std::vector<uint8_t> nulls;
};

/// Rows to be inserted, or to take the place of those with the same primary keys.
struct InsertRequest {
  std::string db_name;
  std::string collection_name;
  /// Empty for the default one, and for a collection with a partition key.
  std::string partition_name;
  /// Of the same rows, one for every field but an automatic primary key.
  std::vector<Column> columns;
};

struct RbacUser {
  std::string name;
  /// Hashed by Milvus. Secret all the same: never log it.
  std::string password_hash;
  std::vector<std::string> roles;
  friend bool operator==(const RbacUser&, const RbacUser&) = default;
};

struct RbacGrant {
  std::string role;
  /// Kind of the object, such as `Collection`.
  std::string object;
  std::string object_name;
  /// Who granted it.
  std::string user;
  std::string privilege;
  std::string db_name;
  friend bool operator==(const RbacGrant&, const RbacGrant&) = default;
};

struct RbacPrivilegeGroup {
  std::string name;
  std::vector<std::string> privileges;
  friend bool operator==(const RbacPrivilegeGroup&, const RbacPrivilegeGroup&) = default;
};

/// Reply of BackupRBAC: users, roles and what they may do.
struct Rbac {
  std::vector<RbacUser> users;
  std::vector<std::string> roles;
  std::vector<RbacGrant> grants;
  std::vector<RbacPrivilegeGroup> privilege_groups;
  bool empty() const {
    return users.empty() && roles.empty() && grants.empty() && privilege_groups.empty();
  }
  friend bool operator==(const Rbac&, const Rbac&) = default;
};

}  // namespace milvus_backup::milvus
