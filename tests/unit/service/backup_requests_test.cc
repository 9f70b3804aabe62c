#include "service/backup_requests.h"

#include "support/status_matchers.h"

#include <gtest/gtest.h>

#include <string>

namespace milvus_backup::service {
namespace {

using backup::Strategy;
using testing::IsError;

class BackupRequestsTest : public ::testing::Test {
 protected:
  Result<CreateRequest> Create(const std::string& text) {
    MB_ASSIGN_OR_RETURN(const Body body, Body::Parse(text));
    return ParseCreate(body, config_);
  }
  Result<RestoreRequest> Restore(const std::string& text) {
    MB_ASSIGN_OR_RETURN(const Body body, Body::Parse(text));
    return ParseRestore(body, config_);
  }

  config::Config config_;
};

TEST_F(BackupRequestsTest, TheFirstSelectionThatIsGivenCounts) {
  ASSERT_OK_AND_ASSIGN(auto request, Create("{}"));
  EXPECT_TRUE(request.options.selection.selects_everything());
  ASSERT_OK_AND_ASSIGN(request, Create(R"({"collection_names":["c1","db1.c2"]})"));
  EXPECT_TRUE(request.options.selection.Matches({"default", "c1"}));
  EXPECT_TRUE(request.options.selection.Matches({"db1", "c2"}));
  EXPECT_FALSE(request.options.selection.Matches({"db1", "c1"}));
  for (const char* body : {R"({"db_collections":{"db1":["c1"],"db2":[]},"collection_names":["x"]})",
                           R"({"db_collections":"{\"db1\":[\"c1\"],\"db2\":[]}"})"}) {
    ASSERT_OK_AND_ASSIGN(request, Create(body));
    EXPECT_TRUE(request.options.selection.Matches({"db1", "c1"})) << body;
    EXPECT_TRUE(request.options.selection.Matches({"db2", "any"})) << body;
    EXPECT_FALSE(request.options.selection.Matches({"default", "x"})) << body;
  }
  ASSERT_OK_AND_ASSIGN(request,
                       Create(R"({"filter":{"db1":{"colls":["c1"]},"db2":{"colls":["*"]},"db3":{}},
                          "db_collections":{"db4":[]}})"));
  const backup::Selection& selection = request.options.selection;
  EXPECT_TRUE(selection.Matches({"db1", "c1"}));
  EXPECT_FALSE(selection.Matches({"db1", "c2"}));
  EXPECT_TRUE(selection.Matches({"db2", "c2"}));
  EXPECT_FALSE(selection.Matches({"db3", "c"}));
  EXPECT_TRUE(selection.databases().contains("db3"));
  EXPECT_FALSE(selection.Matches({"db4", "c"}));
}

TEST_F(BackupRequestsTest, StrategyBeforeForceBeforeMetaOnly) {
  ASSERT_OK_AND_ASSIGN(auto request, Create("{}"));
  EXPECT_EQ(request.options.strategy, Strategy::kSerialFlush);
  ASSERT_OK_AND_ASSIGN(request, Create(R"({"meta_only":true})"));
  EXPECT_EQ(request.options.strategy, Strategy::kMetaOnly);
  ASSERT_OK_AND_ASSIGN(request, Create(R"({"meta_only":true,"force":true})"));
  EXPECT_EQ(request.options.strategy, Strategy::kSkipFlush);
  ASSERT_OK_AND_ASSIGN(request, Create(R"({"force":true,"strategy":"bulk_flush"})"));
  EXPECT_EQ(request.options.strategy, Strategy::kBulkFlush);
}

TEST_F(BackupRequestsTest, KeysMatchInAnyCaseAndNullIsAbsent) {
  ASSERT_OK_AND_ASSIGN(const auto request,
                       Create(R"({"Backup_Name":"demo","ASYNC":true,"filter":null,"new":1})"));
  EXPECT_EQ(request.options.name, "demo");
  EXPECT_TRUE(request.is_async);
  EXPECT_TRUE(request.options.selection.selects_everything());
}

TEST_F(BackupRequestsTest, GcPauseMayBeTurnedOnOnly) {
  config_.gc_pause = {.enable = false, .address = "http://m:9091"};
  ASSERT_OK_AND_ASSIGN(
      const auto on,
      Create(
          R"({"gc_pause_enable":true,"gc_pause_seconds":9,"gc_pause_address":"http://m:9091"})"));
  EXPECT_TRUE(on.config.gc_pause.enable);
  config_.gc_pause.enable = true;
  ASSERT_OK_AND_ASSIGN(const auto off, Create(R"({"gc_pause_enable":false})"));
  EXPECT_TRUE(off.config.gc_pause.enable);
}

TEST_F(BackupRequestsTest, RestoreSwitches) {
  ASSERT_OK_AND_ASSIGN(
      const auto request,
      Restore(R"({"backup_name":"b","id":"t","async":true,"requestId":"r","metaOnly":true,
          "restoreIndex":true,"useAutoIndex":true,"dropExistIndex":true,"rbac":true,
          "dropExistCollection":true,"maxShardNum":3,"useV2Restore":true,
          "skipParams":{"indexParams":["c"]},"skipImportDiskQuotaCheck":true})"));
  EXPECT_EQ(request.id, "t");
  EXPECT_EQ(request.request_id, "r");
  const backup::RestoreOptions& options = request.options;
  EXPECT_TRUE(options.meta_only && options.rebuild_index && options.use_auto_index);
  EXPECT_TRUE(options.drop_exist_index && options.rbac);
  EXPECT_EQ(options.existing, backup::ExistingTarget::kReplace);
  EXPECT_EQ(options.max_shard_num, 3);
  EXPECT_EQ(options.skip_params.index_params, std::set<std::string>{"c"});
  EXPECT_THAT(Restore(R"({"backup_name":"b","maxShardNum":-1})"),
              IsError(Code::kInvalidArgument, "max_shard_num"));
}

TEST_F(BackupRequestsTest, RenamesWinOverTheSuffix) {
  ASSERT_OK_AND_ASSIGN(const auto request, Restore(R"({"backup_name":"b","collection_suffix":"_s",
                                   "collection_renames":{"db1.a":"db2.b"}})"));
  EXPECT_EQ(request.options.suffix, "");
  EXPECT_EQ(request.options.renames.Apply({"db1", "a"}).ToString(), "db2.b");
}

TEST_F(BackupRequestsTest, APlanRenamesAndFiltersTargets) {
  ASSERT_OK_AND_ASSIGN(const auto request, Restore(R"({"backup_name":"b","restorePlan":{
          "mapping":[{"source":"db1","target":"db2","withProp":false,
                      "colls":[{"source":"c1","target":"c1_new"}]}],
          "filter":{"db2":{"colls":["c1_new"]}}}})"));
  EXPECT_EQ(request.options.renames.Apply({"db1", "c1"}).ToString(), "db2.c1_new");
  EXPECT_EQ(request.options.renames.Apply({"db1", "c2"}).ToString(), "db1.c2");
  EXPECT_EQ(request.options.renames.ApplyToDatabase("db1"), "db2");
  EXPECT_TRUE(request.options.targets.Matches({"db2", "c1_new"}));
  EXPECT_FALSE(request.options.targets.Matches({"db1", "c2"}));
  // Without a filter a plan is of everything.
  ASSERT_OK_AND_ASSIGN(const auto whole, Restore(R"({"backup_name":"b","restorePlan":{}})"));
  EXPECT_TRUE(whole.options.targets.selects_everything());
  EXPECT_THAT(Restore(R"({"backup_name":"b","restorePlan":{"mapping":[{"source":"a","target":"b",
                  "colls":[{"source":"c","target":"d","override":{"shardNum":1}}]}]}})"),
              IsError(Code::kUnimplemented, "override"));
}

TEST_F(BackupRequestsTest, OnlyConfiguredPlacesMayBeNamed) {
  config_.backup_storage.bucket = "bkt";
  config_.backup_storage.root_path = "backup";
  config::StorageSettings archive = config_.backup_storage;
  archive.root_path = "archive";
  config_.storages["archive"] = archive;
  config::StorageSettings elsewhere = archive;
  elsewhere.address = "elsewhere";
  elsewhere.root_path = "other";
  config_.storages["elsewhere"] = elsewhere;
  const auto root_of = [&](const std::string& bucket, const std::string& path) {
    auto storage = AllowedStorage(config_, bucket, path);
    return storage.ok() ? storage->root_path : std::string(CodeName(storage.status().code()));
  };
  EXPECT_EQ(root_of("", ""), "backup");
  EXPECT_EQ(root_of("bkt", "backup/"), "backup");
  EXPECT_EQ(root_of("", "archive"), "archive");
  const std::string refused(CodeName(Code::kPermissionDenied));
  EXPECT_EQ(root_of("", "other"), refused);
  EXPECT_EQ(root_of("bkt2", ""), refused);
  EXPECT_EQ(root_of("", "backup/../x"), refused);
  ASSERT_OK_AND_ASSIGN(const auto restore, Restore(R"({"backup_name":"b","path":"archive"})"));
  EXPECT_EQ(restore.config.backup_storage.root_path, "archive");
}

TEST_F(BackupRequestsTest, ADigestStandsForWhatIsAskedFor) {
  const auto create = [&](const std::string& text) {
    const auto request = Create(text);
    EXPECT_OK(request);
    return request.ok() ? request->digest : "";
  };
  const auto restore = [&](const std::string& text) {
    const auto request = Restore(text);
    EXPECT_OK(request);
    return request.ok() ? request->digest : "";
  };
  EXPECT_EQ(create("{}").size(), 64U);
  EXPECT_EQ(create("{}"), create(R"({"async":true,"backup_name":"b","rbac":null})"));
  EXPECT_NE(create("{}"), create(R"({"collection_names":["c"]})"));
  const std::string plain = restore(R"({"backup_name":"b","collection_suffix":"_x","rbac":true})");
  EXPECT_EQ(plain, restore(R"({"RBAC":true,"id":"i","requestId":"r","async":true,
                               "collection_suffix":"_x","backup_name":"b"})"));
  EXPECT_NE(plain, restore(R"({"backup_name":"b","collection_suffix":"_y","rbac":true})"));
  EXPECT_NE(plain, restore(R"({"backup_name":"b","collection_suffix":"_x"})"));
}

}  // namespace
}  // namespace milvus_backup::service
