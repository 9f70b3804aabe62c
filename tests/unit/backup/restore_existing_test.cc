// Targets that exist: replaced, added to, or refused; and aliases.
#include "restore_fixture.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::FakeCollection;
using ::milvus_backup::testing::FakeImport;
using ::milvus_backup::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

using RestoreExistingTest = RestoreTest;

TEST_F(RestoreExistingTest, ReplaceSwapsOnceTheNewCollectionIsWhole) {
  Write({Collection(7, "default", "coll")});
  FakeCollection old = Existing("coll");
  old.info.aliases = {"gone"};
  fake_->Add("default", old);
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore({.existing = ExistingTarget::kReplace}));
  const std::vector<std::string> renames = fake_->texts("RenameCollection");
  ASSERT_EQ(renames.size(), 3U) << "the first asks whether the server can";
  EXPECT_THAT(renames[1], MatchesRegex("RenameCollection default.coll to coll_mbold_[0-9a-f]{8}"));
  EXPECT_THAT(renames[2], MatchesRegex("RenameCollection default.coll_mbtmp_[0-9a-f]{8} to coll"));
  std::vector<std::string> order;
  for (const auto& call : fake_->calls()) {
    for (const char* method :
         {"CreateCollection", "GetPersistentSegmentInfo", "RenameCollection", "DropCollection"}) {
      if (call.method == method) order.emplace_back(method);
    }
  }
  EXPECT_THAT(order, ElementsAre("RenameCollection", "CreateCollection", "GetPersistentSegmentInfo",
                                 "RenameCollection", "RenameCollection", "DropCollection"));
  EXPECT_EQ(RowsOf("default", "coll"), 10);
  ASSERT_OK_AND_ASSIGN(const auto names, client_->ListCollections({}, "default"));
  EXPECT_THAT(names, ElementsAre("coll"));
  EXPECT_EQ(report.collections[0].existing, ExistingTarget::kReplace);
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("alias gone")));
}

TEST_F(RestoreExistingTest, ReplaceKeepsTheOldCollectionWhenTheRestoreFails) {
  Write({Collection(7, "default", "coll")});
  fake_->Add("default", Existing("coll"));
  fake_->PlanImport(FakeImport::kFail, "binlog is broken");
  EXPECT_THAT(Restore({.existing = ExistingTarget::kReplace}),
              IsError(Code::kAborted, "binlog is broken"));
  ASSERT_OK_AND_ASSIGN(const auto names, client_->ListCollections({}, "default"));
  EXPECT_THAT(names, ElementsAre("coll"));
  EXPECT_EQ(RowsOf("default", "coll"), 500);
}

TEST_F(RestoreExistingTest, ReplacePutsTheOldNameBackWhenTheSwapFails) {
  Write({Collection(7, "default", "coll")});
  fake_->Add("default", Existing("coll"));
  fake_->Plan("RenameCollection", {}, 2);
  fake_->Plan("RenameCollection", {.code = 5, .error_code = 1, .reason = "etcd is away"});
  const auto report = Restore({.existing = ExistingTarget::kReplace});
  EXPECT_THAT(report, IsError(Code::kInternal, "etcd is away"));
  EXPECT_THAT(report, IsError(Code::kInternal, "the restored collection is default.coll_mbtmp_"));
  EXPECT_EQ(RowsOf("default", "coll"), 500);
  ASSERT_OK_AND_ASSIGN(const auto names, client_->ListCollections({}, "default"));
  ASSERT_EQ(names.size(), 2U);
  EXPECT_THAT(names[1], StartsWith("coll_mbtmp_"));
}

TEST_F(RestoreExistingTest, ReplaceIsRefusedWithoutThePrivilege) {
  Write({Collection(7, "default", "coll")});
  fake_->Add("default", Existing("coll"));
  fake_->Plan("RenameCollection",
              {.code = 1401, .error_code = 1, .reason = "PrivilegeNotPermitted"});
  const size_t before = fake_->calls().size();
  EXPECT_THAT(Restore({.existing = ExistingTarget::kReplace}),
              IsError(Code::kPermissionDenied, "can be renamed"));
  EXPECT_EQ(ChangesSince(before).size(), 1U) << "the question alone";
}

TEST_F(RestoreExistingTest, ServersThatCannotRenameHaveTheOldCollectionDroppedFirst) {
  Start({.version = "v2.2.8", .unimplemented = {"RenameCollection"}});
  Write({Collection(7, "default", "coll")});
  fake_->Add("default", Existing("coll"));
  const size_t before = fake_->calls().size();
  ASSERT_OK(Restore({.existing = ExistingTarget::kReplace}));
  const std::vector<std::string> changes = ChangesSince(before);
  ASSERT_GE(changes.size(), 3U);
  EXPECT_EQ(changes[1], "DropCollection default.coll");
  EXPECT_THAT(changes[2], StartsWith("CreateCollection default.coll "));
  EXPECT_EQ(RowsOf("default", "coll"), 10);
}

TEST_F(RestoreExistingTest, NameBesideALongOneFitsMilvus) {
  const std::string name(255, 'n');
  Write({Collection(7, "default", name)});
  fake_->Add("default", Existing(name));
  ASSERT_OK(Restore({.existing = ExistingTarget::kReplace}));
  EXPECT_EQ(RowsOf("default", name), 10);
}

TEST_F(RestoreExistingTest, AnAliasIsNotReplaced) {
  Write({Collection(7, "default", "coll")});
  FakeCollection other = Existing("other");
  other.info.aliases = {"coll"};
  fake_->Add("default", other);
  EXPECT_THAT(Restore({.existing = ExistingTarget::kReplace}),
              IsError(Code::kFailedPrecondition, "is an alias of the collection other"));
}

TEST_F(RestoreExistingTest, AliasesOfReplacedCollectionsFollowOnNewServers) {
  // From 2.6 on a collection with aliases cannot be dropped.
  Start({.version = "v2.6.0"});
  meta::CollectionBackup collection = Collection(7, "default", "coll");
  collection.aliases = {"kept"};
  Write({collection});
  FakeCollection old = Existing("coll");
  old.info.aliases = {"kept", "gone"};
  fake_->Add("default", old);
  ASSERT_OK(Restore({.existing = ExistingTarget::kReplace}));
  EXPECT_THAT(fake_->texts("AlterAlias"), ElementsAre("AlterAlias default.coll/kept"));
  EXPECT_THAT(fake_->texts("DropAlias"), ElementsAre("DropAlias default.gone"));
  EXPECT_THAT(fake_->Find("default", "coll")->info.aliases, ElementsAre("kept"));
  ASSERT_OK_AND_ASSIGN(const auto names, client_->ListCollections({}, "default"));
  EXPECT_THAT(names, ElementsAre("coll"));
}

TEST_F(RestoreExistingTest, FreeAliasesComeBackAndTakenOnesAreReported) {
  meta::CollectionBackup collection = Collection(7, "default", "coll");
  collection.aliases = {"free", "taken"};
  Write({collection});
  FakeCollection other = Existing("other");
  other.info.aliases = {"taken"};
  fake_->Add("default", other);
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore({}));
  EXPECT_THAT(fake_->Find("default", "coll")->info.aliases, ElementsAre("free"));
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("alias taken was not given to default.coll")));
}

TEST_F(RestoreExistingTest, ReuseAddsToTheCollection) {
  Write({Collection(7, "default", "coll")});
  fake_->Add("default", Existing("coll"));
  const size_t before = fake_->calls().size();
  ASSERT_OK_AND_ASSIGN(const RestoreReport report,
                       Restore({.rebuild_index = true, .existing = ExistingTarget::kReuse}));
  EXPECT_EQ(report.collections[0].rows.restored, 10);
  EXPECT_EQ(RowsOf("default", "coll"), 510);
  const std::vector<std::string> changes = ChangesSince(before);
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_THAT(changes[0], StartsWith("Import default.coll/_default"));
  EXPECT_THAT(changes[1], StartsWith("CreateIndex default.coll/v"));
}

TEST_F(RestoreExistingTest, ReuseNeverDropsTheCollection) {
  Write({Collection(7, "default", "coll")});
  fake_->Add("default", Existing("coll"));
  fake_->PlanImport(FakeImport::kFailAndClean, "binlog is broken");
  EXPECT_THAT(Restore({.existing = ExistingTarget::kReuse}),
              IsError(Code::kAborted, "binlog is broken"));
  fake_->SetImportRows([](const milvus::ImportRequest&) { return 3; });
  EXPECT_THAT(Restore({.existing = ExistingTarget::kReuse}),
              IsError(Code::kDataLoss, "was given 3 rows after the import instead of 10"));
  EXPECT_EQ(RowsOf("default", "coll"), 503);
}

TEST_F(RestoreExistingTest, ReuseChecksTheTargetFirst) {
  Write({Collection(7, "default", "coll")});
  const RestoreOptions reuse{.existing = ExistingTarget::kReuse};
  EXPECT_THAT(Restore(reuse), IsError(Code::kFailedPrecondition, "collection not exist"));
  FakeCollection existing = Existing("coll");
  existing.info.schema.fields[1].type_params = {{"dim", "8"}};
  fake_->Add("default", existing);
  EXPECT_THAT(Restore(reuse), IsError(Code::kFailedPrecondition, "restoring to default.coll: dim"));
  EXPECT_EQ(fake_->count("Import"), 0U);
}

TEST_F(RestoreExistingTest, ReuseOfAPartitionKeyCollectionNeedsAsManyPartitions) {
  meta::CollectionBackup collection = Collection(7, "default", "coll");
  collection.schema.fields[0].is_partition_key = true;
  collection.partition_backups[0].partition_name = "_default_0";
  Write({collection});
  FakeCollection existing = Existing("coll");
  existing.info.schema.fields[0].is_partition_key = true;
  existing.partitions = {{0, "_default_0"}, {0, "_default_1"}};
  fake_->Add("default", existing);
  EXPECT_THAT(Restore({.existing = ExistingTarget::kReuse}),
              IsError(Code::kFailedPrecondition, "has 2 partitions for its partition key"));
}

TEST_F(RestoreExistingTest, IndexesInTheWayAreDroppedWhereAskedFor) {
  Write({Collection(7, "default", "coll")});
  FakeCollection existing = Existing("coll");
  existing.indexes = {{"v", "other", 1, {{"index_type", "HNSW"}}}};
  existing.load_state = milvus::LoadState::kLoaded;
  fake_->Add("default", existing);
  RestoreOptions options{.rebuild_index = true, .existing = ExistingTarget::kReuse};
  EXPECT_THAT(Restore(options), IsError(Code::kFailedPrecondition, "--drop_exist_index"));
  options.drop_exist_index = true;
  EXPECT_THAT(Restore(options), IsError(Code::kFailedPrecondition, "release it first"));
  ASSERT_OK(client_->ReleaseCollection({}, "default", "coll"));
  ASSERT_OK(Restore(options));
  EXPECT_THAT(fake_->texts("DropIndex"), ElementsAre("DropIndex default.coll/other"));
  ASSERT_EQ(fake_->Find("default", "coll")->indexes.size(), 1U);
  EXPECT_EQ(fake_->Find("default", "coll")->indexes[0].name, "v_idx");
}

}  // namespace
}  // namespace milvus_backup::backup
