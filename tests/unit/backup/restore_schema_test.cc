#include "backup/restore_schema.h"

#include "support/status_matchers.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::IsError;

meta::CollectionBackup Backup() {
  meta::CollectionBackup backup{.collection_name = "coll", .shards_num = 2, .consistency_level = 2};
  backup.schema.fields = {
      {.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5, .auto_id = true},
      {.field_id = 101,
       .name = "v",
       .data_type = 101,
       .type_params = {{"dim", "4"}},
       .index_params = {{"a", "b"}}},
      {.field_id = 102,
       .name = "tag",
       .data_type = 21,
       .type_params = {{"max_length", "16"}, {"mmap.enabled", "true"}}}};
  backup.partition_backups = {{.partition_name = "_default"}, {.partition_name = "p2"}};
  backup.index_infos = {
      {.field_name = "tag", .index_name = "/a/b", .params = {{"index_type", "marisa-trie"}}},
      {.field_name = "v",
       .index_name = "v_idx",
       .params = {{"index_type", "HNSW"}, {"metric_type", "IP"}, {"params", "{\"M\":8}"}}}};
  return backup;
}

milvus::CreateCollectionRequest Request(const meta::CollectionBackup& backup,
                                        const RestoreOptions& options = {}) {
  auto request = ToCreateRequest(
      {.source = {"default", "coll"}, .target = {"shop", "coll_x"}, .backup = &backup}, options);
  EXPECT_OK(request);
  return *request;
}

TEST(RestoreSchemaTest, CreateRequestKeepsTheSchema) {
  meta::CollectionBackup backup = Backup();
  backup.schema.enable_dynamic_field = true;
  backup.schema.fields[2].is_partition_key = true;
  backup.schema.fields[2].default_value_base64 = "MgNhYmM=";
  backup.schema.fields.push_back({.field_id = 103, .name = "$meta", .is_dynamic = true});
  backup.properties = {{"collection.ttl.seconds", "60"}};
  const milvus::CreateCollectionRequest request = Request(backup);
  EXPECT_EQ(request.db_name, "shop");
  EXPECT_EQ(request.schema.name, "coll_x");
  EXPECT_EQ(request.shards_num, 2);
  EXPECT_EQ(request.consistency_level, 2);
  EXPECT_EQ(request.num_partitions, 2);
  EXPECT_EQ(request.properties, (std::vector<milvus::KeyValue>{{"collection.ttl.seconds", "60"}}));
  ASSERT_EQ(request.schema.fields.size(), 3U);
  EXPECT_TRUE(request.schema.fields[0].auto_id);
  EXPECT_EQ(request.schema.fields[2].default_value,
            "2\x03"
            "abc");
  EXPECT_TRUE(request.schema.enable_dynamic_field);
}

TEST(RestoreSchemaTest, PropertiesOfTheSchemaWin) {
  meta::CollectionBackup backup = Backup();
  backup.properties = {{"collection.ttl.seconds", "60"}};
  backup.schema.properties = {{"collection.ttl.seconds", "70"}, {"mmap.enabled", "true"}};
  EXPECT_EQ(Request(backup).properties.size(), 2U);
  RestoreOptions options;
  options.skip_params.collection_properties = {"collection.ttl.seconds"};
  EXPECT_EQ(Request(backup, options).properties,
            (std::vector<milvus::KeyValue>{{"mmap.enabled", "true"}}));
}

TEST(RestoreSchemaTest, ShardsAreCapped) {
  meta::CollectionBackup backup = Backup();
  EXPECT_EQ(Request(backup, {.max_shard_num = 1}).shards_num, 1);
  EXPECT_EQ(Request(backup, {.max_shard_num = 5}).shards_num, 2);
}

TEST(RestoreSchemaTest, SkippedParametersAreLeftOut) {
  RestoreOptions options;
  options.skip_params = {.field_index_params = {"a"},
                         .field_type_params = {"mmap.enabled"},
                         .index_params = {"params"}};
  const meta::CollectionBackup backup = Backup();
  const milvus::CreateCollectionRequest request = Request(backup, options);
  EXPECT_TRUE(request.schema.fields[1].index_params.empty());
  EXPECT_EQ(request.schema.fields[2].type_params,
            (std::vector<milvus::KeyValue>{{"max_length", "16"}}));
  EXPECT_EQ(IndexesToBuild(backup, options)[0].params,
            (std::vector<milvus::KeyValue>{{"index_type", "HNSW"}, {"metric_type", "IP"}}));
}

TEST(RestoreSchemaTest, VectorIndexesComeFirst) {
  const std::vector<milvus::Index> indexes = IndexesToBuild(Backup(), {});
  ASSERT_EQ(indexes.size(), 2U);
  EXPECT_EQ(indexes[0].field_name, "v");
  EXPECT_EQ(indexes[0].name, "v_idx");
  EXPECT_EQ(indexes[1].name, "") << "Milvus takes no slashes";
  EXPECT_EQ(indexes[1].params, (std::vector<milvus::KeyValue>{{"index_type", "Trie"}}));
}

TEST(RestoreSchemaTest, AutoIndexKeepsTheMetric) {
  const std::vector<milvus::Index> indexes = IndexesToBuild(Backup(), {.use_auto_index = true});
  EXPECT_EQ(indexes[0].params,
            (std::vector<milvus::KeyValue>{{"index_type", "AUTOINDEX"}, {"metric_type", "IP"}}));
  EXPECT_EQ(indexes[1].params, (std::vector<milvus::KeyValue>{{"index_type", "Trie"}}));
}

TEST(RestoreSchemaTest, SameOrRoomierSchemaFits) {
  const milvus::CollectionSchema wanted = Request(Backup()).schema;
  milvus::CollectionSchema existing = wanted;
  EXPECT_OK(CheckSchemaFits(wanted, existing));
  existing.fields[2].type_params = {{"max_length", "32"}};
  existing.fields.push_back({.field_id = 103, .name = "$meta", .is_dynamic = true});
  EXPECT_OK(CheckSchemaFits(wanted, existing));
}

TEST(RestoreSchemaTest, EveryDifferenceIsNamed) {
  using Schema = milvus::CollectionSchema;
  struct Case {
    std::string text;
    std::function<void(Schema&)> change;
  };
  const std::vector<Case> cases = {
      {"name of field 'id' is id in the backup and pk in the collection",
       [](Schema& s) { s.fields[0].name = "pk"; }},
      {"id of field 'v' is 101 in the backup and 105",
       [](Schema& s) { s.fields[1].field_id = 105; }},
      {"data type of field 'v'", [](Schema& s) { s.fields[1].data_type = 100; }},
      {"primary key of field 'id'", [](Schema& s) { s.fields[0].is_primary_key = false; }},
      {"partition key of field 'tag'", [](Schema& s) { s.fields[2].is_partition_key = true; }},
      {"autoID of field 'id'", [](Schema& s) { s.fields[0].auto_id = false; }},
      {"nullable of field 'tag'", [](Schema& s) { s.fields[2].nullable = true; }},
      {"dim of field 'v' is 4 in the backup and 8",
       [](Schema& s) {
         s.fields[1].type_params = {{"dim", "8"}};
       }},
      {"max_length of field 'tag' is 16 in the backup and 8",
       [](Schema& s) {
         s.fields[2].type_params = {{"max_length", "8"}};
       }},
      {"the number of fields is 3 in the backup and 2", [](Schema& s) { s.fields.pop_back(); }},
      {"the dynamic field is disabled", [](Schema& s) { s.enable_dynamic_field = true; }},
  };
  const Schema wanted = Request(Backup()).schema;
  for (const Case& each : cases) {
    Schema existing = wanted;
    each.change(existing);
    EXPECT_THAT(CheckSchemaFits(wanted, existing), IsError(Code::kFailedPrecondition, each.text));
  }
}

// Such a server refuses it without saying of which field, or makes a collection without it.
TEST(RestoreSchemaTest, WhatTheServerDoesNotKnowIsRefused) {
  struct Case {
    std::function<void(milvus::CollectionSchema&)> change;
    std::string text;
    /// The newest server that does not know it, and the oldest that may.
    std::string lacks;
    std::string has;
  };
  const std::vector<Case> cases = {
      {[](auto& s) { s.fields[2].data_type = 23; }, "'tag' holds JSON", "v2.2.8", "v2.2.9"},
      {[](auto& s) { s.fields[2].is_partition_key = true; }, "'tag' is a partition key", "v2.2.8",
       "v2.2.9"},
      {[](auto& s) { s.enable_dynamic_field = true; }, "a dynamic field", "v2.2.8", "v2.2.9"},
      {[](auto& s) { s.fields[2].data_type = 22; }, "'tag' holds arrays", "v2.2.16-lite", "v2.3.0"},
      {[](auto& s) { s.fields[1].data_type = 103; }, "'v' holds vectors of a newer kind", "v2.3.22",
       "v2.4.0"},
      {[](auto& s) { s.fields[1].data_type = 104; }, "'v' holds vectors of a newer kind", "v2.3.22",
       "v2.4.0"},
      {[](auto& s) { s.fields[1].data_type = 102; }, "'v' holds vectors of a newer kind",
       "v2.2.16-lite", "v2.3.0"},
      {[](auto& s) { s.fields[1].data_type = 105; }, "'v' holds vectors of a newer kind", "v2.4.23",
       "v2.5.0"},
      {[](auto& s) { s.fields[2].data_type = 24; }, "'tag' holds values of a newer kind", "v2.5.20",
       "v2.6.0"},
      {[](auto& s) { s.fields[2].nullable = true; }, "'tag' is nullable", "v2.4.23", "v2.5.0"},
      {[](auto& s) { s.fields[1].is_function_output = true; }, "'v' is made by a function",
       "v2.4.23", "v2.5.0"},
      {[](auto& s) { s.functions = {{.name = "bm25"}}; }, "has the function 'bm25'", "v2.4.23",
       "v2.5.0"},
  };
  const milvus::CollectionSchema plain = Request(Backup()).schema;
  EXPECT_OK(CheckServerKnows(plain, "v2.2.0"));
  for (const Case& each : cases) {
    milvus::CollectionSchema schema = plain;
    each.change(schema);
    EXPECT_THAT(CheckServerKnows(schema, each.lacks), IsError(Code::kUnimplemented, each.text));
    EXPECT_THAT(CheckServerKnows(schema, each.lacks),
                IsError(Code::kUnimplemented, "which Milvus " + each.lacks + " does not know"));
    EXPECT_OK(CheckServerKnows(schema, each.has));
    EXPECT_OK(CheckServerKnows(schema, "unknown"));
  }
}

// What a server makes of flags that it does not know.
TEST(RestoreSchemaTest, FlagsThatTheServerPassedOverAreNoticed) {
  const milvus::CollectionSchema plain = Request(Backup()).schema;
  milvus::CollectionSchema wanted = plain;
  EXPECT_OK(CheckMadeAsAsked(wanted, plain, "unknown"));
  wanted.fields[2].nullable = true;
  EXPECT_OK(CheckMadeAsAsked(wanted, wanted, "unknown"));
  EXPECT_OK(CheckMadeAsAsked(plain, wanted, "unknown"))
      << "more than was asked for takes every row";
  EXPECT_THAT(CheckMadeAsAsked(wanted, plain, "unknown"),
              IsError(Code::kUnimplemented,
                      "field 'tag' is nullable, which Milvus unknown did not take over"));
  wanted = plain;
  wanted.fields[1].is_function_output = true;
  EXPECT_THAT(CheckMadeAsAsked(wanted, plain, "unknown"),
              IsError(Code::kUnimplemented, "field 'v' is made by a function"));
}

TEST(RestoreSchemaTest, OnlyMissingIndexesAreBuilt) {
  const std::vector<milvus::Index> wanted = IndexesToBuild(Backup(), {});
  std::vector<milvus::Index> existing = {wanted[0]};
  std::swap(existing[0].params[0], existing[0].params[1]);
  ASSERT_OK_AND_ASSIGN(const auto missing, MissingIndexes(wanted, existing));
  ASSERT_EQ(missing.size(), 1U);
  EXPECT_EQ(missing[0].field_name, "tag");
  existing[0].params = {{"index_type", "FLAT"}};
  EXPECT_THAT(MissingIndexes(wanted, existing),
              IsError(Code::kFailedPrecondition, "field 'v' has another index, v_idx (FLAT)"));
}

TEST(RestoreSchemaTest, EveryVectorFieldNeedsAnIndexToLoad) {
  const milvus::CollectionSchema schema = Request(Backup()).schema;
  EXPECT_EQ(VectorFieldWithoutIndex(schema, {}), "v");
  EXPECT_EQ(VectorFieldWithoutIndex(schema, IndexesToBuild(Backup(), {})), "");
}

}  // namespace
}  // namespace milvus_backup::backup
