// What a restore leaves when its storages and its Milvus fall silent at every single operation, as
// a killed process leaves it, and what the next run of the same command makes of that.
#include "support/fake_milvus.h"
#include "support/mortal.h"
#include "support/status_matchers.h"

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/restore_progress.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/writer.h"
#include "milvus_backup/milvus/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::FakeCollection;
using ::milvus_backup::testing::FakeImport;
using ::milvus_backup::testing::FakeMilvus;
using ::milvus_backup::testing::IsError;
using ::milvus_backup::testing::kSweepStep;
using ::milvus_backup::testing::Life;
using ::milvus_backup::testing::LivingBackend;
using ::milvus_backup::testing::MortalClient;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kRowsPerImport = 10;

meta::CollectionSchema Schema(const std::string& name) {
  meta::CollectionSchema schema{.name = name};
  schema.fields = {{.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5},
                   {.field_id = 101, .name = "v", .data_type = 101, .type_params = {{"dim", "4"}}}};
  return schema;
}

class RestoreCrashTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({.import_tick = std::chrono::milliseconds(1)}); }

  void Start(testing::FakeMilvusOptions options) {
    client_.reset();
    fake_ = std::make_unique<FakeMilvus>(std::move(options));
    auto client = milvus::Connect({}, fake_->client_options());
    ASSERT_OK(client);
    inner_ = *std::move(client);
    client_ = std::make_unique<MortalClient>(life_, *inner_);
    site_.client = client_.get();
    site_.milvus_storage = {.backend = &own_, .root = "files"};
    site_.backup_storage = {.backend = &backups_, .root = "backup"};
    site_.parallel_collections = 1;
    // One at a time, so that every run makes the same calls; the large object goes in parts.
    site_.copy.concurrency = 1;
    site_.copy.part_size = 5 * kMiB;
    site_.copy.force_streaming = true;
    // As a server that reads what is staged when it comes to a task.
    fake_->SetImportRows([this](const milvus::ImportRequest& request) {
      const auto page = own_.immortal().List({}, {.prefix = request.files.front(), .max_keys = 1});
      const bool is_staged = page.ok() && !page->objects.empty();
      const bool is_in_place = request.files.front().starts_with("backup/");
      return is_staged || is_in_place ? kRowsPerImport : 0;
    });
    WriteBackup();
  }

  /// `one` has two partitions, `two` an object that may be large.
  void WriteBackup(size_t bytes = 100, const std::string& id = "0b") {
    meta::BackupInfo info{.id = id, .name = "b"};
    info.collection_backups = {Collection(7, "one", 2, 100), Collection(8, "two", 1, bytes)};
    ASSERT_OK(meta::WriteBackup({}, backups_.immortal(), "backup/b/", info));
  }

  meta::CollectionBackup Collection(int64_t id, const std::string& name, int partitions,
                                    size_t bytes) {
    meta::CollectionBackup collection{
        .collection_id = id, .db_name = "default", .collection_name = name, .shards_num = 1};
    collection.schema = Schema(name);
    collection.index_infos = {{.field_name = "v",
                               .index_name = "v_idx",
                               .index_type = "FLAT",
                               .params = {{"index_type", "FLAT"}, {"metric_type", "L2"}}}};
    for (int64_t part = id * 10; part < id * 10 + partitions; ++part) {
      meta::SegmentBackup segment{.segment_id = part * 10,
                                  .collection_id = id,
                                  .partition_id = part,
                                  .num_of_rows = kRowsPerImport,
                                  .size = static_cast<int64_t>(bytes),
                                  .group_id = part * 10};
      segment.binlogs = meta::LogList(std::vector<meta::FieldBinlog>{
          {100, {{.log_size = static_cast<int64_t>(bytes), .log_id = part * 1000}}}});
      EXPECT_OK(backups_.immortal().Put({},
                                        meta::InsertLogKey("backup/b/", segment, 100, part * 1000),
                                        AsBytes(std::string(bytes, 'x')), {}));
      collection.partition_backups.push_back(
          {.partition_id = part,
           .partition_name = part == id * 10 ? "_default" : "p" + std::to_string(part),
           .collection_id = id,
           .segment_backups = {segment}});
    }
    return collection;
  }

  /// A collection of Milvus that has 500 rows.
  void AddExisting(const std::string& name) {
    FakeCollection collection;
    collection.info.schema.name = name;
    collection.info.schema.fields = {
        {.field_id = 100, .name = "id", .is_primary_key = true, .data_type = 5},
        {.field_id = 101, .name = "v", .data_type = 101, .type_params = {{"dim", "4"}}}};
    collection.partitions = {{0, "_default"}};
    collection.segments = {{.num_rows = 500, .state = 4}};
    fake_->Add("default", collection);
  }

  Result<RestoreReport> Restore(RestoreOptions options) {
    options.name = "b";
    options.rebuild_index = true;
    options.import_poll_interval = std::chrono::milliseconds(1);
    options.import_settle_time = std::chrono::milliseconds(20);
    return RestoreBackup({}, site_, options);
  }

  /// Everything in Milvus' own storage.
  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    EXPECT_OK(storage::ForEachObject({}, own_.immortal(), "", [&](const auto& object) {
      keys.push_back(object.key);
      return Status::Ok();
    }));
    return keys;
  }
  std::vector<std::string> Names() {
    auto names = inner_->ListCollections({}, "default");
    EXPECT_OK(names);
    return names.ok() ? *names : std::vector<std::string>();
  }
  int64_t RowsOf(const std::string& name) {
    const auto found = fake_->Find("default", name);
    if (!found) return -1;
    int64_t rows = 0;
    for (const milvus::Segment& segment : found->segments) rows += segment.num_rows;
    return rows;
  }

  void Reset() {
    life_.Live(Life::kForever);
    for (const std::string& name : Names()) fake_->Drop("default", name);
    for (const std::string& key : Keys()) ASSERT_OK(own_.immortal().Delete({}, key));
  }

  /// The silent run is this process; say in its locks that it has ended.
  void Bury() {
    life_.Live(Life::kForever);
    for (const std::string& key : Keys()) {
      if (!key.starts_with("restore-temp-locks/")) continue;
      ASSERT_OK_AND_ASSIGN(const std::string text,
                           storage::ReadAll({}, own_.immortal(), key, 4096));
      ASSERT_OK_AND_ASSIGN(meta::RunRecord record, meta::DecodeRunRecord(text, key));
      ++record.process.start;
      ASSERT_OK(meta::WriteRunRecord({}, own_.immortal(), key, record));
    }
  }

  bool HasMarker() {
    for (const std::string& key : Keys()) {
      if (key.ends_with("/run.json")) return true;
    }
    return false;
  }

  /// Where the killed run would have left an open upload.
  std::string LargeKey() {
    for (const std::string& key : Keys()) {
      if (!key.ends_with("/run.json")) continue;
      return key.substr(0, key.size() - 8) + "binlogs/insert_log/8/80/800/800/100/80000";
    }
    return "";
  }

  /// Make a run as `options` say fall silent after every operation, and run again. `prepare` makes
  /// what Milvus has before, `expected` the rows by name afterwards.
  template <typename Prepare>
  void Sweep(const RestoreOptions& options, Prepare prepare,
             const std::vector<std::pair<std::string, int64_t>>& expected) {
    int resumed = 0;
    for (const bool last_is_lost : {false, true}) {
      for (uint64_t alive = 1;; alive += kSweepStep) {
        SCOPED_TRACE(std::to_string(alive) + (last_is_lost ? ", answer lost" : ""));
        ASSERT_NO_FATAL_FAILURE(Reset());
        prepare();
        life_.Live(alive, last_is_lost);
        const auto cut = Restore(options);
        const bool reached = life_.operations() >= alive;
        ASSERT_NO_FATAL_FAILURE(Bury());
        if (!reached) break;
        const bool was_unfinished = HasMarker();
        const std::string large = LargeKey();
        // With reused targets nobody can tell a finished run from none.
        const bool has_finished = cut.ok() && !was_unfinished;
        const bool ran_again = !has_finished || options.existing != ExistingTarget::kReuse;
        if (ran_again) {
          const auto again = Restore(options);
          if (!again.ok()) {
            EXPECT_THAT(again, IsError(Code::kAlreadyExists, "already exist"));
            EXPECT_FALSE(was_unfinished);
          } else if (!again->collections.empty() && again->collections.front().resumed) {
            ++resumed;
          }
        }
        std::vector<std::string> names;
        for (const auto& [name, rows] : expected) {
          names.push_back(name);
          EXPECT_EQ(RowsOf(name), rows) << name;
        }
        EXPECT_EQ(Names(), names);
        if (ran_again) {
          EXPECT_THAT(Keys(), IsEmpty());
        }
        if (!large.empty()) {
          ASSERT_OK_AND_ASSIGN(const auto uploads, own_.immortal().ListUploads({}, large));
          EXPECT_THAT(uploads, IsEmpty());
        }
        if (HasFailure()) return;
      }
    }
    EXPECT_GT(resumed, 40 / static_cast<int>(kSweepStep));
  }

  /// Silence a run after it has called `method` of Milvus `count` times.
  void CutAfter(const std::string& method, size_t count, const RestoreOptions& options) {
    for (uint64_t alive = 1;; ++alive) {
      ASSERT_LT(alive, 1000U);
      ASSERT_NO_FATAL_FAILURE(Reset());
      if (options.existing != ExistingTarget::kRefuse) AddBoth();
      const size_t before = fake_->count(method);
      life_.Live(alive);
      const bool done = Restore(options).ok();
      ASSERT_NO_FATAL_FAILURE(Bury());
      ASSERT_FALSE(done);
      if (fake_->count(method) == before + count) return;
    }
  }
  void AddBoth() {
    AddExisting("one");
    AddExisting("two");
  }

  std::unique_ptr<FakeMilvus> fake_;
  Life life_;
  std::unique_ptr<milvus::Client> inner_;
  std::unique_ptr<MortalClient> client_;
  LivingBackend own_{life_};
  LivingBackend backups_{life_};
  Site site_;
};

TEST_F(RestoreCrashTest, TheNextRunEndsRightAfterASilenceAtAnyOperation) {
  WriteBackup(6 * kMiB);
  Sweep({.suffix = "_r"}, [] {}, {{"one_r", 20}, {"two_r", 10}});
}

TEST_F(RestoreCrashTest, ReplacedCollectionsAreReplacedOnce) {
  const auto prepare = [this] { AddBoth(); };
  Sweep({.existing = ExistingTarget::kReplace}, prepare, {{"one", 20}, {"two", 10}});
}

TEST_F(RestoreCrashTest, NothingIsAddedTwiceToReusedCollections) {
  const auto prepare = [this] { AddBoth(); };
  Sweep({.existing = ExistingTarget::kReuse}, prepare, {{"one", 520}, {"two", 510}});
}

TEST_F(RestoreCrashTest, WhatIsCompleteIsNotRestoredAgain) {
  fake_->PlanImport(FakeImport::kComplete);
  fake_->PlanImport(FakeImport::kComplete);
  fake_->PlanImport(FakeImport::kFailAndClean, "binlog is broken");
  EXPECT_THAT(Restore({.suffix = "_r"}), IsError(Code::kAborted, "binlog is broken"));
  EXPECT_THAT(Names(), ElementsAre("one_r"));
  const size_t imports = fake_->count("Import");
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore({.suffix = "_r"}));
  EXPECT_EQ(fake_->count("Import"), imports + 1);
  EXPECT_TRUE(report.collections[0].resumed);
  EXPECT_EQ(report.collections[0].rows.restored, 20);
  EXPECT_FALSE(report.collections[1].resumed);
  EXPECT_EQ(RowsOf("two_r"), 10);
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreCrashTest, AFailedRunThatLeavesNothingLeavesNoRecord) {
  fake_->PlanImport(FakeImport::kFailAndClean, "binlog is broken");
  EXPECT_THAT(Restore({.suffix = "_r"}), IsError(Code::kAborted, "binlog is broken"));
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreCrashTest, ImportsThatMilvusHasAreNotSentAgain) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 2, {.suffix = "_r"}));
  const size_t imports = fake_->count("Import");
  ASSERT_OK(Restore({.suffix = "_r"}));
  EXPECT_EQ(fake_->count("Import"), imports + 1) << "that of the second collection";
  EXPECT_EQ(RowsOf("one_r"), 20);
}

/// Milvus gets a request of the killed run only now, after the same one of this run.
class LateClient final : public MortalClient {
 public:
  using MortalClient::MortalClient;
  Result<int64_t> Import(const CallContext& ctx, const milvus::ImportRequest& request) override {
    auto id = MortalClient::Import(ctx, request);
    if (!std::exchange(was_late_, true)) {
      EXPECT_OK(MortalClient::Import(ctx, request).status());
    }
    return id;
  }

 private:
  bool was_late_ = false;
};

TEST_F(RestoreCrashTest, AnImportThatComesLateIsNotThereTwice) {
  // The imports are written down and not sent.
  ASSERT_NO_FATAL_FAILURE(CutAfter("ShowPartitions", 1, {.suffix = "_r"}));
  for (const std::string& key : Keys()) {
    if (!key.ends_with("run/000000.json")) continue;
    ASSERT_OK_AND_ASSIGN(const std::string text,
                         storage::ReadAll({}, own_.immortal(), key, 1 << 20));
    ASSERT_OK_AND_ASSIGN(meta::RestoreProgress progress, meta::DecodeRestoreProgress(text, key));
    const std::string dir = key.substr(0, key.size() - std::string("run/000000.json").size());
    progress.imports = {{"_default", {dir + "binlogs/insert_log/7/70/", ""}, 0},
                        {"p71", {dir + "binlogs/insert_log/7/71/", ""}, 0}};
    ASSERT_OK(own_.immortal().Put({}, key, AsBytes(meta::EncodeRestoreProgress(progress)), {}));
  }
  LateClient late(life_, *inner_);
  site_.client = &late;
  const size_t imports = fake_->count("Import");
  ASSERT_OK(Restore({.suffix = "_r"}));
  EXPECT_EQ(fake_->count("Import"), imports + 3 + 2 + 1);
  EXPECT_EQ(RowsOf("one_r"), 20);
  EXPECT_EQ(RowsOf("two_r"), 10);
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreCrashTest, ServersThatDoNotTellOfFilesHaveTheCollectionStartedAgain) {
  Start({.version = "v2.4.1", .import_tick = std::chrono::milliseconds(1)});
  // The answer to the last import is lost, and with it the task's id.
  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 2, {.suffix = "_r"}));
  const size_t imports = fake_->count("Import");
  ASSERT_OK(Restore({.suffix = "_r"}));
  EXPECT_EQ(fake_->count("Import"), imports + 3);
  EXPECT_EQ(RowsOf("one_r"), 20);

  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 2, {.existing = ExistingTarget::kReuse}));
  EXPECT_THAT(Restore({.existing = ExistingTarget::kReuse}),
              IsError(Code::kFailedPrecondition, "cannot be told"));
  EXPECT_EQ(RowsOf("one"), 520);
  EXPECT_TRUE(HasMarker());
}

TEST_F(RestoreCrashTest, AnotherBackupOrOtherOptionsAreToldOfWhatIsThere) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 1, {.suffix = "_r"}));
  RestoreOptions other{.suffix = "_r", .max_shard_num = 3};
  EXPECT_THAT(Restore(other), IsError(Code::kAlreadyExists, "default.one_r is unfinished"));
  EXPECT_THAT(Restore(other), IsError(Code::kAlreadyExists, "restore default.one of backup b"));
  WriteBackup(100, "another");
  EXPECT_THAT(Restore({.suffix = "_r"}), IsError(Code::kAlreadyExists, "run that command again"));
  EXPECT_TRUE(HasMarker());
  other.existing = ExistingTarget::kReplace;
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore(other));
  EXPECT_FALSE(report.collections[0].resumed);
  EXPECT_EQ(RowsOf("one_r"), 20);
  EXPECT_THAT(Names(), ElementsAre("one_r", "two_r"));
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreCrashTest, ACollectionOfSomebodyElseIsLeftAlone) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 1, {.suffix = "_r"}));
  fake_->Drop("default", "one_r");
  AddExisting("one_r");
  EXPECT_THAT(Restore({.suffix = "_r"}), IsError(Code::kAlreadyExists, "already exist"));
  EXPECT_EQ(RowsOf("one_r"), 500);
  // What the user dropped comes back.
  fake_->Drop("default", "one_r");
  ASSERT_OK(Restore({.suffix = "_r"}));
  EXPECT_EQ(RowsOf("one_r"), 20);
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreCrashTest, APartOfTheTargetsIsGoneOnWithAlone) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 3, {.suffix = "_r"}));
  ASSERT_OK_AND_ASSIGN(const Selection two, Selection::ParseCollections("two"));
  ASSERT_OK(Restore({.sources = two, .suffix = "_r"}));
  EXPECT_TRUE(HasMarker()) << "of the other collection";
  ASSERT_OK_AND_ASSIGN(const Selection one, Selection::ParseCollections("one"));
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore({.sources = one, .suffix = "_r"}));
  EXPECT_TRUE(report.collections[0].resumed);
  EXPECT_THAT(Names(), ElementsAre("one_r", "two_r"));
  EXPECT_EQ(RowsOf("one_r"), 20);
  EXPECT_EQ(RowsOf("two_r"), 10);
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreCrashTest, ADryRunTellsThatItWouldGoOn) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 1, {.suffix = "_r"}));
  const std::vector<std::string> before = Keys();
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore({.suffix = "_r", .dry_run = true}));
  EXPECT_TRUE(report.collections[0].resumed);
  EXPECT_EQ(Keys(), before);
}

TEST_F(RestoreCrashTest, ADamagedRecordIsNamed) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 1, {.suffix = "_r"}));
  for (const std::string& key : Keys()) {
    if (key.ends_with("run/000000.json")) {
      ASSERT_OK(own_.immortal().Put({}, key, AsBytes("{"), {}));
    }
  }
  EXPECT_THAT(Restore({.suffix = "_r"}), IsError(Code::kDataLoss, "run/000000.json"));
  EXPECT_TRUE(HasMarker());
}

}  // namespace
}  // namespace milvus_backup::backup
