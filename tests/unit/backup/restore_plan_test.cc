#include "backup/restore_plan.h"

#include "support/status_matchers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::IsError;
using ::testing::ElementsAre;

constexpr int64_t kCollection = 7;

meta::SegmentBackup Segment(int64_t partition, int64_t id, int64_t rows, bool deletes,
                            int64_t group = -2) {
  meta::SegmentBackup segment{.segment_id = id,
                              .collection_id = kCollection,
                              .partition_id = partition,
                              .num_of_rows = rows,
                              .size = 100,
                              .group_id = group == -2 ? id : group};
  segment.binlogs = {{100, {{.log_size = 90, .log_id = id * 10}}}};
  if (deletes) segment.deltalogs = {{0, {{.log_size = 10, .log_id = id * 10 + 1}}}};
  return segment;
}

meta::BackupInfo Backup(std::vector<meta::SegmentBackup> segments) {
  meta::BackupInfo info{.name = "b"};
  meta::CollectionBackup collection{.collection_id = kCollection,
                                    .db_name = "default",
                                    .collection_name = "coll",
                                    .shards_num = 2};
  collection.schema.fields = {
      {.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5},
      {.field_id = 101, .name = "v", .data_type = 101, .type_params = {{"dim", "4"}}}};
  collection.partition_backups = {{.partition_id = 1, .partition_name = "_default"},
                                  {.partition_id = 2, .partition_name = "p2"}};
  for (meta::SegmentBackup& segment : segments) {
    collection.partition_backups[static_cast<size_t>(segment.partition_id - 1)]
        .segment_backups.push_back(std::move(segment));
  }
  info.collection_backups.push_back(std::move(collection));
  return info;
}

TEST(RestorePlanTest, OneUnitPerPartitionWhereTheServerWalks) {
  const meta::BackupInfo info =
      Backup({Segment(1, 11, 5, false), Segment(1, 12, 6, true), Segment(2, 21, 7, false)});
  ASSERT_OK_AND_ASSIGN(const auto plans, PlanRestore(info, {.name = "b", .suffix = "_bak"}, true));
  ASSERT_EQ(plans.size(), 1U);
  EXPECT_EQ(plans[0].target.ToString(), "default.coll_bak");
  ASSERT_EQ(plans[0].units.size(), 2U);
  EXPECT_EQ(plans[0].units[0].insert_dir, "binlogs/insert_log/7/1/");
  EXPECT_EQ(plans[0].units[0].delta_dir, "binlogs/delta_log/7/1/");
  EXPECT_EQ(plans[0].units[1].insert_dir, "binlogs/insert_log/7/2/");
  EXPECT_EQ(plans[0].units[1].delta_dir, "");
  EXPECT_EQ(plans[0].rows.at_most, 18);
  EXPECT_EQ(plans[0].rows.at_least, 12);
  EXPECT_FALSE(plans[0].rows.exact());
}

TEST(RestorePlanTest, OneUnitPerGroupOnNewerServers) {
  const meta::BackupInfo info = Backup({Segment(1, 11, 5, false), Segment(1, 12, 6, true)});
  ASSERT_OK_AND_ASSIGN(const auto plans, PlanRestore(info, {.name = "b"}, false));
  ASSERT_EQ(plans[0].units.size(), 2U);
  EXPECT_EQ(plans[0].units[0].insert_dir, "binlogs/insert_log/7/1/11/");
  EXPECT_EQ(plans[0].units[0].delta_dir, "");
  EXPECT_EQ(plans[0].units[1].insert_dir, "binlogs/insert_log/7/1/12/");
  EXPECT_EQ(plans[0].units[1].delta_dir, "binlogs/delta_log/7/1/12/");
}

TEST(RestorePlanTest, LargePartitionsAreCutAtGroups) {
  std::vector<meta::SegmentBackup> segments = {Segment(1, 11, 5, false), Segment(1, 12, 6, false)};
  segments[0].size = static_cast<int64_t>(2 * kGiB);
  ASSERT_OK_AND_ASSIGN(const auto plans, PlanRestore(Backup(segments), {.name = "b"}, true));
  EXPECT_EQ(plans[0].units.size(), 2U);
}

TEST(RestorePlanTest, SharedGroupIsImportedOnce) {
  const meta::BackupInfo info = Backup({Segment(1, 11, 5, false, 1), Segment(1, 12, 6, false, 1)});
  ASSERT_OK_AND_ASSIGN(const auto plans, PlanRestore(info, {.name = "b"}, false));
  ASSERT_EQ(plans[0].units.size(), 1U);
  EXPECT_EQ(plans[0].units[0].insert_dir, "binlogs/insert_log/7/1/1/");
}

TEST(RestorePlanTest, UngroupedBackupsImportWholePartitions) {
  const meta::BackupInfo info = Backup({Segment(1, 11, 5, false, 0), Segment(1, 12, 6, false, 0)});
  ASSERT_OK_AND_ASSIGN(const auto plans, PlanRestore(info, {.name = "b"}, false));
  ASSERT_EQ(plans[0].units.size(), 1U);
  EXPECT_EQ(plans[0].units[0].insert_dir, "binlogs/insert_log/7/1/");
}

TEST(RestorePlanTest, FilesAreSortedByPath) {
  const meta::BackupInfo info = Backup({Segment(1, 12, 5, true), Segment(1, 11, 6, false)});
  ASSERT_OK_AND_ASSIGN(const auto plans, PlanRestore(info, {.name = "b"}, true));
  std::vector<std::string> paths;
  for (const ExpectedFile& file : plans[0].files) paths.push_back(file.path);
  EXPECT_THAT(paths,
              ElementsAre("binlogs/delta_log/7/1/12/12/121", "binlogs/insert_log/7/1/11/11/100/110",
                          "binlogs/insert_log/7/1/12/12/100/120"));
}

TEST(RestorePlanTest, RowsWithoutBinlogsAreAnError) {
  meta::SegmentBackup segment = Segment(1, 11, 5, false);
  segment.binlogs = {};
  EXPECT_THAT(PlanRestore(Backup({segment}), {.name = "b"}, true),
              IsError(Code::kDataLoss, "segment 11 has 5 rows but no insert logs"));
}

TEST(RestorePlanTest, UnknownNamesAreErrors) {
  const meta::BackupInfo info = Backup({Segment(1, 11, 5, false)});
  RestoreOptions options{.name = "b"};
  ASSERT_OK_AND_ASSIGN(options.sources, Selection::ParseCollections("nope"));
  EXPECT_THAT(PlanRestore(info, options, true),
              IsError(Code::kInvalidArgument, "default.nope is not in backup b"));
  options.sources = {};
  options.suffix = "_bak";
  ASSERT_OK_AND_ASSIGN(options.targets, Selection::ParseFilter("coll"));
  EXPECT_THAT(PlanRestore(info, options, true),
              IsError(Code::kInvalidArgument, "after the suffix"));
}

TEST(RestorePlanTest, FieldsAddedLaterAreRefused) {
  meta::BackupInfo info = Backup({Segment(1, 11, 5, false)});
  info.collection_backups[0].schema.fields[1].field_id = 103;
  EXPECT_THAT(PlanRestore(info, {.name = "b"}, true),
              IsError(Code::kUnimplemented, "field 'v' has id 103"));
}

TEST(RestorePlanTest, CreateRequestKeepsTheSchema) {
  meta::BackupInfo info = Backup({Segment(1, 11, 5, false)});
  meta::CollectionBackup& backup = info.collection_backups[0];
  backup.schema.enable_dynamic_field = true;
  backup.schema.fields[0].auto_id = true;
  backup.schema.fields.push_back({.field_id = 102,
                                  .name = "tenant",
                                  .data_type = 21,
                                  .is_partition_key = true,
                                  .default_value_base64 = "MgNhYmM="});
  backup.schema.fields.push_back({.field_id = 103, .name = "$meta", .is_dynamic = true});
  backup.consistency_level = 2;
  ASSERT_OK_AND_ASSIGN(const auto plans, PlanRestore(info, {.name = "b", .suffix = "_x"}, true));
  ASSERT_OK_AND_ASSIGN(const milvus::CreateCollectionRequest request, ToCreateRequest(plans[0]));
  EXPECT_EQ(request.schema.name, "coll_x");
  EXPECT_EQ(request.shards_num, 2);
  EXPECT_EQ(request.consistency_level, 2);
  EXPECT_EQ(request.num_partitions, 2);
  ASSERT_EQ(request.schema.fields.size(), 3U);
  EXPECT_TRUE(request.schema.fields[0].auto_id);
  EXPECT_EQ(request.schema.fields[2].default_value,
            "2\x03"
            "abc");
  EXPECT_TRUE(request.schema.enable_dynamic_field);
}

TEST(RestorePlanTest, VectorIndexesComeFirst) {
  meta::BackupInfo info = Backup({});
  info.collection_backups[0].index_infos = {
      {.field_name = "id", .index_name = "a", .params = {{"index_type", "marisa-trie"}}},
      {.field_name = "v", .index_name = "b", .params = {{"index_type", "HNSW"}}}};
  const std::vector<milvus::Index> indexes = IndexesToBuild(info.collection_backups[0]);
  ASSERT_EQ(indexes.size(), 2U);
  EXPECT_EQ(indexes[0].field_name, "v");
  EXPECT_EQ(indexes[1].params, (std::vector<milvus::KeyValue>{{"index_type", "Trie"}}));
}

TEST(RestorePlanTest, OnlyOldServersWalkDirectories) {
  EXPECT_TRUE(ImportWalksDirectories(milvus::ParseVersion("v2.3.5-lite")));
  EXPECT_TRUE(ImportWalksDirectories(milvus::ParseVersion("v2.2.16")));
  EXPECT_FALSE(ImportWalksDirectories(milvus::ParseVersion("v2.4.0")));
  EXPECT_FALSE(ImportWalksDirectories(milvus::ParseVersion("unknown")));
}

}  // namespace
}  // namespace milvus_backup::backup
