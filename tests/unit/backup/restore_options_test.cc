// The options of a restore against a fake Milvus: what is called and what is left.
#include "restore_fixture.h"
#include "support/mortal.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::FakeImport;
using ::milvus_backup::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using RestoreOptionsTest = RestoreTest;

/// Holds every CreateIndex back until two of them are there.
class MeetingClient final : public testing::MortalClient {
 public:
  using MortalClient::MortalClient;
  Status CreateIndex(const CallContext& ctx, const std::string& db, const std::string& collection,
                     const milvus::Index& index) override {
    {
      std::unique_lock lock(mutex_);
      ++here_;
      changed_.notify_all();
      const bool met =
          changed_.wait_for(lock, std::chrono::seconds(30), [this] { return here_ > 1; });
      if (!met) return Status(Code::kDeadlineExceeded, "no other index is being created");
    }
    return MortalClient::CreateIndex(ctx, db, collection, index);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int here_ = 0;
};

TEST_F(RestoreOptionsTest, ImportsOfAllCollectionsAreQueuedWhileTheFirstOneRuns) {
  // Ample time to send three requests, also under a sanitizer on a busy machine.
  Start({.import_tick = std::chrono::seconds(1)});
  Write({Collection(7, "default", "c1"), Collection(8, "default", "c2"),
         Collection(9, "default", "c3")});
  ASSERT_OK(Restore({}));
  const auto calls = fake_->calls();
  const auto last_import = std::find_if(calls.rbegin(), calls.rend(),
                                        [](const auto& call) { return call.method == "Import"; });
  const auto first_count = std::find_if(calls.begin(), calls.end(), [](const auto& call) {
    return call.method == "GetPersistentSegmentInfo";
  });
  EXPECT_LT(last_import.base() - calls.begin(), first_count - calls.begin() + 1);
}

TEST_F(RestoreOptionsTest, DatabasesAreCreatedEvenEmptyOnes) {
  Write({Collection(7, "shop", "coll")}, {"default", "shop", "empty"});
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore({}));
  EXPECT_THAT(report.created_databases, ElementsAre("empty", "shop"));
  EXPECT_THAT(fake_->texts("CreateDatabase"),
              ElementsAre("CreateDatabase empty", "CreateDatabase shop"));
  EXPECT_EQ(RowsOf("shop", "coll"), 10);
}

TEST_F(RestoreOptionsTest, RenameMovesCollectionsToAnotherDatabase) {
  Write({Collection(7, "shop", "coll"), Collection(8, "shop", "other")}, {"shop"});
  RestoreOptions options;
  ASSERT_OK_AND_ASSIGN(options.renames, RenameRules::Parse("shop.*:store.*,shop.other:shop2.new"));
  ASSERT_OK(Restore(options));
  EXPECT_EQ(RowsOf("store", "coll"), 10);
  EXPECT_EQ(RowsOf("shop2", "new"), 10);
  EXPECT_THAT(fake_->texts("CreateDatabase"),
              ElementsAre("CreateDatabase shop2", "CreateDatabase store"));
}

TEST_F(RestoreOptionsTest, AServerWithoutDatabasesTakesTheDefaultOneOnly) {
  Start({.version = "v2.2.4", .has_databases = false});
  Write({Collection(7, "default", "coll"), Collection(8, "shop", "coll")}, {"default", "shop"});
  EXPECT_THAT(Restore({}), IsError(Code::kFailedPrecondition,
                                   "shop.coll cannot be restored: Milvus v2.2.4 has no databases"));
  EXPECT_EQ(fake_->count("CreateCollection"), 0U);
  RestoreOptions options;
  ASSERT_OK_AND_ASSIGN(options.sources, Selection::ParseCollections("coll"));
  ASSERT_OK(Restore(options));
  EXPECT_EQ(RowsOf("default", "coll"), 10);
  EXPECT_EQ(fake_->count("CreateDatabase"), 0U);
}

TEST_F(RestoreOptionsTest, WhatTheServerDoesNotKnowIsRefusedFirst) {
  Start({.version = "v2.2.16"});
  meta::CollectionBackup collection = Collection(7, "default", "coll");
  collection.schema.fields.push_back(
      {.field_id = 102, .name = "numbers", .data_type = 22, .element_type = 5});
  Write({Collection(6, "default", "plain"), collection});
  const size_t before = fake_->calls().size();
  EXPECT_THAT(Restore({}),
              IsError(Code::kUnimplemented, "restoring to default.coll: field 'numbers'"));
  EXPECT_THAT(ChangesSince(before), IsEmpty());
}

TEST_F(RestoreOptionsTest, NullableFieldsNeedAServerThatKnowsThem) {
  meta::CollectionBackup collection = Collection(7, "default", "coll");
  collection.schema.fields.push_back(
      {.field_id = 102, .name = "note", .data_type = 5, .nullable = true});
  Start({.version = "v2.4.23", .knows_nullable = false});
  Write({collection});
  const size_t before = fake_->calls().size();
  EXPECT_THAT(Restore({}), IsError(Code::kUnimplemented,
                                   "field 'note' is nullable, which Milvus v2.4.23 does not know"));
  EXPECT_THAT(ChangesSince(before), IsEmpty());

  // One that does not tell its version is looked at once it has made the collection.
  Start({.version = "unknown", .knows_nullable = false});
  EXPECT_THAT(Restore({}), IsError(Code::kUnimplemented, "field 'note' is nullable"));
  EXPECT_EQ(fake_->count("CreateCollection"), 1U);
  EXPECT_EQ(fake_->count("Import"), 0U);
  EXPECT_FALSE(fake_->Find("default", "coll").has_value());

  Start({.version = "v2.5.0"});
  ASSERT_OK(Restore({}));
  EXPECT_TRUE(fake_->Find("default", "coll")->info.schema.fields[2].nullable);
}

// The import would be refused when half of the work is done.
TEST_F(RestoreOptionsTest, DeletesOfTheirOwnAreNotForEarly24) {
  meta::CollectionBackup collection = Collection(7, "default", "coll");
  meta::SegmentBackup deletes{.segment_id = 71,
                              .collection_id = 7,
                              .partition_id = 8,
                              .size = 3,
                              .group_id = 71,
                              .is_l0 = true};
  deletes.deltalogs = {{0, {{.log_size = 3, .log_id = 7100}}}};
  collection.partition_backups[0].segment_backups.push_back(deletes);
  Start({.version = "v2.4.4"});
  Write({collection});
  ASSERT_OK(storage_->Put({}, "backup/b/binlogs/delta_log/7/8/71/71/7100", AsBytes("log"), {}));
  const size_t before = fake_->calls().size();
  EXPECT_THAT(Restore({}), IsError(Code::kUnimplemented, "which Milvus v2.4.4 cannot import"));
  EXPECT_THAT(ChangesSince(before), IsEmpty());
  EXPECT_OK(Restore({.meta_only = true, .dry_run = true}));
  Start({.version = "v2.4.6"});
  EXPECT_OK(Restore({.dry_run = true}));
}

// What was written before such segments were told apart.
TEST_F(RestoreOptionsTest, DeletesOfTheirOwnThatAreNotToldAsSuchAreImported) {
  meta::CollectionBackup collection = Collection(7, "default", "coll");
  meta::SegmentBackup deletes{
      .segment_id = 71, .collection_id = 7, .partition_id = 8, .size = 3, .group_id = 71};
  deletes.deltalogs = {{0, {{.log_size = 3, .log_id = 7100}}}};
  collection.partition_backups[0].segment_backups.push_back(deletes);
  Start({.version = "v2.4.6"});
  fake_->SetImportRows(
      [](const milvus::ImportRequest& request) { return request.files.size() == 1 ? 0 : 10; });
  Write({collection});
  ASSERT_OK(storage_->Put({}, "backup/b/binlogs/delta_log/7/8/71/71/7100", AsBytes("log"), {}));
  ASSERT_OK(Restore({}));
  EXPECT_THAT(fake_->texts("Import"),
              ElementsAre(HasSubstr("insert_log/7/8/70/"), HasSubstr("delta_log/7/8/71/")));
}

// 200 as the first versions wrote it: the bytes of another number are left.
TEST_F(RestoreOptionsTest, DefaultValuesThatWereNotStoredWholeAreLeftOut) {
  meta::CollectionBackup collection = Collection(7, "default", "coll");
  for (const char* stored : {"\x08\xef\xbf\xbd\x01", "\x08\x05"}) {
    const std::string name = stored[1] == '\x05' ? "whole" : "damaged";
    collection.schema.fields.push_back(
        {.field_id = static_cast<int64_t>(100 + collection.schema.fields.size()),
         .name = name,
         .data_type = 5,
         .default_value_proto = stored});
  }
  Start({.version = "v2.5.0"});
  Write({collection});
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore({}));
  EXPECT_THAT(report.warnings,
              ElementsAre(HasSubstr("default.coll: field 'damaged' is restored without")));
  const auto restored = fake_->Find("default", "coll");
  ASSERT_TRUE(restored.has_value());
  EXPECT_EQ(restored->info.schema.fields.at(2).default_value, std::nullopt);
  EXPECT_EQ(restored->info.schema.fields.at(3).default_value, "\x08\x05");
}

TEST_F(RestoreOptionsTest, NamesMilvusRefusesAreRefusedFirst) {
  Write({Collection(7, "default", "coll")});
  EXPECT_THAT(Restore({.suffix = std::string(252, 'x')}),
              IsError(Code::kInvalidArgument, "of 256 characters"));
  RestoreOptions options;
  ASSERT_OK_AND_ASSIGN(options.renames, RenameRules::Parse("coll:1coll"));
  EXPECT_THAT(Restore(options), IsError(Code::kInvalidArgument, "'1coll'"));
  EXPECT_THAT(Restore({.suffix = std::string(251, 'x'), .dry_run = true}), testing::IsOk());
}

TEST_F(RestoreOptionsTest, PartialBackupsAreAskedAbout) {
  Write({Collection(7, "default", "coll")}, {}, {"default.lost", "shop.lost"});
  EXPECT_THAT(Restore({}),
              IsError(Code::kFailedPrecondition, "partial: it lacks default.lost, shop.lost"));
  EXPECT_EQ(fake_->count("CreateCollection"), 0U);
  ASSERT_OK(Restore({.allow_partial = true}));
  EXPECT_EQ(RowsOf("default", "coll"), 10);
}

TEST_F(RestoreOptionsTest, MetaOnlyNeedsNoLogs) {
  Write({Collection(7, "default", "coll")});
  ASSERT_OK(storage_->Delete({}, "backup/b/binlogs/insert_log/7/8/70/70/0/7000"));
  ASSERT_OK_AND_ASSIGN(const RestoreReport report,
                       Restore({.rebuild_index = true, .meta_only = true}));
  EXPECT_EQ(report.imports, 0U);
  EXPECT_EQ(fake_->count("Import"), 0U);
  EXPECT_EQ(fake_->count("CreateIndex"), 1U);
  EXPECT_EQ(RowsOf("default", "coll"), 0);
}

TEST_F(RestoreOptionsTest, AutoIndexIsBuiltWhereAskedFor) {
  Write({Collection(7, "default", "coll")});
  ASSERT_OK(Restore({.rebuild_index = true, .use_auto_index = true}));
  EXPECT_THAT(fake_->texts("CreateIndex"),
              ElementsAre(HasSubstr("name=v_idx params=[index_type=AUTOINDEX,metric_type=L2]")));
  ASSERT_OK_AND_ASSIGN(const RestoreReport report,
                       Restore({.suffix = "_2", .use_auto_index = true}));
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("no effect without --rebuild_index")));
  EXPECT_EQ(fake_->count("CreateIndex"), 1U);
}

TEST_F(RestoreOptionsTest, IndexesAreCreatedSideBySide) {
  meta::CollectionBackup collection = Collection(7, "default", "coll");
  collection.schema.fields.push_back({.field_id = 102, .name = "n", .data_type = 5});
  collection.index_infos.push_back({.field_name = "n",
                                    .index_name = "n_idx",
                                    .index_type = "STL_SORT",
                                    .params = {{"index_type", "STL_SORT"}}});
  Write({collection});
  testing::Life life;
  MeetingClient client(life, *client_);
  site_.client = &client;
  ASSERT_OK(Restore({.rebuild_index = true}));
  site_.client = client_.get();
  EXPECT_EQ(fake_->Find("default", "coll")->indexes.size(), 2U);
}

TEST_F(RestoreOptionsTest, DryRunChangesNothing) {
  Write({Collection(7, "shop", "coll")}, {"shop"});
  const size_t before = fake_->calls().size();
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore({.suffix = "_bak", .dry_run = true}));
  EXPECT_THAT(ChangesSince(before), IsEmpty());
  EXPECT_TRUE(report.dry_run);
  EXPECT_EQ(report.imports, 1U);
  EXPECT_THAT(report.created_databases, ElementsAre("shop"));
  ASSERT_EQ(report.collections.size(), 1U);
  EXPECT_EQ(report.collections[0].target, "shop.coll_bak");
  EXPECT_EQ(report.collections[0].rows.at_most, 10);
  EXPECT_EQ(report.collections[0].bytes, 9U);
  ASSERT_OK(storage_->Delete({}, "backup/b/binlogs/insert_log/7/8/70/70/0/7000"));
  EXPECT_THAT(Restore({.dry_run = true}), IsError(Code::kDataLoss, "is missing"));
}

TEST_F(RestoreOptionsTest, LoadBringsTheLoadStateBack) {
  meta::CollectionBackup released = Collection(8, "default", "released");
  released.load_state = "NotLoad";
  Write({Collection(7, "default", "coll"), released});
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore({.rebuild_index = true, .load = true}));
  EXPECT_THAT(fake_->texts("LoadCollection"), ElementsAre("LoadCollection default.coll"));
  EXPECT_TRUE(report.collections[0].loaded);
  EXPECT_FALSE(report.collections[1].loaded);
  EXPECT_THAT(report.warnings, IsEmpty());
}

TEST_F(RestoreOptionsTest, LoadWithoutAnIndexIsAWarning) {
  Write({Collection(7, "default", "coll")});
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore({.load = true}));
  EXPECT_EQ(fake_->count("LoadCollection"), 0U);
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("its field v has no index")));
}

TEST_F(RestoreOptionsTest, ImportsThatMakeNoProgressEndTheRun) {
  Write({Collection(7, "default", "coll")});
  fake_->PlanImport(FakeImport::kNeverEnd);
  EXPECT_THAT(Restore({.import_stall_limit = std::chrono::milliseconds(200),
                       .drain_limit = std::chrono::milliseconds(50)}),
              IsError(Code::kDeadlineExceeded, "has made no progress for 0.2 s"));
  EXPECT_EQ(RowsOf("default", "coll"), -1);
}

TEST_F(RestoreOptionsTest, WaitingBehindAnotherCollectionIsNoStall) {
  // Ten tasks of 100 ms each: the last collection waits longer than the limit.
  Start({.import_tick = std::chrono::milliseconds(100)});
  std::vector<meta::CollectionBackup> collections;
  for (int64_t i = 1; i <= 10; ++i) {
    collections.push_back(Collection(i * 100, "default", "c" + std::to_string(i)));
  }
  Write(std::move(collections));
  ASSERT_OK(Restore({.import_stall_limit = std::chrono::milliseconds(700)}));
}

TEST_F(RestoreOptionsTest, FewSlotsAreSharedByAllCollections) {
  Write({Collection(7, "default", "c1"), Collection(8, "default", "c2"),
         Collection(9, "default", "c3")});
  site_.parallel_imports = 1;
  std::mutex mutex;
  std::vector<std::chrono::steady_clock::time_point> ends;
  fake_->SetImportRows([&](const milvus::ImportRequest&) {
    const std::scoped_lock lock(mutex);
    ends.push_back(std::chrono::steady_clock::now());
    return 10;
  });
  ASSERT_OK(Restore({}));
  std::vector<std::chrono::steady_clock::time_point> starts;
  for (const auto& call : fake_->calls()) {
    if (call.method == "Import") starts.push_back(call.at);
  }
  ASSERT_EQ(starts.size(), 3U);
  ASSERT_EQ(ends.size(), 3U);
  EXPECT_GE(starts[1], ends[0]);
  EXPECT_GE(starts[2], ends[1]);
}

meta::RbacMeta TwoUsers() {
  meta::RbacMeta rbac{.users = {{"ada", "$2a$ada", {{"reader"}}}, {"bob", "$2a$bob", {}}},
                      .roles = {{"reader"}, {"writer"}}};
  for (const char* name : {"c1", "c2"}) {
    rbac.grants.push_back({.role = {"reader"},
                           .object = {"Collection"},
                           .object_name = name,
                           .grantor = {.user = {"root"}, .privilege = {"Search"}},
                           .db_name = "default"});
  }
  rbac.privilege_groups = {{"group", {{"Query"}}}};
  return rbac;
}

TEST_F(RestoreOptionsTest, RbacThatIsMissingIsAddedAndWhatIsThereStays) {
  Start({.version = "v2.5.0"});
  Write({Collection(7, "default", "coll")}, {}, {}, TwoUsers());
  milvus::Rbac present{.users = {{"ada", "$2a$other", {}}}, .roles = {"reader"}};
  present.grants = {{"reader", "Collection", "c1", "root", "Search", "default"}};
  fake_->SetRbac(present);
  ASSERT_OK_AND_ASSIGN(const RestoreReport plan, Restore({.rbac = true, .dry_run = true}));
  EXPECT_EQ(plan.users, 1U);
  EXPECT_EQ(fake_->rbac(), present);
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore({.rbac = true}));
  EXPECT_EQ(report.users, 1U);
  EXPECT_EQ(report.roles, 1U);
  EXPECT_EQ(report.grants, 1U);
  EXPECT_EQ(report.privilege_groups, 1U);
  milvus::Rbac expected = present;
  expected.users.push_back({"bob", "$2a$bob", {}});
  expected.roles.push_back("writer");
  expected.grants.push_back({"reader", "Collection", "c2", "root", "Search", "default"});
  expected.privilege_groups.push_back({"group", {"Query"}});
  EXPECT_EQ(fake_->rbac(), expected);
  // Everything is there now.
  ASSERT_OK(Restore({.suffix = "_2", .rbac = true}));
  EXPECT_EQ(fake_->count("RestoreRBAC"), 1U);
}

TEST_F(RestoreOptionsTest, RbacThatCannotBeRestoredIsRefusedFirst) {
  Write({Collection(7, "default", "coll")}, {}, {}, TwoUsers());
  const size_t before = fake_->calls().size();
  EXPECT_THAT(Restore({.rbac = true}), IsError(Code::kUnimplemented, "2.4.10 and newer"));
  Write({Collection(7, "default", "coll")});
  EXPECT_THAT(Restore({.rbac = true}),
              IsError(Code::kFailedPrecondition, "backup b has no users and roles"));
  for (const std::string& change : ChangesSince(before)) {
    EXPECT_TRUE(change.starts_with("BackupRBAC")) << change;
  }
}

}  // namespace
}  // namespace milvus_backup::backup
