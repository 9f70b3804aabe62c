// What a create leaves when its storage falls silent at every single operation, as a killed process
// leaves it, and what the next run of the same command makes of that.
#include "mortal_backend.h"
#include "support/fake_milvus.h"
#include "support/mortal.h"
#include "support/status_matchers.h"

#include "milvus_backup/backup/create.h"
#include "milvus_backup/backup/delete.h"
#include "milvus_backup/backup/verify.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/manifest.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/storage/memory_backend.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::FakeCollection;
using ::milvus_backup::testing::FakeMilvus;
using ::milvus_backup::testing::IsError;
using ::milvus_backup::testing::kSweepStep;

class CreateCrashTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto client = milvus::Connect({}, fake_.client_options());
    ASSERT_OK(client);
    client_ = *std::move(client);
    site_.client = client_.get();
    site_.milvus_storage = {.backend = &own_, .root = "files"};
    site_.backup_storage = {.backend = &backups_, .root = "backup"};
    site_.parallel_collections = 1;
    // One at a time, so that every run makes the same calls; the large object goes in parts.
    site_.copy.concurrency = 1;
    site_.copy.part_size = 5 * kMiB;
    site_.copy.force_streaming = true;
    Add("one", 7, 100);
    Add("two", 8, 6 * kMiB);
  }

  void Add(const std::string& name, int64_t id, size_t bytes) {
    FakeCollection collection;
    collection.info.id = id;
    collection.info.schema.name = name;
    collection.info.schema.fields = {{.field_id = 100, .name = "id", .is_primary_key = true}};
    collection.partitions = {{id * 10, "_default"}};
    collection.segments = {
        {.id = id * 100, .collection_id = id, .partition_id = id * 10, .num_rows = 5, .state = 4}};
    ASSERT_OK(own_.Put({}, LogKey(id), AsBytes(std::string(bytes, 'x')), {}));
    fake_.Add("default", collection);
  }
  static std::string LogKey(int64_t id) {
    return "files/insert_log/" + std::to_string(id) + "/" + std::to_string(id * 10) + "/" +
           std::to_string(id * 100) + "/100/1";
  }

  Result<CreateReport> Create() { return CreateBackup({}, site_, {.name = "b"}); }

  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    EXPECT_OK(storage::ForEachObject({}, backups_, "backup/", [&](const auto& object) {
      keys.push_back(object.key);
      return Status::Ok();
    }));
    return keys;
  }
  bool IsListed() {
    const auto list = meta::ListBackups({}, backups_, "backup");
    EXPECT_OK(list.status());
    return list.ok() && !list->backups.empty();
  }
  std::vector<storage::UploadInfo> Uploads(const std::string& key) {
    const auto uploads = backups_.ListUploads({}, key);
    EXPECT_OK(uploads);
    return uploads.ok() ? *uploads : std::vector<storage::UploadInfo>();
  }
  /// As a killed run leaves it.
  void LeaveUpload(const std::string& key) {
    ASSERT_OK_AND_ASSIGN(const auto upload, backups_.StartUpload({}, key, {.part_size = 5 * kMiB}));
    upload->Detach();
    ASSERT_EQ(Uploads(key).size(), 1U);
  }

  void Bury() { BuryLocks(backups_, "backup/.locks/"); }
  /// A run that was killed when it had written its first meta file.
  void LeaveMetas() {
    for (uint64_t alive = 1;; ++alive) {
      backups_.Live(alive);
      ASSERT_FALSE(Create().ok());
      backups_.Live(kForever);
      Bury();
      if (backups_.Stat({}, "backup/b/meta/collection_meta.json").ok()) return;
      ASSERT_LT(alive, 1000U);
    }
  }

  FakeMilvus fake_;
  std::unique_ptr<milvus::Client> client_;
  MortalBackend own_;
  MortalBackend backups_;
  Site site_;
};

TEST_F(CreateCrashTest, TheNextRunEndsRightAfterASilenceAtAnyOperation) {
  ASSERT_OK(Create());
  const std::vector<std::string> whole = Keys();
  const uint64_t operations = backups_.calls();
  ASSERT_GT(operations, 20U);
  int unfinished = 0;
  for (const bool last_is_lost : {false, true}) {
    for (uint64_t alive = 1; alive < operations; alive += kSweepStep) {
      SCOPED_TRACE(std::to_string(alive) + (last_is_lost ? ", answer lost" : ""));
      backups_.Live(kForever);
      ASSERT_OK(DeleteBackup({}, site_.backup_storage, "b"));
      ASSERT_TRUE(Keys().empty());
      backups_.Live(alive, last_is_lost);
      const auto cut = Create();
      backups_.Live(kForever);
      Bury();
      const bool listed = IsListed();
      // Only what is whole may be listed, whatever the run itself could say.
      if (listed) {
        EXPECT_OK(meta::ReadBackup({}, backups_, "backup/b/").status());
      }
      EXPECT_TRUE(cut.ok() ? listed : true);
      unfinished += listed ? 0 : 1;
      const auto again = Create();
      if (!again.ok()) {
        // Finished, and only the lock was left.
        EXPECT_TRUE(listed) << again.status().ToString();
        EXPECT_THAT(again, IsError(Code::kAlreadyExists, "already exists"));
      }
      EXPECT_EQ(Keys(), whole);
    }
  }
  EXPECT_GT(unfinished, 20 / static_cast<int>(kSweepStep));
}

TEST_F(CreateCrashTest, WhatIsThereIsKeptAndWhatIsGoneFromMilvusIsRemoved) {
  LeaveMetas();
  // Compaction has replaced a segment meanwhile, and a collection was dropped.
  ASSERT_OK(client_->DropCollection({}, "default", "one"));
  ASSERT_OK_AND_ASSIGN(const CreateReport report, Create());
  EXPECT_TRUE(report.resumed);
  EXPECT_EQ(report.kept_objects, 1U);
  EXPECT_EQ(report.collections, 1U);
  for (const std::string& key : Keys()) {
    EXPECT_EQ(key.find("insert_log/7/"), std::string::npos) << key;
  }
  ASSERT_OK_AND_ASSIGN(const meta::BackupInfo info, meta::ReadBackup({}, backups_, "backup/b/"));
  EXPECT_EQ(info.collection_backups.size(), 1U);
}

TEST_F(CreateCrashTest, LogsOfAnEarlierRunAreNoPartOfABackupWithoutRows) {
  LeaveMetas();
  ASSERT_OK(CreateBackup({}, site_, {.name = "b", .strategy = Strategy::kMetaOnly}));
  for (const std::string& key : Keys()) EXPECT_EQ(key.find("binlogs/"), std::string::npos) << key;
  ASSERT_OK_AND_ASSIGN(const VerifyReport report,
                       VerifyBackup({}, site_.backup_storage, {.name = "b"}));
  EXPECT_EQ(report.problems, 0U);
}

TEST_F(CreateCrashTest, DeletesOfAWholeCollectionAreKept) {
  FakeCollection collection;
  collection.info.id = 9;
  collection.info.schema.name = "three";
  collection.info.schema.fields = {{.field_id = 100, .name = "id", .is_primary_key = true}};
  collection.partitions = {{90, "_default"}};
  collection.segments = {{.id = 900,
                          .collection_id = 9,
                          .partition_id = meta::kAllPartitions,
                          .state = 4,
                          .level = 1}};
  ASSERT_OK(own_.Put({}, "files/delta_log/9/-1/900/1", AsBytes(std::string("x")), {}));
  fake_.Add("default", collection);
  LeaveMetas();
  ASSERT_OK(Create());
  EXPECT_OK(backups_.Stat({}, "backup/b/binlogs/delta_log/9/-1/900/1"));
}

TEST_F(CreateCrashTest, UploadsOfAnEarlierRunAreEnded) {
  // Of a segment that is still there, one that is not, and a meta file.
  const std::vector<std::string> keys = {"binlogs/insert_log/8/80/800/800/100/1",
                                         "binlogs/insert_log/8/80/801/801/100/1"};
  const std::string full = meta::MetaKey("backup/b/", meta::MetaFile::kFull);
  for (const bool goes_on : {true, false}) {
    meta::RunRecord left = meta::NewRunRecord("create", "b");
    left.uploads = keys;
    ASSERT_OK(meta::WriteRunRecord({}, backups_, meta::MarkerKey("backup/b/"), left));
    for (const std::string& key : keys) LeaveUpload("backup/b/" + key);
    LeaveUpload(full);
    if (goes_on) {
      EXPECT_OK(Create().status());
    }
    EXPECT_OK(DeleteBackup({}, site_.backup_storage, "b").status());
    for (const std::string& key : keys) EXPECT_TRUE(Uploads("backup/b/" + key).empty()) << key;
    EXPECT_TRUE(Uploads(full).empty());
    EXPECT_TRUE(Keys().empty());
  }
}

TEST_F(CreateCrashTest, LargeObjectsAreAnnouncedBeforeTheirUploadBegins) {
  for (uint64_t alive = 1;; ++alive) {
    backups_.Live(alive);
    const bool done = Create().ok();
    backups_.Live(kForever);
    Bury();
    ASSERT_FALSE(done) << "no run ended between the announcement and the object";
    ASSERT_OK_AND_ASSIGN(const auto marker,
                         meta::ReadRunRecord({}, backups_, meta::MarkerKey("backup/b/")));
    const bool there = backups_.Stat({}, "backup/b/binlogs/insert_log/8/80/800/800/100/1").ok();
    const bool announced =
        marker &&
        marker->uploads == std::vector<std::string>{"binlogs/insert_log/8/80/800/800/100/1"};
    if (there) {
      EXPECT_TRUE(announced);
      break;
    }
  }
}

TEST_F(CreateCrashTest, ADamagedObjectOfAnEarlierRunIsCopiedAgain) {
  ASSERT_OK(Create());
  const std::string key = "backup/b/binlogs/insert_log/7/70/700/700/100/1";
  ASSERT_OK(backups_.Delete({}, meta::MetaKey("backup/b/", meta::MetaFile::kHeader)));
  ASSERT_OK(meta::WriteRunRecord({}, backups_, meta::MarkerKey("backup/b/"),
                                 meta::NewRunRecord("create", "b")));
  ASSERT_OK(backups_.Put({}, key, AsBytes(std::string(100, 'y')), {}));
  ASSERT_OK_AND_ASSIGN(const CreateReport report, Create());
  EXPECT_EQ(report.kept_objects, 1U);
  ASSERT_OK_AND_ASSIGN(const std::string bytes, storage::ReadAll({}, backups_, key, 1000));
  EXPECT_EQ(bytes, std::string(100, 'x'));
}

TEST_F(CreateCrashTest, APartialBackupIsTakenUpForWhatItLacks) {
  ASSERT_OK(own_.Delete({}, LogKey(7)));
  ASSERT_OK_AND_ASSIGN(const CreateReport partial, Create());
  EXPECT_TRUE(partial.partial());
  ASSERT_OK(own_.Put({}, LogKey(7), AsBytes(std::string(100, 'x')), {}));
  const size_t flushes = fake_.count("Flush");
  ASSERT_OK_AND_ASSIGN(const CreateReport whole, Create());
  EXPECT_FALSE(whole.partial());
  EXPECT_TRUE(whole.resumed);
  EXPECT_EQ(whole.collections, 2U);
  EXPECT_EQ(fake_.count("Flush"), flushes + 1);
  ASSERT_OK_AND_ASSIGN(const meta::BackupInfo info, meta::ReadBackup({}, backups_, "backup/b/"));
  EXPECT_FALSE(info.partial);
  EXPECT_EQ(info.collection_backups.size(), 2U);
  EXPECT_THAT(Create(), IsError(Code::kAlreadyExists, "already exists"));
}

class PartialCrashTest : public CreateCrashTest {
 protected:
  /// A backup that has default.two, which is in Milvus no more, and lacks the two others.
  void LeavePartial() {
    backups_.Live(kForever);
    if (!Keys().empty()) {
      ASSERT_OK(DeleteBackup({}, site_.backup_storage, "b"));
    }
    Add("one", 7, 100);
    Add("two", 8, 6 * kMiB);
    Add("three", 9, 100);
    ASSERT_OK(own_.Delete({}, LogKey(7)));
    ASSERT_OK(own_.Delete({}, LogKey(9)));
    ASSERT_OK_AND_ASSIGN(const CreateReport report, Create());
    ASSERT_EQ(report.collections, 1U);
    ASSERT_OK(own_.Put({}, LogKey(7), AsBytes(std::string(100, 'x')), {}));
    fake_.Drop("default", "two");
  }
  Result<CreateReport> CreateOne(Strategy strategy = Strategy::kSerialFlush) {
    return CreateBackup(
        {}, site_,
        {.name = "b", .selection = *Selection::ParseCollections("one"), .strategy = strategy});
  }
  bool HasHeader() { return backups_.Stat({}, "backup/b/meta/backup_meta.json").ok(); }
  /// A run that was killed between the old header and the new one.
  void LeaveWithoutHeader() {
    for (uint64_t alive = 1;; ++alive) {
      LeavePartial();
      backups_.Live(alive);
      ASSERT_FALSE(CreateOne().ok());
      backups_.Live(kForever);
      Bury();
      if (!HasHeader()) return;
    }
  }
};

TEST_F(PartialCrashTest, ACollectionThatWasRenamedIsNotTakenTwice) {
  LeavePartial();
  const std::vector<std::string> before = Keys();
  Add("new_name", 8, 6 * kMiB);
  EXPECT_THAT(
      CreateBackup({}, site_,
                   {.name = "b", .selection = *Selection::ParseCollections("one,new_name")}),
      IsError(Code::kFailedPrecondition, "default.new_name under the name that it had before"));
  EXPECT_EQ(Keys(), before);
  ASSERT_OK_AND_ASSIGN(const CreateReport report, CreateOne());
  EXPECT_EQ(report.collections, 2U);
}

TEST_F(PartialCrashTest, ADryRunTellsWhatTheRunWouldDoAndChangesNothing) {
  LeaveWithoutHeader();
  const std::vector<std::string> before = Keys();
  ASSERT_OK_AND_ASSIGN(const auto marker,
                       storage::ReadAll({}, backups_, meta::MarkerKey("backup/b/"), kMiB));
  CreateOptions options{.name = "b", .dry_run = true};
  options.selection = *Selection::ParseCollections("one");
  ASSERT_OK_AND_ASSIGN(const CreateReport would, CreateBackup({}, site_, options));
  EXPECT_TRUE(would.resumed);
  ASSERT_EQ(would.per_collection.size(), 3U);
  EXPECT_FALSE(would.per_collection[0].kept);
  EXPECT_THAT(would.per_collection[1].status, IsError(Code::kNotFound, "not selected by this one"));
  EXPECT_TRUE(would.per_collection[2].kept);
  EXPECT_EQ(would.per_collection[2].name, "default.two");
  EXPECT_EQ(Keys(), before);
  EXPECT_EQ(*storage::ReadAll({}, backups_, meta::MarkerKey("backup/b/"), kMiB), marker);
  Add("new_name", 8, 6 * kMiB);
  options.selection = *Selection::ParseCollections("one,new_name");
  EXPECT_THAT(CreateBackup({}, site_, options),
              IsError(Code::kFailedPrecondition, "under the name that it had before"));
  EXPECT_EQ(Keys(), before);
  ASSERT_OK_AND_ASSIGN(const CreateReport done, CreateOne());
  EXPECT_EQ(done.collections, would.collections);
}

// Nothing but the marker of the run that was killed says what such a backup has.
TEST_F(PartialCrashTest, ARenamedCollectionLeavesABackupWithoutHeaderToBeContinued) {
  LeaveWithoutHeader();
  Add("new_name", 8, 6 * kMiB);
  EXPECT_THAT(
      CreateBackup({}, site_,
                   {.name = "b", .selection = *Selection::ParseCollections("one,new_name")}),
      IsError(Code::kFailedPrecondition, "default.new_name under the name that it had before"));
  ASSERT_OK_AND_ASSIGN(const CreateReport report, CreateOne());
  EXPECT_EQ(report.collections, 2U);
}

TEST_F(PartialCrashTest, WhatItHasIsKeptAfterASilenceAtAnyOperation) {
  LeavePartial();
  backups_.Live(kForever);
  ASSERT_OK(CreateOne());
  const std::vector<std::string> right = Keys();
  const uint64_t operations = backups_.calls();
  int headerless = 0;
  for (const bool last_is_lost : {false, true}) {
    for (uint64_t alive = 1; alive < operations; alive += kSweepStep) {
      SCOPED_TRACE(std::to_string(alive) + (last_is_lost ? ", answer lost" : ""));
      LeavePartial();
      backups_.Live(alive, last_is_lost);
      CreateOne().status().IgnoreError("silence may fall after the header");
      backups_.Live(kForever);
      Bury();
      headerless += HasHeader() ? 0 : 1;
      ASSERT_OK_AND_ASSIGN(const CreateReport again, CreateOne());
      EXPECT_EQ(again.collections, 2U);
      EXPECT_TRUE(again.partial());
      EXPECT_EQ(Keys(), right);
      ASSERT_OK_AND_ASSIGN(const auto info, meta::ReadBackup({}, backups_, "backup/b/"));
      EXPECT_EQ(info.collection_backups.size(), 2U);
      EXPECT_EQ(info.failed_collections, std::vector<std::string>{"default.three"});
    }
  }
  EXPECT_GT(headerless, 10 / static_cast<int>(kSweepStep));
}

TEST_F(PartialCrashTest, WithoutItsHeaderItIsNotFinishedWithoutRows) {
  LeaveWithoutHeader();
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(CreateOne(Strategy::kMetaOnly),
                IsError(Code::kFailedPrecondition, "--strategy meta_only would leave out"));
  }
  ASSERT_OK_AND_ASSIGN(const CreateReport again, CreateOne());
  EXPECT_EQ(again.collections, 2U);
}

TEST_F(PartialCrashTest, WithoutItsHeaderAndMetasItIsRefused) {
  LeaveWithoutHeader();
  ASSERT_OK(backups_.Delete({}, meta::MetaKey("backup/b/", meta::MetaFile::kFull)));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(CreateOne(), IsError(Code::kDataLoss, "full_meta.json is missing"));
  }
  EXPECT_OK(backups_.Stat({}, "backup/b/binlogs/insert_log/8/80/800/800/100/1"));
}

TEST_F(CreateCrashTest, APartialBackupWithRowsIsNotFinishedWithoutThem) {
  ASSERT_OK(own_.Delete({}, LogKey(7)));
  ASSERT_OK(Create());
  const std::vector<std::string> before = Keys();
  EXPECT_THAT(CreateBackup({}, site_, {.name = "b", .strategy = Strategy::kMetaOnly}),
              IsError(Code::kFailedPrecondition, "--strategy meta_only would leave out"));
  EXPECT_EQ(Keys(), before);
}

TEST_F(CreateCrashTest, APartialBackupTakesUpWhatElseIsSelectedByNow) {
  ASSERT_OK(own_.Delete({}, LogKey(7)));
  ASSERT_OK_AND_ASSIGN(const CreateReport partial, Create());
  EXPECT_TRUE(partial.partial());
  ASSERT_OK(own_.Put({}, LogKey(7), AsBytes(std::string(100, 'x')), {}));
  Add("three", 9, 100);
  ASSERT_OK_AND_ASSIGN(const CreateReport whole, Create());
  EXPECT_FALSE(whole.partial());
  EXPECT_EQ(whole.collections, 3U);
}

TEST_F(CreateCrashTest, AFinishedBackupWithItsMarkerAnswersForWhatItHasOnly) {
  ASSERT_OK(Create());
  const std::string marker = meta::MarkerKey("backup/b/");
  const meta::RunRecord left = meta::NewRunRecord("create", "b");
  ASSERT_OK(meta::WriteRunRecord({}, backups_, marker, left));
  Add("three", 9, 100);
  EXPECT_THAT(Create(), IsError(Code::kAlreadyExists, "without default.three"));
  fake_.Drop("default", "three");
  ASSERT_OK_AND_ASSIGN(const CreateReport report, Create());
  EXPECT_EQ(report.collections, 2U);
  EXPECT_THAT(backups_.Stat({}, marker).status(), IsError(Code::kNotFound, ""));
}

TEST_F(CreateCrashTest, AFinishedBackupWithItsMarkerAnswersOnlyARunThatWantsTheSame) {
  const auto create = [&](Strategy strategy, bool rbac = false) {
    return CreateBackup({}, site_, {.name = "b", .strategy = strategy, .rbac = rbac});
  };
  const std::string marker = meta::MarkerKey("backup/b/");
  backups_.before_call = [&](const storage::CallInfo& call) {
    if (call.method == storage::Method::kDelete && call.key == marker) backups_.Live(0);
  };
  ASSERT_OK(create(Strategy::kMetaOnly));
  backups_.before_call = {};
  backups_.Live(kForever);
  Bury();
  ASSERT_TRUE(IsListed());
  ASSERT_OK(backups_.Stat({}, marker).status());
  EXPECT_THAT(create(Strategy::kSerialFlush),
              IsError(Code::kAlreadyExists, "already exists, taken with --strategy meta_only"));
  FakeMilvus newer({.version = "v2.4.10"});
  ASSERT_OK_AND_ASSIGN(const auto newer_client, milvus::Connect({}, newer.client_options()));
  site_.client = newer_client.get();
  EXPECT_THAT(create(Strategy::kMetaOnly, true),
              IsError(Code::kAlreadyExists, "already exists, taken without --rbac"));
  site_.client = client_.get();
  ASSERT_OK_AND_ASSIGN(const CreateReport report, create(Strategy::kMetaOnly));
  EXPECT_EQ(report.collections, 2U);
  EXPECT_THAT(backups_.Stat({}, marker).status(), IsError(Code::kNotFound, ""));
}

TEST_F(CreateCrashTest, AForeignUnfinishedBackupIsNotTouched) {
  ASSERT_OK(backups_.Put({}, "backup/b/binlogs/insert_log/1/1/1/1/0/1", AsBytes("x"), {}));
  const std::vector<std::string> before = Keys();
  EXPECT_THAT(Create(), IsError(Code::kAlreadyExists, "unfinished backup b is in the way"));
  EXPECT_EQ(Keys(), before);
}

TEST_F(CreateCrashTest, ADryRunIsRefusedWhatTheRunIs) {
  const auto dry_run = [&] { return CreateBackup({}, site_, {.name = "b", .dry_run = true}); };
  ASSERT_OK(backups_.Put({}, "backup/b/photo.jpg", AsBytes("x"), {}));
  EXPECT_THAT(dry_run(),
              IsError(Code::kAlreadyExists, "something that is no backup is in the way"));
  ASSERT_OK(backups_.Delete({}, "backup/b/photo.jpg"));
  meta::RunRecord other = meta::NewRunRecord("create", "b");
  const std::string lock = "backup/.locks/b/" + other.run_id + ".json";
  ASSERT_OK(meta::WriteRunRecord({}, backups_, lock, other));
  EXPECT_THAT(dry_run(), IsError(Code::kAlreadyExists, "is being worked on"));
  ASSERT_OK(backups_.Delete({}, lock));
  EXPECT_OK(dry_run());
  EXPECT_TRUE(Keys().empty());
  ASSERT_OK(Create());
  EXPECT_THAT(dry_run(), IsError(Code::kAlreadyExists, "backup b already exists"));
  // Finished but for its marker: the run would remove that.
  const std::string marker = meta::MarkerKey("backup/b/");
  ASSERT_OK(meta::WriteRunRecord({}, backups_, marker, meta::NewRunRecord("create", "b")));
  ASSERT_OK_AND_ASSIGN(const CreateReport report, dry_run());
  EXPECT_TRUE(report.resumed);
  EXPECT_OK(backups_.Stat({}, marker).status());
}

TEST_F(CreateCrashTest, AnUnfinishedCopyIsNotTakenForOneOfOurs) {
  meta::RunRecord left = meta::NewRunRecord("copy", "b");
  const std::string key = "binlogs/insert_log/1/1/1/1/0/1";
  left.open_uploads = {{.key = key}};
  ASSERT_OK(meta::WriteRunRecord({}, backups_, meta::MarkerKey("backup/b/"), left));
  LeaveUpload("backup/b/" + key);
  EXPECT_THAT(Create(), IsError(Code::kAlreadyExists, "is in the way: copy by process"));
  EXPECT_EQ(Uploads("backup/b/" + key).size(), 1U);
  ASSERT_OK(DeleteBackup({}, site_.backup_storage, "b"));
  EXPECT_TRUE(Uploads("backup/b/" + key).empty());
  EXPECT_TRUE(Keys().empty());
}

TEST_F(CreateCrashTest, ARunThatLosesItsLockLateWritesNoHeader) {
  bool stolen = false;
  backups_.before_call = [&](const storage::CallInfo& call) {
    if (call.method != storage::Method::kPut || call.key != meta::ManifestKey("backup/b/")) return;
    stolen = true;
    StealLocks(backups_, "backup/.locks/");
  };
  EXPECT_THAT(Create(), IsError(Code::kAborted, "lost its lock"));
  EXPECT_TRUE(stolen);
  EXPECT_FALSE(IsListed());
  EXPECT_OK(backups_.Stat({}, meta::MarkerKey("backup/b/")));
}

TEST_F(CreateCrashTest, ABackupThatIsBeingMadeIsNotDeleted) {
  ASSERT_OK(Create());
  meta::RunRecord other = meta::NewRunRecord("create", "b");
  const std::string lock = "backup/.locks/b/" + other.run_id + ".json";
  ASSERT_OK(meta::WriteRunRecord({}, backups_, lock, other));
  EXPECT_THAT(DeleteBackup({}, site_.backup_storage, "b"),
              IsError(Code::kAlreadyExists, "is being worked on"));
  EXPECT_THAT(Create(), IsError(Code::kAlreadyExists, "is being worked on"));
  ASSERT_OK(backups_.Delete({}, lock));
  EXPECT_OK(DeleteBackup({}, site_.backup_storage, "b").status());
  EXPECT_TRUE(Keys().empty());
}

}  // namespace
}  // namespace milvus_backup::backup
