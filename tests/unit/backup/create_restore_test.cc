// create and restore against a fake Milvus and storages in memory: what is called, what is written,
// and what is left after a failure.
#include "support/fake_milvus.h"
#include "support/faulty_backend.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"
#include "unit/binlog/log_builder.h"

#include "milvus_backup/backup/check.h"
#include "milvus_backup/backup/create.h"
#include "milvus_backup/backup/restore.h"
#include "milvus_backup/backup/verify.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/storage/memory_backend.h"
#include "milvus_backup/storage/open.h"
#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::FakeCollection;
using ::milvus_backup::testing::FakeImport;
using ::milvus_backup::testing::FakeMilvus;
using ::milvus_backup::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CreateRestoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto client = milvus::Connect({}, fake_.client_options());
    ASSERT_OK(client);
    client_ = *std::move(client);
    site_.client = client_.get();
    site_.milvus_storage = {.backend = own_.get(),
                            .root = "files",
                            .bucket_key = "minio.bucketName",
                            .root_key = "minio.rootPath"};
    site_.backup_storage = {.backend = own_.get(),
                            .root = "backup",
                            .bucket_key = "minio.backupBucketName",
                            .root_key = "minio.backupRootPath"};
    site_.backup_visible_to_milvus = true;
    site_.copy.concurrency = 4;
    AddCollection();
  }

  // Two partitions with a segment each; the first has deletes.
  void AddCollection() {
    FakeCollection collection;
    collection.info.id = 7;
    collection.info.shards_num = 1;
    collection.info.schema.name = "coll";
    collection.info.schema.fields = {
        {.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5},
        {.field_id = 101, .name = "v", .data_type = 101, .type_params = {{"dim", "4"}}}};
    collection.partitions = {{1, "_default"}, {2, "p2"}};
    collection.indexes = {{"v", "v_idx", 900, {{"index_type", "FLAT"}, {"metric_type", "L2"}}}};
    for (const int64_t id : {11, 22}) {
      collection.segments.push_back(
          {.id = id, .collection_id = 7, .partition_id = id / 11, .num_rows = id, .state = 4});
      for (const int field : {0, 1, 100, 101}) {
        PutOwn("files/insert_log/7/" + std::to_string(id / 11) + "/" + std::to_string(id) + "/" +
               std::to_string(field) + "/" + std::to_string(id * 1000 + field));
      }
    }
    PutDeletes();
    fake_.Add("default", collection);
    fake_.SetImportRows([](const milvus::ImportRequest& request) {
      return request.partition_name == "_default" ? 9 : 22;
    });
  }

  /// Keys and times of the eleven rows of segment 11, and deletes of two of them.
  void PutDeletes() {
    std::string keys;
    std::string times;
    for (int64_t row = 0; row < 11; ++row) {
      keys += milvus_backup::testing::Le(row);
      times += milvus_backup::testing::Le(row + 1);
    }
    for (const auto& [field, content] : {std::pair{100, keys}, std::pair{1, times}}) {
      const std::string log = milvus_backup::testing::MakeContainer(
          {.collection_id = 7,
           .partition_id = 1,
           .segment_id = 11,
           .field_id = field,
           .payloads = {milvus_backup::testing::MakeParquet(
               {{.rows = 11, .pages = {{.values = 11, .content = content}}}})}});
      const std::string key = fmt::format("files/insert_log/7/1/11/{}/{}", field, 11000 + field);
      ASSERT_OK(own_->Put({}, key, AsBytes(log), {}));
    }
    deletes_ = milvus_backup::testing::MakeDeltaLog(
        {R"({"pk":3,"ts":50,"pkType":5})", R"({"pk":4,"ts":50,"pkType":5})"});
    ASSERT_OK(own_->Put({}, "files/delta_log/7/1/11/11999", AsBytes(deletes_), {}));
  }

  void PutOwn(const std::string& key) {
    ASSERT_OK(own_->Put({}, key, AsBytes("bytes of " + key), {}));
  }

  std::vector<std::string> Keys(storage::Backend& backend, const std::string& prefix) {
    std::vector<std::string> keys;
    EXPECT_OK(storage::ForEachObject({}, backend, prefix, [&](const storage::ObjectInfo& object) {
      keys.push_back(object.key);
      return Status::Ok();
    }));
    return keys;
  }

  /// To one that Milvus cannot read.
  void MoveToAnotherStorage() {
    for (const std::string& key : Keys(*own_, "backup/")) {
      ASSERT_OK_AND_ASSIGN(const std::string bytes, storage::ReadAll({}, *own_, key, kMiB));
      ASSERT_OK(other_->Put({}, key, AsBytes(bytes), {}));
    }
    ASSERT_OK(storage::DeleteTree({}, *own_, "backup/"));
    site_.backup_storage.backend = other_.get();
    site_.backup_visible_to_milvus = false;
  }

  Result<CreateReport> Create(const std::string& collections = "coll") {
    auto selection = Selection::ParseCollections(collections);
    EXPECT_OK(selection);
    return CreateBackup({}, site_, {.name = "b", .selection = *selection});
  }

  FakeMilvus fake_;
  std::unique_ptr<milvus::Client> client_;
  std::unique_ptr<storage::Backend> own_ = storage::MakeMemoryBackend();
  std::unique_ptr<storage::Backend> other_ = storage::MakeMemoryBackend();
  Site site_;
  std::string deletes_;
};

TEST_F(CreateRestoreTest, CreateCopiesEveryLogAndWritesTheHeader) {
  ASSERT_OK_AND_ASSIGN(const CreateReport report, Create());
  EXPECT_EQ(report.segments, 2U);
  EXPECT_EQ(report.rows, 33);
  EXPECT_EQ(report.objects, 9U);
  EXPECT_EQ(report.server_side_objects, 9U);
  EXPECT_EQ(Keys(*own_, "backup/b/binlogs/insert_log/7/1/").size(), 4U);
  EXPECT_THAT(Keys(*own_, "backup/b/binlogs/delta_log/"),
              ElementsAre("backup/b/binlogs/delta_log/7/1/11/11/11999"));
  EXPECT_EQ(Keys(*own_, "backup/b/meta/").size(), 7U);  // five files and the manifest
  ASSERT_OK_AND_ASSIGN(const meta::BackupInfo info, meta::ReadBackup({}, *own_, "backup/b/"));
  ASSERT_OK_AND_ASSIGN(const VerifyReport verified,
                       VerifyBackup({}, site_.backup_storage, {.name = "b"}));
  EXPECT_TRUE(verified.has_manifest);
  EXPECT_EQ(verified.problems, 0U);
  EXPECT_EQ(info.milvus_version, "v2.3.5-lite");
  EXPECT_EQ(info.size, static_cast<int64_t>(report.bytes));
  ASSERT_EQ(info.collection_backups.size(), 1U);
  EXPECT_EQ(info.collection_backups[0].index_infos[0].index_type, "FLAT");
  EXPECT_EQ(info.collection_backups[0].partition_backups[1].segment_backups[0].num_of_rows, 22);
}

TEST_F(CreateRestoreTest, CreateToAnotherStorageStreams) {
  site_.backup_storage.backend = other_.get();
  site_.backup_visible_to_milvus = false;
  site_.copy.force_streaming = true;
  ASSERT_OK_AND_ASSIGN(const CreateReport report, Create());
  EXPECT_EQ(report.server_side_objects, 0U);
  const std::string key = "backup/b/binlogs/delta_log/7/1/11/11/11999";
  ASSERT_OK_AND_ASSIGN(const std::string bytes, storage::ReadAll({}, *other_, key, 1000));
  EXPECT_EQ(bytes, deletes_);
}

TEST_F(CreateRestoreTest, CreateRefusesATakenName) {
  ASSERT_OK(Create());
  EXPECT_THAT(Create(), IsError(Code::kAlreadyExists, "backup b already exists"));
  ASSERT_OK(own_->Delete({}, meta::MetaKey("backup/b/", meta::MetaFile::kHeader)));
  EXPECT_THAT(Create(), IsError(Code::kAlreadyExists, "unfinished backup b"));
}

TEST_F(CreateRestoreTest, CreateNamesWhatIsMissing) {
  EXPECT_THAT(Create("coll,nope"), IsError(Code::kNotFound, "default.nope does not exist"));
  EXPECT_THAT(Create("nodb.coll"), IsError(Code::kNotFound, "database nodb"));
  EXPECT_TRUE(Keys(*own_, "backup/").empty());
}

TEST_F(CreateRestoreTest, CreateFailsOnAWrongRootPathAndLeavesNothing) {
  site_.milvus_storage.root = "wrong";
  const auto report = Create();
  EXPECT_THAT(report, IsError(Code::kDataLoss, "no insert logs under 'wrong/insert_log/7/"));
  EXPECT_THAT(report, IsError(Code::kDataLoss, "minio.rootPath"));
  EXPECT_TRUE(Keys(*own_, "backup/").empty());
}

TEST_F(CreateRestoreTest, CreateNoticesFieldsOfDifferentLength) {
  PutOwn("files/insert_log/7/2/22/101/777");
  EXPECT_THAT(Create(), IsError(Code::kDataLoss, "segment 22: field 101 has 2 files"));
  EXPECT_TRUE(Keys(*own_, "backup/").empty());
}

TEST_F(CreateRestoreTest, CreateLeavesOutUnknownSegments) {
  PutOwn("files/insert_log/7/1/555/100/1");  // dropped by a compaction, not yet collected
  ASSERT_OK_AND_ASSIGN(const CreateReport report, Create());
  EXPECT_EQ(report.objects, 9U);
}

TEST_F(CreateRestoreTest, StopDuringTheFlushLeavesNothing) {
  fake_.Plan("GetFlushState", {.delay = std::chrono::milliseconds(300)}, 100);
  std::stop_source stop;
  std::jthread stopper([&] {
    while (fake_.count("GetFlushState") == 0) std::this_thread::yield();
    stop.request_stop();
  });
  const auto report = CreateBackup({stop.get_token(), {}}, site_, {.name = "b"});
  EXPECT_THAT(report, IsError(Code::kCancelled, ""));
  EXPECT_TRUE(Keys(*own_, "backup/").empty());
}

TEST_F(CreateRestoreTest, FailureLeavesABackupOfAnotherRunAlone) {
  fake_.Plan("GetFlushState", {.delay = std::chrono::milliseconds(300)}, 100);
  const std::string header = meta::MetaKey("backup/b/", meta::MetaFile::kHeader);
  std::stop_source stop;
  std::jthread other_run([&] {
    while (fake_.count("GetFlushState") == 0) std::this_thread::yield();
    EXPECT_OK(own_->Put({}, header, AsBytes("{}"), {}));
    stop.request_stop();
  });
  EXPECT_THAT(CreateBackup({stop.get_token(), {}}, site_, {.name = "b"}),
              IsError(Code::kCancelled, ""));
  EXPECT_OK(own_->Stat({}, header));
}

TEST_F(CreateRestoreTest, RestoreInPlaceImportsOneTaskPerPartition) {
  ASSERT_OK(Create());
  ASSERT_OK_AND_ASSIGN(
      const RestoreReport report,
      RestoreBackup({}, site_, {.name = "b", .suffix = "_bak", .rebuild_index = true}));
  EXPECT_THAT(
      fake_.texts("Import"),
      ElementsAre(
          "Import default.coll_bak/_default files=[backup/b/binlogs/insert_log/7/1/,"
          "backup/b/binlogs/delta_log/7/1/] options=[skip_disk_quota_check=true,backup=true]",
          "Import default.coll_bak/p2 files=[backup/b/binlogs/insert_log/7/2/,] "
          "options=[skip_disk_quota_check=true,backup=true]"));
  EXPECT_EQ(report.imports, 2U);
  EXPECT_EQ(report.staged_objects, 0U);
  ASSERT_EQ(report.collections.size(), 1U);
  EXPECT_EQ(report.collections[0].rows.restored, 31);
  // Two of 33 are deleted.
  EXPECT_EQ(report.collections[0].rows.at_least, 31);
  EXPECT_EQ(report.collections[0].rows.at_most, 31);
  const auto restored = fake_.Find("default", "coll_bak");
  ASSERT_TRUE(restored.has_value());
  EXPECT_EQ(restored->partitions.size(), 2U);
  EXPECT_EQ(restored->indexes.size(), 1U);
}

TEST_F(CreateRestoreTest, RestoreCallsMilvusInItsOrder) {
  ASSERT_OK(Create());
  const size_t before = fake_.calls().size();
  ASSERT_OK(RestoreBackup({}, site_, {.name = "b", .suffix = "_bak", .rebuild_index = true}));
  std::vector<std::string> methods;
  const auto calls = fake_.calls();
  for (size_t i = before; i < calls.size(); ++i) {
    // Polls repeat as often as they have to.
    if (methods.empty() || methods.back() != calls[i].method) methods.push_back(calls[i].method);
  }
  // Indexes come last, when the rows are there: the Go tool creates them before the imports.
  // AllocTimestamp is ours, so that a later run knows its own collection.
  EXPECT_THAT(methods,
              ElementsAre("ListDatabases", "HasCollection", "AllocTimestamp", "CreateCollection",
                          "DescribeCollection", "ShowPartitions", "CreatePartition", "Import",
                          "GetImportState", "CreateIndex", "GetPersistentSegmentInfo"));
}

TEST_F(CreateRestoreTest, RestoreFromAnotherStorageStagesAndCleansUp) {
  ASSERT_OK(Create());
  MoveToAnotherStorage();
  ASSERT_OK_AND_ASSIGN(const RestoreReport report,
                       RestoreBackup({}, site_, {.name = "b", .suffix = "_bak"}));
  EXPECT_EQ(report.staged_objects, 9U);
  const std::vector<std::string> imports = fake_.texts("Import");
  ASSERT_EQ(imports.size(), 2U);
  EXPECT_THAT(imports[0], HasSubstr("files=[restore-temp-"));
  EXPECT_THAT(imports[0], HasSubstr("/binlogs/insert_log/7/1/,restore-temp-"));
  EXPECT_TRUE(Keys(*own_, "restore-temp-").empty());
}

TEST_F(CreateRestoreTest, StagedFilesStayWhereThatIsAskedFor) {
  ASSERT_OK(Create());
  MoveToAnotherStorage();
  site_.keep_temp_files = true;
  ASSERT_OK(RestoreBackup({}, site_, {.name = "b", .suffix = "_bak"}));
  EXPECT_EQ(Keys(*own_, "restore-temp-").size(), 9U);
}

TEST_F(CreateRestoreTest, RestoreWritesNothingWhenATargetExists) {
  ASSERT_OK(Create());
  const auto report = RestoreBackup({}, site_, {.name = "b"});
  EXPECT_THAT(report, IsError(Code::kAlreadyExists, "collection already exist: default.coll"));
  EXPECT_EQ(fake_.count("CreateCollection"), 0U);
}

TEST_F(CreateRestoreTest, RestoreChecksTheFilesBeforeWriting) {
  ASSERT_OK(Create());
  const std::string key = "backup/b/binlogs/insert_log/7/2/22/22/101/22101";
  ASSERT_OK(own_->Put({}, key, AsBytes("short"), {}));
  EXPECT_THAT(RestoreBackup({}, site_, {.name = "b", .suffix = "_bak"}),
              IsError(Code::kDataLoss, key + " has 5 bytes"));
  ASSERT_OK(own_->Delete({}, key));
  EXPECT_THAT(RestoreBackup({}, site_, {.name = "b", .suffix = "_bak"}),
              IsError(Code::kDataLoss, key + " is missing"));
  EXPECT_EQ(fake_.count("CreateCollection"), 0U);
}

TEST_F(CreateRestoreTest, RestoreRefusesStrangersInTheImportDirectories) {
  ASSERT_OK(Create());
  ASSERT_OK(own_->Put({}, "backup/b/binlogs/insert_log/7/1/99/99/100/1", AsBytes("x"), {}));
  EXPECT_THAT(RestoreBackup({}, site_, {.name = "b", .suffix = "_bak"}),
              IsError(Code::kDataLoss, "does not belong to the backup"));
}

TEST_F(CreateRestoreTest, RestoreOfAMissingBackupSaysSo) {
  EXPECT_THAT(RestoreBackup({}, site_, {.name = "absent"}),
              IsError(Code::kNotFound, "backup absent not found"));
}

TEST_F(CreateRestoreTest, FailedImportShowsTheReasonAndDropsTheCollection) {
  ASSERT_OK(Create());
  for (const FakeImport outcome : {FakeImport::kFail, FakeImport::kFailAndClean}) {
    fake_.PlanImport(outcome, "binlog is broken");
    const auto report = RestoreBackup({}, site_, {.name = "b", .suffix = "_bak"});
    EXPECT_THAT(report, IsError(Code::kAborted, "binlog is broken"));
    EXPECT_FALSE(fake_.Find("default", "coll_bak").has_value());
  }
}

TEST_F(CreateRestoreTest, MissingRowsAreAnError) {
  ASSERT_OK(Create());
  fake_.SetImportRows([](const milvus::ImportRequest&) { return 0; });
  EXPECT_THAT(RestoreBackup({}, site_, {.name = "b", .suffix = "_bak"}),
              IsError(Code::kDataLoss, "holds 0 rows after the import instead of 31"));
  EXPECT_FALSE(fake_.Find("default", "coll_bak").has_value());
}

TEST_F(CreateRestoreTest, StopDuringTheImportDropsTheCollectionOnceTheServerIsDone) {
  ASSERT_OK(Create());
  std::stop_source stop;
  fake_.Plan("GetImportState", {.delay = std::chrono::milliseconds(100)});
  std::jthread stopper([&] {
    while (fake_.count("GetImportState") == 0) std::this_thread::yield();
    stop.request_stop();
  });
  EXPECT_THAT(RestoreBackup({stop.get_token(), {}}, site_, {.name = "b", .suffix = "_bak"}),
              IsError(Code::kCancelled, ""));
  EXPECT_FALSE(fake_.Find("default", "coll_bak").has_value());
  EXPECT_GT(fake_.count("ListImportTasks"), 0U);
}

TEST_F(CreateRestoreTest, CheckMovesAByteAndLeavesNothing) {
  ASSERT_OK_AND_ASSIGN(const CheckReport report, CheckSite({}, site_));
  EXPECT_EQ(report.milvus_version, "v2.3.5-lite");
  EXPECT_TRUE(report.server_side_copy);
  EXPECT_FALSE(report.milvus_root_is_empty);
  EXPECT_TRUE(Keys(*own_, "backup/").empty());
  EXPECT_TRUE(Keys(*own_, "files/milvus_backup_check").empty());
  EXPECT_EQ(report.likely_milvus_root, std::nullopt);
  site_.milvus_storage.root = "elsewhere";
  ASSERT_OK_AND_ASSIGN(const CheckReport elsewhere, CheckSite({}, site_));
  EXPECT_TRUE(elsewhere.milvus_root_is_empty);
  EXPECT_EQ(elsewhere.likely_milvus_root, std::nullopt);
}

TEST_F(CreateRestoreTest, CheckFindsARootPathThatIsOneDirectoryOff) {
  for (const char* wrong : {"", "files/insert_log", "files/more"}) {
    site_.milvus_storage.root = wrong;
    ASSERT_OK_AND_ASSIGN(const CheckReport report, CheckSite({}, site_));
    EXPECT_EQ(report.likely_milvus_root, "files") << wrong;
  }
  ASSERT_OK(storage::DeleteTree({}, *own_, "files/insert_log/"));
  PutOwn("insert_log/7/1/11/100/11100");
  site_.milvus_storage.root = "files";
  ASSERT_OK_AND_ASSIGN(const CheckReport report, CheckSite({}, site_));
  EXPECT_EQ(report.likely_milvus_root, "");
}

TEST_F(CreateRestoreTest, WhatAKilledCreateWasWritingIsGoneFromTheDisk) {
  testing::TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto local, storage::OpenLocal({.root = dir.path()}));
  site_.backup_storage.backend = local.get();
  site_.backup_visible_to_milvus = false;
  ASSERT_OK(meta::WriteRunRecord({}, *local, meta::MarkerKey("backup/b/"),
                                 meta::NewRunRecord("create", "b")));
  const std::string backup = dir.path() + "/backup/b/";
  const std::string log = testing::LeaveTemporary(backup + "binlogs/insert_log/7/1/11/11/100/1");
  const std::string other = testing::LeaveTemporary(backup + "binlogs/insert_log/6/1/9/9/100/1");
  const std::string meta = testing::LeaveTemporary(backup + "meta/full_meta.json");
  ASSERT_OK(Create());
  for (const std::string& path : {log, other, meta}) EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_FALSE(std::filesystem::exists(backup + "binlogs/insert_log/6"));
}

TEST_F(CreateRestoreTest, CreateMakesAMissingDirectoryButNotInADryRun) {
  testing::TempDir dir;
  const std::string root = dir.path() + "/not/yet";
  ASSERT_OK_AND_ASSIGN(const auto local, storage::OpenLocal({.root = root}));
  site_.backup_storage.backend = local.get();
  ASSERT_OK(CreateBackup({}, site_, {.name = "b", .dry_run = true}));
  EXPECT_FALSE(std::filesystem::exists(root));
  ASSERT_OK(CreateBackup({}, site_, {.name = "b"}));
  EXPECT_TRUE(std::filesystem::exists(root + "/backup/b/meta/backup_meta.json"));
}

TEST_F(CreateRestoreTest, CheckWritesNothingWhereABackupWouldHaveToMakeItsStorage) {
  testing::TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto local, storage::OpenLocal({.root = dir.path() + "/new"}));
  testing::FaultyBackend bucket(storage::MakeMemoryBackend());
  bucket.Plan(storage::Method::kCheckAccess, {.error = NotFoundError("no such bucket")
                                                           .WithOrigin(Origin::kStorage)
                                                           .WithService("NoSuchBucket", 404, "")});
  for (storage::Backend* backend : {local.get(), static_cast<storage::Backend*>(&bucket)}) {
    site_.backup_storage.backend = backend;
    ASSERT_OK_AND_ASSIGN(const CheckReport report, CheckSite({}, site_));
    EXPECT_TRUE(report.backup_storage_is_missing);
    EXPECT_EQ(report.milvus_version, "v2.3.5-lite");
    EXPECT_FALSE(report.milvus_root_is_empty);
    EXPECT_TRUE(Keys(*own_, "files/milvus_backup_check").empty());
  }
  EXPECT_TRUE(bucket.AllHit()) << bucket.NotHit();
  EXPECT_EQ(bucket.calls(), 1U);
  bucket.Plan(storage::Method::kCheckAccess,
              {.error = Status(Code::kPermissionDenied, "no").WithOrigin(Origin::kStorage)});
  EXPECT_THAT(CheckSite({}, site_), IsError(Code::kPermissionDenied, "no"));
}

}  // namespace
}  // namespace milvus_backup::backup
