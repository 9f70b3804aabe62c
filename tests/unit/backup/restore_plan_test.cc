#include "backup/restore_plan.h"

#include "support/status_matchers.h"

#include <gtest/gtest.h>

#include <set>
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

// Rows imported into another partition than their key's are not found by queries for the key.
TEST(RestorePlanTest, PartitionsAreKeptApartWithAPartitionKeyToo) {
  meta::BackupInfo info = Backup({Segment(1, 11, 5, false), Segment(2, 21, 7, false)});
  info.collection_backups[0].schema.fields[0].is_partition_key = true;
  ASSERT_OK_AND_ASSIGN(const auto plans, PlanRestore(info, {.name = "b"}, true));
  ASSERT_EQ(plans[0].units.size(), 2U);
  EXPECT_EQ(plans[0].units[0].partition_name, "_default");
  EXPECT_EQ(plans[0].units[0].insert_dir, "binlogs/insert_log/7/1/");
  EXPECT_EQ(plans[0].units[1].partition_name, "p2");
  EXPECT_EQ(plans[0].units[1].insert_dir, "binlogs/insert_log/7/2/");
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

// As one task it would be ended before it is done.
TEST(RestorePlanTest, LargePartitionsWithoutGroupsAreCutAtSegments) {
  std::vector<meta::SegmentBackup> segments = {Segment(1, 11, 5, false, 0),
                                               Segment(1, 12, 6, true, 0)};
  segments[0].size = static_cast<int64_t>(2 * kGiB);
  ASSERT_OK_AND_ASSIGN(const auto plans, PlanRestore(Backup(segments), {.name = "b"}, true));
  ASSERT_EQ(plans[0].units.size(), 2U);
  EXPECT_EQ(plans[0].units[0].insert_dir, "binlogs/insert_log/7/1/11/");
  EXPECT_EQ(plans[0].units[0].delta_dir, "");
  EXPECT_EQ(plans[0].units[1].insert_dir, "binlogs/insert_log/7/1/12/");
  EXPECT_EQ(plans[0].units[1].delta_dir, "binlogs/delta_log/7/1/12/");
  // Later servers take a directory's children for segments, and end no task.
  ASSERT_OK_AND_ASSIGN(const auto later, PlanRestore(Backup(segments), {.name = "b"}, false));
  ASSERT_EQ(later[0].units.size(), 1U);
  EXPECT_EQ(later[0].units[0].insert_dir, "binlogs/insert_log/7/1/");
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
              IsError(Code::kInvalidArgument, "after they are changed"));
  options.targets = {};
  ASSERT_OK_AND_ASSIGN(options.sources, Selection::ParseDatabases("shop"));
  EXPECT_THAT(PlanRestore(info, options, true),
              IsError(Code::kInvalidArgument, "database shop is not in backup b"));
}

// Nothing would be restored, with success.
TEST(RestorePlanTest, DatabasesOfTheFilterMustBeTargets) {
  meta::BackupInfo info = Backup({Segment(1, 11, 5, false)});
  info.database_backups = {{.db_name = "default"}, {.db_name = "empty"}};
  RestoreOptions options{.name = "b"};
  for (const char* filter : {"shop.*", "shop.", "coll,shop.*"}) {
    ASSERT_OK_AND_ASSIGN(options.targets, Selection::ParseFilter(filter));
    EXPECT_THAT(PlanRestore(info, options, true),
                IsError(Code::kInvalidArgument, "--filter asks for database shop"))
        << filter;
  }
  for (const char* filter : {"default.*", "empty.*", "empty.", "default."}) {
    ASSERT_OK_AND_ASSIGN(options.targets, Selection::ParseFilter(filter));
    EXPECT_OK(PlanRestore(info, options, true)) << filter;
  }
  ASSERT_OK_AND_ASSIGN(options.renames, RenameRules::Parse("default.*:shop.*,empty.:void."));
  for (const char* filter : {"shop.*", "void."}) {
    ASSERT_OK_AND_ASSIGN(options.targets, Selection::ParseFilter(filter));
    EXPECT_OK(PlanRestore(info, options, true)) << filter;
  }
  ASSERT_OK_AND_ASSIGN(options.targets, Selection::ParseFilter("default.*"));
  EXPECT_THAT(PlanRestore(info, options, true), IsError(Code::kInvalidArgument, "default"));
}

TEST(RestorePlanTest, RenamesComeBeforeTheFilter) {
  const meta::BackupInfo info = Backup({Segment(1, 11, 5, false)});
  RestoreOptions options{.name = "b"};
  ASSERT_OK_AND_ASSIGN(options.renames, RenameRules::Parse("default.*:shop.*"));
  ASSERT_OK_AND_ASSIGN(options.targets, Selection::ParseFilter("shop.coll"));
  ASSERT_OK_AND_ASSIGN(const auto plans, PlanRestore(info, options, true));
  ASSERT_EQ(plans.size(), 1U);
  EXPECT_EQ(plans[0].source.ToString(), "default.coll");
  EXPECT_EQ(plans[0].target.ToString(), "shop.coll");
}

TEST(RestorePlanTest, RulesForWhatIsNotRestoredAreNamed) {
  meta::BackupInfo info = Backup({Segment(1, 11, 5, false)});
  info.database_backups = {{.db_name = "default"}, {.db_name = "empty"}};
  RestoreOptions options{.name = "b"};
  ASSERT_OK_AND_ASSIGN(
      options.renames,
      RenameRules::Parse("default.*:d.*,empty.:e.,coll:c,nope:n,shop.*:s.*,store.:t.,shop.c:s.d"));
  ASSERT_OK_AND_ASSIGN(const auto plans, PlanRestore(info, options, true));
  EXPECT_THAT(UnusedRenames(info, options, plans),
              ElementsAre("default.nope", "shop.c", "database shop", "database store"));
  ASSERT_OK_AND_ASSIGN(options.sources, Selection::ParseCollections("coll"));
  EXPECT_THAT(
      UnusedRenames(info, options, plans),
      ElementsAre("default.nope", "shop.c", "database empty", "database shop", "database store"));
}

TEST(RestorePlanTest, DatabasesWithoutCollectionsAreSelectedToo) {
  meta::BackupInfo info = Backup({});
  info.database_backups = {{.db_name = "default"}, {.db_name = "shop"}, {.db_name = "empty"}};
  RestoreOptions options{.name = "b"};
  EXPECT_EQ(DatabasesToRestore(info, options), (std::set<std::string>{"default", "shop", "empty"}));
  ASSERT_OK_AND_ASSIGN(options.renames, RenameRules::Parse("shop.:store."));
  ASSERT_OK_AND_ASSIGN(options.sources, Selection::ParseDatabases("shop"));
  EXPECT_EQ(DatabasesToRestore(info, options), std::set<std::string>{"store"});
  ASSERT_OK_AND_ASSIGN(options.sources, Selection::ParseCollections("coll"));
  EXPECT_EQ(DatabasesToRestore(info, options), std::set<std::string>{"default"});
}

TEST(RestorePlanTest, FieldsAddedLaterAreRefused) {
  meta::BackupInfo info = Backup({Segment(1, 11, 5, false)});
  info.collection_backups[0].schema.fields[1].field_id = 103;
  EXPECT_THAT(PlanRestore(info, {.name = "b"}, true),
              IsError(Code::kUnimplemented, "field 'v' has id 103"));
  // Without rows only the order of the fields counts.
  EXPECT_OK(PlanRestore(info, {.name = "b", .meta_only = true}, true));
}

TEST(RestorePlanTest, ArraysOfStructsAreRefusedByName) {
  meta::BackupInfo info = Backup({Segment(1, 11, 5, false)});
  info.collection_backups[0].schema.struct_array_fields = {{.name = "clips"}};
  for (const bool meta_only : {false, true}) {
    EXPECT_THAT(PlanRestore(info, {.name = "b", .meta_only = meta_only}, true),
                IsError(Code::kUnimplemented,
                        "collection default.coll: field 'clips' is an array of structs"));
  }
  // Arrays of plain values are fields like others.
  info.collection_backups[0].schema.struct_array_fields.clear();
  info.collection_backups[0].schema.fields.push_back(
      {.field_id = 102, .name = "numbers", .data_type = 22, .element_type = 5});
  EXPECT_OK(PlanRestore(info, {.name = "b"}, true));
}

// Deleted rows would be back, or the import refused when half of the work is done.
TEST(RestorePlanTest, DeletesOfTheirOwnAreForServersThatImportThem) {
  meta::BackupInfo of_all = Backup({Segment(1, 11, 5, false)});
  meta::SegmentBackup l0 = Segment(meta::kAllPartitions, 12, 0, true, 0);
  l0.is_l0 = true;
  l0.binlogs = {};
  of_all.collection_backups[0].l0_segments = {l0};
  l0.partition_id = 1;
  l0.group_id = 12;
  meta::BackupInfo of_one = Backup({Segment(1, 11, 5, false), l0});
  for (const meta::BackupInfo* info : {&of_all, &of_one}) {
    EXPECT_THAT(PlanRestore(*info, {.name = "b"}, true),
                IsError(Code::kUnimplemented, "Milvus 2.2 and 2.3 cannot import"));
    EXPECT_OK(PlanRestore(*info, {.name = "b", .meta_only = true}, true));
    ASSERT_OK_AND_ASSIGN(const auto plans, PlanRestore(*info, {.name = "b"}, false));
    EXPECT_TRUE(plans[0].units.back().is_l0);
  }
}

TEST(RestorePlanTest, OnlyOldServersWalkDirectories) {
  EXPECT_TRUE(ImportWalksDirectories(milvus::ParseVersion("v2.3.5-lite")));
  EXPECT_TRUE(ImportWalksDirectories(milvus::ParseVersion("v2.2.16")));
  EXPECT_FALSE(ImportWalksDirectories(milvus::ParseVersion("v2.4.0")));
  EXPECT_FALSE(ImportWalksDirectories(milvus::ParseVersion("unknown")));
}

}  // namespace
}  // namespace milvus_backup::backup
