#include "sample_backup.h"

#include "support/test_paths.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace milvus_backup::meta::testing {
namespace {

FieldSchema FullField() {
  return {
      .field_id = 101,
      .name = "tag",
      .is_primary_key = true,
      .description = "<b> & \"c\"\\ \t\n\r\b\f\x01\x7f ü \xE2\x80\xA8\xE2\x80\xA9 \xF0\x9F\x98\x80",
      .data_type = 22,
      .type_params = {{"max_length", "64"}, {"max_capacity", "8"}},
      .index_params = {{"a", "b"}},
      .auto_id = true,
      .state = 1,
      .element_type = 21,
      .is_dynamic = true,
      .is_partition_key = true,
      .nullable = true,
      // Bytes that are no UTF-8: a lone byte, an overlong form, a surrogate, a cut sequence.
      .default_value_proto = "2\x03\xFFz\xC0\x80\xED\xA0\x80\xE2\x82",
      .is_function_output = true,
      .default_value_base64 = "MgNhYmM="};
}

CollectionSchema FullSchema() {
  CollectionSchema schema;
  schema.name = "hello";
  schema.description = "d";
  schema.auto_id = true;
  schema.fields = {{.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5},
                   FullField()};
  schema.enable_dynamic_field = true;
  schema.properties = {{"timezone", "UTC"}};
  schema.functions = {{.name = "bm25",
                       .id = 9,
                       .description = "fd",
                       .type = 1,
                       .input_field_names = {"tag"},
                       .input_field_ids = {101},
                       .output_field_names = {"sparse"},
                       .output_field_ids = {103},
                       .params = {{"k1", "1.2"}}}};
  schema.struct_array_fields = {
      {.field_id = 110,
       .name = "clips",
       .description = "sd",
       .fields = {{.field_id = 111, .name = "v", .data_type = 106, .element_type = 101}}}};
  return schema;
}

SegmentBackup DataSegment() {
  return {.segment_id = 449580,
          .collection_id = 449577,
          .partition_id = 449578,
          .num_of_rows = 3000,
          .binlogs = {{.field_id = 0,
                       .binlogs = {{.log_path = "files/insert_log/449577/449578/449580/0/449590",
                                    .log_size = 24000,
                                    .log_id = 449590}}},
                      {.field_id = 100,
                       .binlogs = {{.entries_num = 1,
                                    .timestamp_from = 2,
                                    .timestamp_to = 18446744073709551615U,
                                    .log_path = "p",
                                    .log_size = 0,
                                    .log_id = 9223372036854775807}}}},
          .statslogs = {{.field_id = 100, .binlogs = {{.log_path = "s", .log_size = 1}}}},
          .deltalogs = {{}},
          .size = 24000,
          .group_id = 449580,
          .backuped = true,
          .is_l0 = false,
          .v_channel = "ch_0",
          .storage_version = 2};
}

SegmentBackup L0Segment() {
  return {.segment_id = 449610,
          .collection_id = 449577,
          .partition_id = kAllPartitions,
          .deltalogs = {{.binlogs = {{.log_path = "files/delta_log/449577/-1/449610/449611",
                                      .log_size = 433,
                                      .log_id = 449611}}}},
          .size = 433,
          .is_l0 = true,
          .v_channel = "ch_0"};
}

IndexInfo FullIndex() {
  return {.field_name = "vec",
          .index_name = "vec_idx",
          .index_type = "HNSW",
          .params = {{"params", "{\"M\":8}"}, {"metric_type", "L2"}, {"index_type", "HNSW"}},
          .index_id = 449700,
          .field_id = 102,
          .create_time = 450123456789012345U,
          .type_params = {{"dim", "8"}},
          .index_params = {{"index_type", "HNSW"}},
          .user_index_params = {{"M", "8"}},
          .is_auto_index = true,
          .min_index_version = 1,
          .max_index_version = 7};
}

CollectionBackup FullCollection() {
  CollectionBackup collection;
  collection.id = "task";
  collection.task = TaskRecord{
      .state_code = 2, .error_message = "ce", .start_time = 5, .end_time = 6, .progress = 100};
  collection.collection_id = 449577;
  collection.db_name = "db";
  collection.collection_name = "hello";
  collection.schema = FullSchema();
  collection.shards_num = 1;
  collection.consistency_level = 2;
  collection.partition_backups = {{.partition_id = 449578,
                                   .partition_name = "_default",
                                   .collection_id = 449577,
                                   .segment_backups = {DataSegment()},
                                   .size = 24000,
                                   .load_state = "Loaded"}};
  collection.backup_timestamp = 450123456789012345U;
  collection.size = 24433;
  collection.has_index = true;
  collection.index_infos = {FullIndex(), {.field_name = "tag", .index_name = "tag"}};
  collection.load_state = "Loaded";
  collection.backup_physical_timestamp = 1717000000;
  collection.channel_checkpoints = {{"ch_1", "Q0g="}, {"ch_0", "Q2g="}};
  collection.l0_segments = {L0Segment()};
  collection.properties = {{"collection.ttl.seconds", "60"}};
  collection.db_id = 1;
  collection.created_timestamp = 450100000000000000U;
  collection.virtual_channel_names = {"ch_0", "ch_1"};
  collection.physical_channel_names = {"ch"};
  collection.aliases = {"al"};
  collection.snapshot_backup =
      SnapshotBackup{.metadata_path = "bundle/x.avro", .total_files = 3, .total_bytes = 99};
  return collection;
}

RbacMeta FullRbac() {
  return {.users = {{.user = "u", .password = "$2a$10$x", .roles = {{"r"}}}},
          .roles = {{"r"}},
          .grants = {{.role = {"r"},
                      .object = {"Collection"},
                      .object_name = "*",
                      .grantor = {.user = {"root"}, .privilege = {"Search"}},
                      .db_name = "default"},
                     {}},
          .privilege_groups = {{.group_name = "g", .privileges = {{"Query"}, {"Search"}}}}};
}

}  // namespace

BackupInfo SampleBackup() {
  BackupInfo info;
  info.id = "task";
  info.state_code = 2;
  info.task = TaskRecord{
      .error_message = "be", .start_time = 3, .end_time = 4, .progress = 100, .meta_size = 12};
  info.name = "demo";
  info.backup_timestamp = 450123456789012346U;
  CollectionBackup empty;
  empty.collection_id = 449590;
  empty.collection_name = "empty";
  info.collection_backups = {FullCollection(), empty};
  info.size = 24433;
  info.milvus_version = "v2.5.20";
  info.rbac_meta = FullRbac();
  info.rpc_channel_info = RpcChannelInfo{.name = "by-dev-replicate-msg", .position = "AQ=="};
  info.database_backups = {
      {.db_name = "db", .db_id = 7, .properties = {{"database.replica.number", "1"}}, .ezk = "key"},
      {.db_name = "default"}};
  info.flush_all_msgs_base64 = {{"p1", "bXNn"}, {"p0", "bQ=="}};
  info.control_channel_name = "p0_vcchan";
  info.physical_channel_names = {"p0", "p1"};
  info.format = "snapshot";
  info.partial = true;
  info.failed_collections = {"db.gone", "default.torn"};
  return info;
}

std::string ReadTestFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string GoldenMeta(const std::string& name) {
  std::string text = ReadTestFile(milvus_backup::testing::GoldenDir() + "/meta/" + name);
  // Only the pretty form has line ends of its own; editors add one at the end.
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace milvus_backup::meta::testing
