// The options of a restore against a fake Milvus: what is called, in which order, and what is left
// after a failure.
#include "support/fake_milvus.h"
#include "support/status_matchers.h"

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/writer.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/storage/memory_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::FakeCollection;
using ::milvus_backup::testing::FakeImport;
using ::milvus_backup::testing::FakeMilvus;
using ::milvus_backup::testing::FakeMilvusOptions;
using ::milvus_backup::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

class RestoreOptionsTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({}); }

  void Start(FakeMilvusOptions options) {
    client_.reset();
    fake_ = std::make_unique<FakeMilvus>(std::move(options));
    auto client = milvus::Connect({}, fake_->client_options());
    ASSERT_OK(client);
    client_ = *std::move(client);
    site_.client = client_.get();
    site_.milvus_storage = {.backend = storage_.get(), .root = "files"};
    site_.backup_storage = {.backend = storage_.get(), .root = "backup"};
    site_.backup_visible_to_milvus = true;
    site_.parallel_collections = 1;
    fake_->SetImportRows([](const milvus::ImportRequest&) { return 10; });
  }

  /// A collection of ten rows in one segment.
  static meta::CollectionBackup Collection(int64_t id, const std::string& db,
                                           const std::string& name) {
    meta::CollectionBackup collection{
        .collection_id = id, .db_name = db, .collection_name = name, .shards_num = 2};
    collection.schema.name = name;
    collection.schema.fields = {
        {.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5},
        {.field_id = 101, .name = "v", .data_type = 101, .type_params = {{"dim", "4"}}}};
    collection.index_infos = {{.field_name = "v",
                               .index_name = "v_idx",
                               .index_type = "FLAT",
                               .params = {{"index_type", "FLAT"}, {"metric_type", "L2"}}}};
    collection.load_state = "Loaded";
    meta::SegmentBackup segment{.segment_id = id * 10,
                                .collection_id = id,
                                .partition_id = id + 1,
                                .num_of_rows = 10,
                                .size = 9,
                                .group_id = id * 10};
    for (const int64_t field : {0, 1, 100, 101}) {
      segment.binlogs.push_back({field, {{.log_size = 3, .log_id = id * 1000 + field}}});
    }
    collection.partition_backups = {{.partition_id = id + 1,
                                     .partition_name = "_default",
                                     .collection_id = id,
                                     .segment_backups = {segment}}};
    return collection;
  }

  /// Write the backup `b` with these collections and their logs.
  void Write(std::vector<meta::CollectionBackup> collections,
             std::vector<std::string> databases = {}) {
    meta::BackupInfo info{.name = "b"};
    for (const std::string& db : databases) info.database_backups.push_back({.db_name = db});
    for (const meta::CollectionBackup& collection : collections) {
      for (const meta::PartitionBackup& partition : collection.partition_backups) {
        for (const meta::SegmentBackup& segment : partition.segment_backups) {
          for (const meta::FieldBinlog& field : segment.binlogs) {
            const std::string key = meta::InsertLogKey("backup/b/", segment, field.field_id,
                                                       field.binlogs.front().log_id);
            ASSERT_OK(storage_->Put({}, key, AsBytes("log"), {}));
          }
        }
      }
    }
    info.collection_backups = std::move(collections);
    ASSERT_OK(meta::WriteBackup({}, *storage_, "backup/b/", info));
  }

  /// A collection of Milvus with the schema of Collection(), ready to be reused or replaced.
  static FakeCollection Existing(const std::string& name) {
    FakeCollection collection;
    collection.info.schema.name = name;
    collection.info.schema.fields = {
        {.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5},
        {.field_id = 101, .name = "v", .data_type = 101, .type_params = {{"dim", "4"}}}};
    collection.segments = {{.num_rows = 500, .state = 4}};
    return collection;
  }

  Result<RestoreReport> Restore(RestoreOptions options) {
    options.name = "b";
    return RestoreBackup({}, site_, options);
  }

  std::vector<std::string> ChangesSince(size_t first) {
    std::vector<std::string> changes;
    const auto calls = fake_->calls();
    for (size_t i = first; i < calls.size(); ++i) {
      const std::string& method = calls[i].method;
      const bool reads = method.starts_with("Get") || method.starts_with("List") ||
                         method.starts_with("Has") || method.starts_with("Describe") ||
                         method.starts_with("Show");
      if (!reads) changes.push_back(calls[i].text);
    }
    return changes;
  }

  int64_t RowsOf(const std::string& db, const std::string& name) {
    const auto found = fake_->Find(db, name);
    int64_t rows = 0;
    if (!found) return -1;
    for (const milvus::Segment& segment : found->segments) rows += segment.num_rows;
    return rows;
  }

  std::unique_ptr<storage::Backend> storage_ = storage::MakeMemoryBackend();
  std::unique_ptr<FakeMilvus> fake_;
  std::unique_ptr<milvus::Client> client_;
  Site site_;
};

TEST_F(RestoreOptionsTest, PartitionKeyCollectionIsImportedAtOnce) {
  meta::CollectionBackup collection = Collection(7, "default", "coll");
  collection.schema.fields[0].is_partition_key = true;
  collection.partition_backups[0].partition_name = "_default_0";
  meta::PartitionBackup second = collection.partition_backups[0];
  second.partition_id = 9;
  second.partition_name = "_default_1";
  second.segment_backups[0].partition_id = 9;
  second.segment_backups[0].segment_id = second.segment_backups[0].group_id = 99;
  collection.partition_backups.push_back(second);
  Write({collection});
  fake_->SetImportRows([](const milvus::ImportRequest&) { return 20; });
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore({}));
  EXPECT_EQ(report.imports, 1U);
  EXPECT_THAT(fake_->texts("Import"),
              ElementsAre("Import default.coll/_default_0 files=[backup/b/binlogs/insert_log/7/,] "
                          "options=[skip_disk_quota_check=true,backup=true]"));
}

TEST_F(RestoreOptionsTest, ImportsOfAllCollectionsAreQueuedWhileTheFirstOneRuns) {
  Start({.import_tick = std::chrono::milliseconds(300)});
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

TEST_F(RestoreOptionsTest, NamesMilvusRefusesAreRefusedFirst) {
  Write({Collection(7, "default", "coll")});
  EXPECT_THAT(Restore({.suffix = std::string(252, 'x')}),
              IsError(Code::kInvalidArgument, "of 256 characters"));
  RestoreOptions options;
  ASSERT_OK_AND_ASSIGN(options.renames, RenameRules::Parse("coll:1coll"));
  EXPECT_THAT(Restore(options), IsError(Code::kInvalidArgument, "'1coll'"));
  EXPECT_THAT(Restore({.suffix = std::string(251, 'x'), .dry_run = true}), testing::IsOk());
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

TEST_F(RestoreOptionsTest, ReplaceSwapsOnceTheNewCollectionIsWhole) {
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

TEST_F(RestoreOptionsTest, ReplaceKeepsTheOldCollectionWhenTheRestoreFails) {
  Write({Collection(7, "default", "coll")});
  fake_->Add("default", Existing("coll"));
  fake_->PlanImport(FakeImport::kFail, "binlog is broken");
  EXPECT_THAT(Restore({.existing = ExistingTarget::kReplace}),
              IsError(Code::kAborted, "binlog is broken"));
  ASSERT_OK_AND_ASSIGN(const auto names, client_->ListCollections({}, "default"));
  EXPECT_THAT(names, ElementsAre("coll"));
  EXPECT_EQ(RowsOf("default", "coll"), 500);
}

TEST_F(RestoreOptionsTest, ReplacePutsTheOldNameBackWhenTheSwapFails) {
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

TEST_F(RestoreOptionsTest, ReplaceIsRefusedWithoutThePrivilege) {
  Write({Collection(7, "default", "coll")});
  fake_->Add("default", Existing("coll"));
  fake_->Plan("RenameCollection",
              {.code = 1401, .error_code = 1, .reason = "PrivilegeNotPermitted"});
  const size_t before = fake_->calls().size();
  EXPECT_THAT(Restore({.existing = ExistingTarget::kReplace}),
              IsError(Code::kPermissionDenied, "can be renamed"));
  EXPECT_EQ(ChangesSince(before).size(), 1U) << "the question alone";
}

TEST_F(RestoreOptionsTest, ServersThatCannotRenameHaveTheOldCollectionDroppedFirst) {
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

TEST_F(RestoreOptionsTest, NameBesideALongOneFitsMilvus) {
  const std::string name(255, 'n');
  Write({Collection(7, "default", name)});
  fake_->Add("default", Existing(name));
  ASSERT_OK(Restore({.existing = ExistingTarget::kReplace}));
  EXPECT_EQ(RowsOf("default", name), 10);
}

TEST_F(RestoreOptionsTest, AnAliasIsNotReplaced) {
  Write({Collection(7, "default", "coll")});
  FakeCollection other = Existing("other");
  other.info.aliases = {"coll"};
  fake_->Add("default", other);
  EXPECT_THAT(Restore({.existing = ExistingTarget::kReplace}),
              IsError(Code::kFailedPrecondition, "is an alias of the collection other"));
}

TEST_F(RestoreOptionsTest, AliasesOfReplacedCollectionsFollowOnNewServers) {
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

TEST_F(RestoreOptionsTest, FreeAliasesComeBackAndTakenOnesAreReported) {
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

TEST_F(RestoreOptionsTest, ReuseAddsToTheCollection) {
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

TEST_F(RestoreOptionsTest, ReuseNeverDropsTheCollection) {
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

TEST_F(RestoreOptionsTest, ReuseChecksTheTargetFirst) {
  Write({Collection(7, "default", "coll")});
  const RestoreOptions reuse{.existing = ExistingTarget::kReuse};
  EXPECT_THAT(Restore(reuse), IsError(Code::kFailedPrecondition, "collection not exist"));
  FakeCollection existing = Existing("coll");
  existing.info.schema.fields[1].type_params = {{"dim", "8"}};
  fake_->Add("default", existing);
  EXPECT_THAT(Restore(reuse), IsError(Code::kFailedPrecondition, "restoring to default.coll: dim"));
  EXPECT_EQ(fake_->count("Import"), 0U);
}

TEST_F(RestoreOptionsTest, ReuseOfAPartitionKeyCollectionNeedsItsPartitions) {
  meta::CollectionBackup collection = Collection(7, "default", "coll");
  collection.schema.fields[0].is_partition_key = true;
  collection.partition_backups[0].partition_name = "_default_3";
  Write({collection});
  FakeCollection existing = Existing("coll");
  existing.info.schema.fields[0].is_partition_key = true;
  existing.partitions = {{0, "_default_0"}, {0, "_default_1"}};
  fake_->Add("default", existing);
  EXPECT_THAT(Restore({.existing = ExistingTarget::kReuse}),
              IsError(Code::kFailedPrecondition, "has 2 partitions for its partition key"));
}

TEST_F(RestoreOptionsTest, IndexesInTheWayAreDroppedWhereAskedFor) {
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
  EXPECT_THAT(Restore({.import_stall_limit = std::chrono::milliseconds(200)}),
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
  ASSERT_OK(Restore({}));
  size_t unfinished = 0;
  for (const auto& call : fake_->calls()) {
    if (call.method == "Import") ++unfinished;
    EXPECT_LE(unfinished, 1U);
    // The row count follows the end of the collection's only import.
    if (call.method == "GetPersistentSegmentInfo") --unfinished;
  }
}

}  // namespace
}  // namespace milvus_backup::backup
