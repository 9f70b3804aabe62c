// Strategies, selection, dry runs, partial backups and what is kept of databases and rights: create
// against a fake Milvus and a storage in memory.
#include "support/fake_http.h"
#include "support/fake_milvus.h"
#include "support/faulty_backend.h"
#include "support/status_matchers.h"
#include "unit/binlog/log_builder.h"

#include "milvus_backup/backup/create.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/storage/intercepting_backend.h"
#include "milvus_backup/storage/memory_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::FakeCollection;
using ::milvus_backup::testing::FakeHttpServer;
using ::milvus_backup::testing::FakeMilvus;
using ::milvus_backup::testing::FakeMilvusOptions;
using ::milvus_backup::testing::FakeRequest;
using ::milvus_backup::testing::FaultyBackend;
using ::milvus_backup::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CreateOptionsTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({}); }

  // A server with default.one, default.two and other.three.
  void Start(FakeMilvusOptions options) {
    fake_ = std::make_unique<FakeMilvus>(std::move(options));
    auto client = milvus::Connect({}, fake_->client_options());
    ASSERT_OK(client);
    client_ = *std::move(client);
    site_.client = client_.get();
    site_.milvus_storage = {.backend = storage_.get(),
                            .root = "files",
                            .bucket_key = "minio.bucketName",
                            .root_key = "minio.rootPath"};
    site_.backup_storage = {.backend = storage_.get(), .root = "backup"};
    site_.backup_visible_to_milvus = true;
    site_.copy.concurrency = 4;
    // One at a time, so that the order of calls is known.
    site_.parallel_collections = 1;
    Add("default", "one", 7);
    Add("default", "two", 8);
    Add("other", "three", 9);
  }

  // A segment in storage, and one that only a flush brings there.
  void Add(const std::string& db, const std::string& name, int64_t id) {
    FakeCollection collection;
    collection.info.id = id;
    collection.info.schema.name = name;
    collection.info.schema.fields = {{.field_id = 100, .name = "id", .is_primary_key = true}};
    collection.partitions = {{id * 10, "_default"}};
    for (const int64_t segment : {id * 100, id * 100 + 1}) {
      collection.segments.push_back({.id = segment,
                                     .collection_id = id,
                                     .partition_id = id * 10,
                                     .num_rows = 5,
                                     .state = segment % 100 == 0 ? 4 : 2});
      PutLog(id, segment);
    }
    fake_->Add(db, collection);
  }

  static std::string LogKey(int64_t id, int64_t segment) {
    return "files/insert_log/" + std::to_string(id) + "/" + std::to_string(id * 10) + "/" +
           std::to_string(segment) + "/100/1";
  }
  void PutLog(int64_t id, int64_t segment) {
    const std::string key = LogKey(id, segment);
    ASSERT_OK(storage_->Put({}, key, AsBytes("bytes of " + key), {}));
  }

  std::vector<std::string> BackupKeys(const std::string& below = "") {
    std::vector<std::string> keys;
    EXPECT_OK(storage::ForEachObject({}, *storage_, "backup/" + below,
                                     [&](const storage::ObjectInfo& object) {
                                       keys.push_back(object.key);
                                       return Status::Ok();
                                     }));
    return keys;
  }

  // What was asked about collections, without repeated polls.
  std::vector<std::string> Steps() {
    std::vector<std::string> steps;
    for (const auto& call : fake_->calls()) {
      const bool counts = call.method == "DescribeIndex" || call.method.starts_with("Flush") ||
                          call.method == "GetFlushAllState" ||
                          call.method == "GetPersistentSegmentInfo";
      if (counts && (steps.empty() || steps.back() != call.text)) steps.push_back(call.text);
    }
    return steps;
  }

  Result<CreateReport> Create(CreateOptions options) {
    options.name = "b";
    return CreateBackup({}, site_, options);
  }
  Result<CreateReport> CreateWith(Strategy strategy) {
    CreateOptions options{.strategy = strategy};
    options.selection = *Selection::ParseFilter("default.*");
    return Create(options);
  }
  meta::BackupInfo Read() {
    auto info = meta::ReadBackup({}, *storage_, "backup/b/");
    EXPECT_OK(info);
    return info.ok() ? *std::move(info) : meta::BackupInfo();
  }

  std::unique_ptr<FakeMilvus> fake_;
  std::unique_ptr<milvus::Client> client_;
  std::unique_ptr<storage::Backend> storage_ = storage::MakeMemoryBackend();
  Site site_;
};

TEST_F(CreateOptionsTest, SerialFlushDescribesAllThenFlushesAndCopiesOneByOne) {
  ASSERT_OK_AND_ASSIGN(const CreateReport report, CreateWith(Strategy::kSerialFlush));
  EXPECT_THAT(Steps(), ElementsAre("DescribeIndex default.one", "DescribeIndex default.two",
                                   "GetPersistentSegmentInfo default.one", "Flush default.one",
                                   "GetPersistentSegmentInfo default.one",
                                   "GetPersistentSegmentInfo default.two", "Flush default.two",
                                   "GetPersistentSegmentInfo default.two"));
  EXPECT_EQ(report.segments, 4U);
  EXPECT_EQ(report.rows, 20);
}

TEST_F(CreateOptionsTest, SkipFlushCopiesWhatIsInStorage) {
  ASSERT_OK_AND_ASSIGN(const CreateReport report, CreateWith(Strategy::kSkipFlush));
  EXPECT_THAT(Steps(), ElementsAre("DescribeIndex default.one", "DescribeIndex default.two",
                                   "GetPersistentSegmentInfo default.one",
                                   "GetPersistentSegmentInfo default.two"));
  EXPECT_EQ(report.segments, 2U);
  EXPECT_EQ(Read().collection_backups[0].backup_physical_timestamp, 0U);
}

TEST_F(CreateOptionsTest, MetaOnlyWritesNoLogs) {
  ASSERT_OK_AND_ASSIGN(const CreateReport report, CreateWith(Strategy::kMetaOnly));
  EXPECT_THAT(Steps(), ElementsAre("DescribeIndex default.one", "DescribeIndex default.two"));
  EXPECT_EQ(report.collections, 2U);
  EXPECT_THAT(BackupKeys("b/binlogs/"), IsEmpty());
  const meta::BackupInfo info = Read();
  ASSERT_EQ(info.collection_backups.size(), 2U);
  EXPECT_TRUE(info.collection_backups[0].partition_backups[0].segment_backups.empty());
}

TEST_F(CreateOptionsTest, BulkFlushOfAnOldServerFlushesEveryCollectionFirst) {
  ASSERT_OK_AND_ASSIGN(const CreateReport report, CreateWith(Strategy::kBulkFlush));
  EXPECT_THAT(Steps(), ElementsAre("DescribeIndex default.one", "DescribeIndex default.two",
                                   "GetPersistentSegmentInfo default.one", "Flush default.one",
                                   "GetPersistentSegmentInfo default.two", "Flush default.two",
                                   "GetPersistentSegmentInfo default.one",
                                   "GetPersistentSegmentInfo default.two"));
  EXPECT_EQ(report.segments, 4U);
}

TEST_F(CreateOptionsTest, AFlushWithoutEndFailsItsCollection) {
  Start({.unflushed_polls = 1000000});
  CreateOptions options{.flush_warning_interval = std::chrono::milliseconds(5),
                        .flush_limit = std::chrono::milliseconds(20)};
  ASSERT_OK_AND_ASSIGN(options.selection, Selection::ParseCollections("one"));
  EXPECT_THAT(Create(options), IsError(Code::kDeadlineExceeded, "has not flushed default.one"));
  EXPECT_THAT(BackupKeys("b/binlogs/"), IsEmpty());
}

// A listing may tell too little of what the flush has promised.
TEST_F(CreateOptionsTest, WhatTheFlushSealedIsWaitedForUntilItIsStored) {
  for (const bool tells : {true, false}) {
    Start({.tells_flush_times = tells, .flushing_listings = 3});
    CreateOptions options{.name = tells ? "with" : "without"};
    ASSERT_OK_AND_ASSIGN(options.selection, Selection::ParseCollections("one"));
    ASSERT_OK_AND_ASSIGN(const CreateReport report, CreateBackup({}, site_, options));
    EXPECT_EQ(report.segments, 2U);
    EXPECT_EQ(report.rows, 10);
  }
}

TEST_F(CreateOptionsTest, ASegmentThatIsNeverStoredFailsAfterAFlush) {
  fake_->Change("default", "one",
                [](FakeCollection& collection) { collection.segments.front().state = 3; });
  CreateOptions options{.flush_limit = std::chrono::milliseconds(20)};
  ASSERT_OK_AND_ASSIGN(options.selection, Selection::ParseCollections("one"));
  EXPECT_THAT(Create(options), IsError(Code::kDeadlineExceeded, "has not flushed default.one"));
}

TEST_F(CreateOptionsTest, WithoutAFlushOnlyWhatIsStoredIsCopied) {
  fake_->Change("default", "one",
                [](FakeCollection& collection) { collection.segments.front().state = 3; });
  fake_->Change("default", "two",
                [](FakeCollection& collection) { collection.segments.back().state = 5; });
  ASSERT_OK_AND_ASSIGN(const CreateReport report, CreateWith(Strategy::kSkipFlush));
  ASSERT_EQ(report.per_collection.size(), 2U);
  EXPECT_EQ(report.per_collection[0].segments, 0U);
  EXPECT_EQ(report.per_collection[1].segments, 1U);
}

// Without those of logs whose rows cannot be counted, as are those of these tests.
std::vector<std::string> WarningsOfMoments(const CreateReport& report) {
  std::vector<std::string> warnings = report.warnings;
  std::erase_if(warnings, [](const std::string& text) {
    return text.find("could not be counted") != std::string::npos;
  });
  return warnings;
}

TEST_F(CreateOptionsTest, AServerThatTellsNoFlushTimestampIsAWarning) {
  Start({.version = "v2.2.16", .tells_flush_times = false});
  ASSERT_OK_AND_ASSIGN(const CreateReport report, CreateWith(Strategy::kSerialFlush));
  EXPECT_THAT(WarningsOfMoments(report),
              ElementsAre(HasSubstr("Milvus v2.2.16 does not say up to when it has ")));
  Start({.version = "v2.2.16", .tells_flush_times = false});
  ASSERT_OK_AND_ASSIGN(
      const CreateReport unflushed,
      CreateBackup({}, site_, {.name = "unflushed", .strategy = Strategy::kSkipFlush}));
  EXPECT_THAT(WarningsOfMoments(unflushed), IsEmpty());
  Start({});
  ASSERT_OK_AND_ASSIGN(const CreateReport certain, CreateBackup({}, site_, {.name = "certain"}));
  EXPECT_THAT(WarningsOfMoments(certain), IsEmpty());
}

// What a compaction has dropped for good may have newer versions that are only in memory.
TEST_F(CreateOptionsTest, ACompactionAfterTheFlushMeansAnother) {
  Start({.compactions = 1});
  PutLog(7, 750);
  ASSERT_OK_AND_ASSIGN(const CreateReport report, CreateWith(Strategy::kSerialFlush));
  EXPECT_THAT(Steps(), ElementsAre("DescribeIndex default.one", "DescribeIndex default.two",
                                   "GetPersistentSegmentInfo default.one", "Flush default.one",
                                   "GetPersistentSegmentInfo default.one", "Flush default.one",
                                   "GetPersistentSegmentInfo default.one",
                                   "GetPersistentSegmentInfo default.two", "Flush default.two",
                                   "GetPersistentSegmentInfo default.two"));
  EXPECT_EQ(report.segments, 4U);
}

TEST_F(CreateOptionsTest, CompactionsWithoutEndFailTheCollection) {
  Start({.compactions = 5});
  PutLog(7, 950);
  CreateOptions options;
  options.selection = *Selection::ParseFilter("default.one");
  EXPECT_THAT(Create(options), IsError(Code::kAborted, "after each of 5 flushes"));
  EXPECT_EQ(fake_->count("Flush"), 5U);
}

TEST_F(CreateOptionsTest, BulkFlushOfANewServerIsOneCall) {
  Start({.version = "v2.6.11", .unflushed_polls = 2});
  ASSERT_OK_AND_ASSIGN(const CreateReport report, CreateWith(Strategy::kBulkFlush));
  const std::vector<std::string> steps = Steps();
  ASSERT_EQ(steps.size(), 8U);
  EXPECT_EQ(steps[4], "FlushAll");
  // The time tick of the message, which is a number of base 36.
  EXPECT_THAT(steps[5], HasSubstr("GetFlushAllState by-dev-rootcoord-dml_0=4700000000000000"));
  EXPECT_EQ(fake_->count("GetFlushAllState"), 3U);
  EXPECT_EQ(report.segments, 4U);
  const meta::BackupInfo info = Read();
  EXPECT_EQ(info.flush_all_msgs_base64.size(), 1U);
  EXPECT_EQ(info.control_channel_name, "by-dev-rootcoord-dml_0_vcchan");
  EXPECT_THAT(info.physical_channel_names, ElementsAre("by-dev-rootcoord-dml_0"));
}

TEST_F(CreateOptionsTest, DryRunFlushesAndWritesNothing) {
  const size_t keys_before = BackupKeys().size();
  ASSERT_OK_AND_ASSIGN(const CreateReport report, Create({.dry_run = true}));
  EXPECT_EQ(report.collections, 3U);
  EXPECT_EQ(report.segments, 3U);
  EXPECT_EQ(report.rows, 15);
  EXPECT_EQ(report.objects, 3U);
  EXPECT_EQ(report.per_collection[2].name, "other.three");
  EXPECT_EQ(report.per_collection[2].bytes, std::string("bytes of " + LogKey(9, 900)).size());
  EXPECT_EQ(BackupKeys().size(), keys_before);
  EXPECT_EQ(fake_->count("Flush"), 0U);
}

TEST_F(CreateOptionsTest, DatabasesSelectTheirCollections) {
  ASSERT_OK_AND_ASSIGN(const Selection selection,
                       Selection::FromDatabases({{"default", {"two"}}, {"other", {}}}));
  ASSERT_OK(Create({.selection = selection}));
  const meta::BackupInfo info = Read();
  ASSERT_EQ(info.collection_backups.size(), 2U);
  EXPECT_EQ(info.collection_backups[0].collection_name, "two");
  EXPECT_EQ(info.collection_backups[1].collection_name, "three");
}

TEST_F(CreateOptionsTest, AFailingCollectionIsLeftOutAndNamed) {
  ASSERT_OK(storage_->Delete({}, LogKey(8, 800)));
  ASSERT_OK_AND_ASSIGN(const CreateReport report, Create({}));
  EXPECT_TRUE(report.partial());
  EXPECT_EQ(report.collections, 2U);
  EXPECT_EQ(report.rows, 20);
  ASSERT_EQ(report.per_collection.size(), 3U);
  EXPECT_OK(report.per_collection[0].status);
  EXPECT_THAT(report.per_collection[1].status,
              IsError(Code::kDataLoss, "collection default.two: segment 800 has 5 rows but no"));
  const meta::BackupInfo info = Read();
  EXPECT_TRUE(info.partial);
  EXPECT_THAT(info.failed_collections, ElementsAre("default.two"));
  EXPECT_EQ(info.collection_backups.size(), 2U);
  EXPECT_EQ(info.size, static_cast<int64_t>(report.bytes));
  ASSERT_OK_AND_ASSIGN(const meta::BackupInfo header, meta::ReadHeader({}, *storage_, "backup/b/"));
  EXPECT_TRUE(header.partial);
  EXPECT_THAT(header.failed_collections, ElementsAre("default.two"));
}

// Such a backup could never be restored: the rows would not come to the count that it states.
TEST_F(CreateOptionsTest, ACollectionWithALogThatMilvusDoesNotKnowIsLeftOut) {
  const std::string log = testing::MakeContainer(
      {.payloads = {testing::MakeParquet(
           {{.rows = 5, .pages = {{.values = 5, .content = std::string(40, '\0')}}}})}});
  ASSERT_OK(storage_->Put({}, LogKey(7, 700), AsBytes(log), {}));
  ASSERT_OK(storage_->Put({}, LogKey(8, 800), AsBytes(log), {}));
  ASSERT_OK(storage_->Put({}, LogKey(8, 800) + "1", AsBytes(log), {}));
  ASSERT_OK_AND_ASSIGN(const CreateReport report, Create({}));
  EXPECT_TRUE(report.partial());
  EXPECT_OK(report.per_collection[0].status);
  EXPECT_THAT(report.per_collection[1].status,
              IsError(Code::kDataLoss,
                      "default.two: segment 800 has 5 rows by Milvus, but its "
                      "logs under 'files/insert_log/8/80/800/' hold 10"));
  EXPECT_THAT(BackupKeys("b/binlogs/insert_log/8/"), IsEmpty());
}

// Reading what is counted waits for the first copy, so a copy that waits for the count never comes.
class CopyBeforeCount final : public storage::InterceptingBackend {
 public:
  explicit CopyBeforeCount(std::unique_ptr<storage::Backend> inner)
      : InterceptingBackend(std::move(inner)) {}
  std::atomic<int> reads_without_a_copy{0};

 protected:
  Status Around(const CallContext&, const storage::CallInfo& info, storage::CallRef call) override {
    if (info.method == storage::Method::kCopy) {
      const std::scoped_lock lock(mutex_);
      copied_ = true;
      copies_.notify_all();
    }
    if (info.method == storage::Method::kRead && info.key.starts_with("files/insert_log/")) {
      std::unique_lock lock(mutex_);
      const bool came =
          copies_.wait_for(lock, std::chrono::seconds(20), [this] { return copied_; });
      if (!came) ++reads_without_a_copy;
    }
    return call();
  }

 private:
  std::mutex mutex_;
  std::condition_variable copies_;
  bool copied_ = false;
};

// Milvus 2.4.0 to 2.4.6 has them without telling their level; with 2.3 they mean nothing.
TEST_F(CreateOptionsTest, SegmentsOfDeletesAloneAreRecognised) {
  for (const bool is_of_2_4 : {true, false}) {
    storage_ = storage::MakeMemoryBackend();
    Start({.version = is_of_2_4 ? "v2.4.3" : "v2.3.5"});
    fake_->Change("default", "one", [](FakeCollection& collection) {
      collection.segments.push_back(
          {.id = 750, .collection_id = 7, .partition_id = 70, .state = 4});
    });
    ASSERT_OK(storage_->Put({}, "files/delta_log/7/70/750/9", AsBytes("log"), {}));
    ASSERT_OK(CreateWith(Strategy::kSkipFlush));
    const meta::BackupInfo info = Read();
    const auto& segments = info.collection_backups.at(0).partition_backups.at(0).segment_backups;
    const auto found = std::ranges::find(segments, 750, &meta::SegmentBackup::segment_id);
    ASSERT_NE(found, segments.end());
    EXPECT_EQ(found->is_l0, is_of_2_4);
  }
}

TEST_F(CreateOptionsTest, RowsAreCountedWhileLogsAreCopied) {
  auto storage = std::make_unique<CopyBeforeCount>(std::move(storage_));
  const CopyBeforeCount& watched = *storage;
  storage_ = std::move(storage);
  site_.milvus_storage.backend = site_.backup_storage.backend = storage_.get();
  ASSERT_OK_AND_ASSIGN(const CreateReport report, Create({}));
  EXPECT_FALSE(report.partial());
  EXPECT_EQ(watched.reads_without_a_copy, 0);
}

// A full copy under a new name would be left every night.
TEST_F(CreateOptionsTest, ACollectionThatFailsAloneForItsRowsLeavesNothing) {
  const std::string log = testing::MakeContainer(
      {.payloads = {testing::MakeParquet(
           {{.rows = 5, .pages = {{.values = 5, .content = std::string(40, '\0')}}}})}});
  for (const char* twin : {"", "1"}) {
    ASSERT_OK(storage_->Put({}, LogKey(8, 800) + twin, AsBytes(log), {}));
  }
  // Something was copied by the time the rows are counted.
  storage_ = std::make_unique<CopyBeforeCount>(std::move(storage_));
  site_.milvus_storage.backend = site_.backup_storage.backend = storage_.get();
  ASSERT_OK_AND_ASSIGN(const Selection two, Selection::FromDatabases({{"default", {"two"}}}));
  EXPECT_THAT(Create({.selection = two}),
              IsError(Code::kDataLoss, "segment 800 has 5 rows by Milvus"));
  EXPECT_THAT(BackupKeys(), IsEmpty());
}

TEST_F(CreateOptionsTest, SegmentsWhoseRowsAreNotCountedAreWarnedOf) {
  ASSERT_OK_AND_ASSIGN(const Selection two, Selection::FromDatabases({{"default", {"two"}}}));
  ASSERT_OK_AND_ASSIGN(const CreateReport report, Create({.selection = two}));
  EXPECT_THAT(report.warnings,
              ElementsAre(HasSubstr("default.two: the rows of 2 segments could not be counted")));
}

TEST_F(CreateOptionsTest, FilesOfAFailedCollectionAreRemoved) {
  // One log goes between the listing and its copy, when the other has been copied.
  auto faulty = std::make_unique<FaultyBackend>(std::move(storage_));
  faulty->Plan(storage::Method::kCopy, {.error = NotFoundError("the source is gone"), .skip = 1});
  storage_ = std::move(faulty);
  site_.milvus_storage.backend = site_.backup_storage.backend = storage_.get();
  site_.copy.concurrency = 1;
  ASSERT_OK_AND_ASSIGN(const CreateReport report, Create({}));
  EXPECT_THAT(report.per_collection[0].status, IsError(Code::kNotFound, "the source is gone"));
  EXPECT_THAT(BackupKeys("b/binlogs/insert_log/7/"), IsEmpty());
  EXPECT_EQ(BackupKeys("b/binlogs/insert_log/8/").size(), 2U);
}

TEST_F(CreateOptionsTest, ACollectionDroppedMeanwhileIsLeftOut) {
  fake_->Plan("Flush", {.delay = std::chrono::milliseconds(200)}, 1);
  std::jthread other([&] {
    while (fake_->count("Flush") == 0) std::this_thread::yield();
    fake_->Drop("default", "two");
    fake_->Drop("other", "three");
    Add("other", "three", 33);  // another collection of the same name
  });
  ASSERT_OK_AND_ASSIGN(const CreateReport report, Create({}));
  EXPECT_OK(report.per_collection[0].status);
  EXPECT_THAT(report.per_collection[1].status, IsError(Code::kNotFound, "default.two"));
  EXPECT_THAT(report.per_collection[2].status, IsError(Code::kAborted, "created anew"));
}

TEST_F(CreateOptionsTest, APartitionCreatedMeanwhileIsInTheBackup) {
  fake_->Plan("Flush", {.delay = std::chrono::milliseconds(200)}, 1);
  std::jthread other([&] {
    while (fake_->count("Flush") == 0) std::this_thread::yield();
    FakeCollection grown = *fake_->Find("default", "two");
    grown.partitions.push_back({81, "late"});
    grown.segments.push_back(
        {.id = 888, .collection_id = 8, .partition_id = 81, .num_rows = 3, .state = 4});
    ASSERT_OK(storage_->Put({}, "files/insert_log/8/81/888/100/1", AsBytes("late"), {}));
    fake_->Add("default", grown);
  });
  ASSERT_OK(CreateWith(Strategy::kSerialFlush));
  const meta::BackupInfo info = Read();
  ASSERT_EQ(info.collection_backups[1].partition_backups.size(), 2U);
  EXPECT_EQ(info.collection_backups[1].partition_backups[1].partition_name, "late");
  EXPECT_EQ(info.collection_backups[1].partition_backups[1].segment_backups.size(), 1U);
}

TEST_F(CreateOptionsTest, FailFastEndsAtTheFirstFailure) {
  ASSERT_OK(storage_->Delete({}, LogKey(7, 700)));
  EXPECT_THAT(Create({.fail_fast = true}), IsError(Code::kDataLoss, "collection default.one"));
  EXPECT_EQ(fake_->count("Flush"), 1U);
  EXPECT_THAT(BackupKeys(), IsEmpty());
}

TEST_F(CreateOptionsTest, TheRunFailsWhenEveryCollectionDoes) {
  for (const int64_t id : {7, 8, 9}) ASSERT_OK(storage_->Delete({}, LogKey(id, id * 100)));
  EXPECT_THAT(Create({}), IsError(Code::kDataLoss, "all 3 collections failed, the first"));
  EXPECT_THAT(BackupKeys(), IsEmpty());
}

TEST_F(CreateOptionsTest, TheRunFailsWhenMilvusRefusesTheLogin) {
  fake_->Plan("Flush", {.grpc_code = 16, .reason = "auth check failure"}, 1);
  EXPECT_THAT(Create({}), IsError(Code::kUnauthenticated, "collection default.one"));
  EXPECT_EQ(fake_->count("Flush"), 1U);
  EXPECT_THAT(BackupKeys(), IsEmpty());
}

TEST_F(CreateOptionsTest, ARightMissingForOneCollectionIsItsOwnAffair) {
  fake_->Plan("Flush", {.code = 1401, .error_code = 1, .reason = "privilege not permitted"}, 1);
  ASSERT_OK_AND_ASSIGN(const CreateReport report, Create({}));
  EXPECT_EQ(report.collections, 2U);
  EXPECT_THAT(report.per_collection[0].status, IsError(Code::kPermissionDenied, "default.one"));
}

TEST_F(CreateOptionsTest, RbacIsWritten) {
  Start({.version = "v2.4.10"});
  fake_->SetRbac({.users = {{"ada", "$2a$hash", {"reader"}}},
                  .roles = {"reader", "public"},
                  .grants = {{"reader", "Collection", "*", "root", "Search", "default"}},
                  .privilege_groups = {{"looking", {"Query", "Search"}}}});
  ASSERT_OK(Create({.rbac = true}));
  const auto rbac = Read().rbac_meta;
  ASSERT_TRUE(rbac.has_value());
  EXPECT_EQ(
      *rbac,
      (meta::RbacMeta{
          .users = {{.user = "ada", .password = "$2a$hash", .roles = {{"reader"}}}},
          .roles = {{"reader"}, {"public"}},
          .grants = {{.role = {"reader"},
                      .object = {"Collection"},
                      .object_name = "*",
                      .grantor = {.user = {"root"}, .privilege = {"Search"}},
                      .db_name = "default"}},
          .privilege_groups = {{.group_name = "looking", .privileges = {{"Query"}, {"Search"}}}}}));
}

TEST_F(CreateOptionsTest, RbacOfAnOldServerIsRefusedBeforeTheFlush) {
  EXPECT_THAT(Create({.rbac = true}),
              IsError(Code::kUnimplemented, "Milvus v2.3.5-lite does not give out users"));
  EXPECT_EQ(fake_->count("Flush"), 0U);
  EXPECT_THAT(BackupKeys(), IsEmpty());
}

TEST_F(CreateOptionsTest, DatabasesCarryIdAndProperties) {
  Start({.version = "v2.4.3"});
  fake_->AddDatabase("other", {{"database.replica.number", "2"}});
  ASSERT_OK(Create({}));
  const meta::BackupInfo info = Read();
  ASSERT_EQ(info.database_backups.size(), 2U);
  EXPECT_EQ(info.database_backups[0].db_name, "default");
  EXPECT_EQ(info.database_backups[1].db_id, 2);
  EXPECT_THAT(info.database_backups[1].properties,
              ElementsAre(meta::KeyValue{"database.replica.number", "2"}));
}

TEST_F(CreateOptionsTest, AnEncryptedDatabaseIsRefused) {
  Start({.version = "v2.6.11"});
  fake_->AddDatabase("other", {{"cipher.ezID", "4"}, {"cipher.key", "k"}});
  EXPECT_THAT(Create({}), IsError(Code::kUnimplemented, "database other is encrypted"));
  ASSERT_OK(CreateWith(Strategy::kSerialFlush));
}

TEST_F(CreateOptionsTest, CollectionsKeepWhatTheServerTellsOfThem) {
  FakeCollection collection = *fake_->Find("default", "two");
  collection.info.shards_num = 2;
  collection.info.consistency_level = 2;
  collection.info.created_timestamp = 450100000000000000U;
  collection.info.aliases = {"deux"};
  collection.info.properties = {{"collection.ttl.seconds", "60"}};
  collection.partitions.push_back({82, "loaded"});
  collection.load_state = milvus::LoadState::kLoading;
  collection.loaded_partitions = {"loaded"};
  fake_->Add("default", collection);
  ASSERT_OK(CreateWith(Strategy::kSerialFlush));
  const meta::CollectionBackup backup = Read().collection_backups.at(1);
  EXPECT_EQ(backup.shards_num, 2);
  EXPECT_EQ(backup.consistency_level, 2);
  EXPECT_EQ(backup.created_timestamp, 450100000000000000U);
  EXPECT_THAT(backup.aliases, ElementsAre("deux"));
  EXPECT_THAT(backup.properties, ElementsAre(meta::KeyValue{"collection.ttl.seconds", "60"}));
  EXPECT_THAT(backup.virtual_channel_names,
              ElementsAre("by-dev-rootcoord-dml_0_8v0", "by-dev-rootcoord-dml_1_8v1"));
  EXPECT_EQ(backup.physical_channel_names.size(), 2U);
  EXPECT_EQ(backup.load_state, "Loading");
  EXPECT_EQ(backup.partition_backups.at(0).load_state, "Loading");
  EXPECT_EQ(backup.partition_backups.at(1).load_state, "Loaded");
}

TEST_F(CreateOptionsTest, GarbageCollectionIsPausedWhileFilesAreCopied) {
  std::mutex mutex;
  std::vector<std::string> targets;
  FakeHttpServer management([&](const FakeRequest& request) {
    const std::scoped_lock lock(mutex);
    targets.push_back(request.target);
    return testing::FakeReply{.body = R"({"msg":"OK"})"};
  });
  site_.gc_pause = milvus::GcPauseOptions{.address = management.url()};
  fake_->Plan("Flush", {.delay = std::chrono::milliseconds(300)}, 1);
  ASSERT_OK(CreateWith(Strategy::kSerialFlush));
  EXPECT_THAT(targets, ElementsAre("/management/datacoord/garbage_collection/pause"
                                   "?pause_seconds=300"));
}

TEST_F(CreateOptionsTest, AManagementPortThatIsClosedOrSilentDelaysNothing) {
  FakeHttpServer silent([](const FakeRequest&) {
    return testing::FakeReply{.ending = testing::FakeReply::Ending::kStall, .silent = true};
  });
  for (const std::string& address :
       {"http://127.0.0.1:" + std::to_string(testing::ClosedPort()), silent.url()}) {
    Start({});
    site_.gc_pause = milvus::GcPauseOptions{.address = address};
    const auto begun = std::chrono::steady_clock::now();
    ASSERT_OK(CreateWith(Strategy::kSkipFlush));
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10)) << address;
    ASSERT_OK(storage_->Delete({}, "backup/b/meta/backup_meta.json"));
    for (const std::string& key : BackupKeys()) ASSERT_OK(storage_->Delete({}, key));
  }
}

}  // namespace
}  // namespace milvus_backup::backup
