// What a restore believes of the records that another one has left, and what it does not.
#include "restore_crash_fixture.h"
#include "support/temp_dir.h"

#include "milvus_backup/backup/delete.h"
#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/storage/open.h"

#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace milvus_backup::backup {
namespace {

using namespace std::chrono_literals;
using ::milvus_backup::testing::FakeCollection;
using ::milvus_backup::testing::FakeImport;
using ::milvus_backup::testing::IsError;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RestoreRerunTest : public RestoreCrashTest {
 protected:
  /// Silence a run that has restored `one` and not begun with `two`, or has restored both.
  void CutOnceDone(bool both, const RestoreOptions& options) {
    CutWhen(
        [this, both] {
          return HasMarker() && RecordOf(0).state == meta::RestoreState::kDone &&
                 RecordsOf(1).empty() != both &&
                 (!both || RecordOf(1).state == meta::RestoreState::kDone);
        },
        options);
  }

  /// Somebody writes to a collection, which stays the same collection.
  void AddRows(const std::string& name, int64_t rows) {
    auto found = fake_->Find("default", name);
    ASSERT_TRUE(found);
    found->segments.push_back({.num_rows = rows, .state = 4});
    fake_->Drop("default", name);
    fake_->Add("default", *found);
  }
};

const RestoreOptions kSuffixed{.suffix = "_r"};
const RestoreOptions kReplacing{.existing = ExistingTarget::kReplace};
const RestoreOptions kAdding{.existing = ExistingTarget::kReuse};

TEST_F(RestoreRerunTest, AnImportIsForgottenHowOftenSoeverTheCommandIsRepeated) {
  ASSERT_NO_FATAL_FAILURE(CutWithAnnouncedImports(kAdding));
  clock_.Advance(13h);
  for (int attempt = 0; attempt < 3; ++attempt) {
    EXPECT_THAT(Restore(kAdding), IsError(Code::kFailedPrecondition, "too long ago"));
    EXPECT_EQ(RowsOf("one"), 500);
  }
}

TEST_F(RestoreRerunTest, ReplacingWhatIsFinishedReplacesItAgain) {
  ASSERT_NO_FATAL_FAILURE(CutOnceDone(true, kReplacing));
  ASSERT_NO_FATAL_FAILURE(AddRows("one", 5));
  const size_t imports = fake_->count("Import");
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore(kReplacing));
  EXPECT_EQ(fake_->count("Import"), imports + 3);
  EXPECT_FALSE(report.collections[0].resumed);
  EXPECT_EQ(RowsOf("one"), 20);
  EXPECT_EQ(RowsOf("two"), 10);
  EXPECT_THAT(Names(), ElementsAre("one", "two"));
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreRerunTest, WhatFoundNothingToReplaceIsReplacedTheNextTime) {
  const RestoreOptions options{.suffix = "_r", .existing = ExistingTarget::kReplace};
  ASSERT_NO_FATAL_FAILURE(CutOnceDone(true, options));
  ASSERT_NO_FATAL_FAILURE(AddRows("one_r", 5));
  ASSERT_OK(Restore(options));
  EXPECT_EQ(RowsOf("one_r"), 20);
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreRerunTest, WhatWasReplacedIsSparedWhileItsRowsAreRight) {
  ASSERT_NO_FATAL_FAILURE(CutOnceDone(false, kReplacing));
  const size_t imports = fake_->count("Import");
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore(kReplacing));
  EXPECT_EQ(fake_->count("Import"), imports + 1);
  EXPECT_TRUE(report.collections[0].resumed);
  EXPECT_EQ(RowsOf("two"), 10);

  ASSERT_NO_FATAL_FAILURE(CutOnceDone(false, kReplacing));
  ASSERT_NO_FATAL_FAILURE(AddRows("one", 5));
  ASSERT_OK_AND_ASSIGN(const RestoreReport again, Restore(kReplacing));
  EXPECT_FALSE(again.collections[0].resumed);
  EXPECT_EQ(RowsOf("one"), 20);
  EXPECT_THAT(Names(), ElementsAre("one", "two"));
}

TEST_F(RestoreRerunTest, WhatWasRestoredIsLeftToItsUsersAndCounted) {
  ASSERT_NO_FATAL_FAILURE(CutOnceDone(false, kSuffixed));
  ASSERT_NO_FATAL_FAILURE(AddRows("one_r", 5));
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore(kSuffixed));
  EXPECT_EQ(RowsOf("one_r"), 25);
  EXPECT_EQ(report.collections[0].rows.restored, 25);
  EXPECT_THAT(report.warnings, Contains(HasSubstr("default.one_r has 25 rows")));
}

TEST_F(RestoreRerunTest, ACollectionThatSomebodyElseMadeIsNotTaken) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("CreateCollection", 1, kSuffixed));
  ASSERT_EQ(RecordOf(0).state, meta::RestoreState::kCreating);
  FakeCollection theirs = *fake_->Find("default", "one_r");
  // An hour after the restore was killed.
  theirs.info.id = 0;
  theirs.info.created_timestamp += uint64_t{3600 * 1000} << 18;
  fake_->Drop("default", "one_r");
  const int64_t id = fake_->Add("default", theirs);
  EXPECT_THAT(Restore(kSuffixed), IsError(Code::kAlreadyExists, "cannot be proved"));
  ASSERT_TRUE(fake_->Find("default", "one_r"));
  EXPECT_EQ(fake_->Find("default", "one_r")->info.id, id);
  EXPECT_EQ(RowsOf("one_r"), 0);
  // As advised.
  fake_->Drop("default", "one_r");
  ASSERT_OK(Restore(kSuffixed));
  EXPECT_EQ(RowsOf("one_r"), 20);
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreRerunTest, WithoutTheServersTimeNothingIsProved) {
  Start({.unimplemented = {"AllocTimestamp"}, .import_tick = 1ms});
  ASSERT_NO_FATAL_FAILURE(CutAfter("CreateCollection", 1, kSuffixed));
  EXPECT_THAT(Restore(kSuffixed), IsError(Code::kAlreadyExists, "cannot be proved"));
  EXPECT_EQ(RowsOf("one_r"), 0);
}

TEST_F(RestoreRerunTest, WhatIsUnfinishedStaysUntilItsReplacementIsWhole) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("CreateIndex", 1, kSuffixed));
  ASSERT_EQ(RowsOf("one_r"), 20);
  const RestoreOptions other{.suffix = "_r", .existing = ExistingTarget::kReplace};
  fake_->PlanImport(FakeImport::kFail, "binlog is broken");
  EXPECT_THAT(Restore(other), IsError(Code::kAborted, "binlog is broken"));
  EXPECT_THAT(Names(), ElementsAre("one_r"));
  EXPECT_EQ(RowsOf("one_r"), 20);
  ASSERT_OK(Restore(other));
  EXPECT_THAT(Names(), ElementsAre("one_r", "two_r"));
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreRerunTest, ARecordOfWhatIsGoneIsCleanedUp) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 1, kSuffixed));
  fake_->Drop("default", "one_r");
  WriteBackup(100, "another");
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore(kSuffixed));
  EXPECT_FALSE(report.collections[0].resumed);
  EXPECT_EQ(RowsOf("one_r"), 20);
  EXPECT_THAT(Keys(), IsEmpty());

  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 1, kAdding));
  fake_->Drop("default", "one");
  AddExisting("one");
  WriteBackup(100, "a third");
  ASSERT_OK(Restore(kAdding));
  EXPECT_EQ(RowsOf("one"), 520);
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreRerunTest, WhereARecordLiesIsTold) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 1, kAdding));
  const std::string dir = RunDir();
  WriteBackup(100, "another");
  EXPECT_THAT(Restore(kAdding), IsError(Code::kAlreadyExists, "remove " + dir + " from memory"));
}

TEST_F(RestoreRerunTest, StagingOfADatabaseThatIsGoneIsRemoved) {
  RestoreOptions options;
  ASSERT_OK_AND_ASSIGN(options.renames, RenameRules::Parse("default.*:shop.*"));
  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 1, options));
  ASSERT_THAT(Keys(), Contains(HasSubstr("binlogs/insert_log/7/")));
  // A server without the database; and now another collection is to have the name.
  Start({.import_tick = 1ms});
  ASSERT_OK_AND_ASSIGN(options.sources, Selection::ParseCollections("two"));
  ASSERT_OK_AND_ASSIGN(options.renames, RenameRules::Parse("default.two:shop.one"));
  ASSERT_OK(Restore(options));
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreRerunTest, WhatAKilledRunWasStagingOnADiskIsGoneBeforeTheNextImport) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 1, kSuffixed));
  testing::TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto local, storage::OpenLocal({.root = dir.path()}));
  for (const std::string& key : Keys()) ASSERT_OK(local->Put({}, key, AsBytes(ReadKey(key)), {}));
  site_.milvus_storage.backend = local.get();
  const std::string log = testing::LeaveTemporary(dir.path() + "/" + RunDir() +
                                                  "binlogs/insert_log/7/71/710/710/100/71000");
  bool was_asked = false;
  fake_->SetImportRows([&](const milvus::ImportRequest& request) {
    if (request.partition_name == "p71") {
      was_asked = true;
      EXPECT_FALSE(std::filesystem::exists(log));
    }
    return kRowsPerImport;
  });
  ASSERT_OK(Restore(kSuffixed));
  EXPECT_TRUE(was_asked);
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST_F(RestoreRerunTest, AnImportThatNeverEndsEndsTheRun) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 1, kSuffixed));
  StuckClient stuck(life_, *inner_);
  stuck.collection_id = [&](const std::string& collection) {
    const auto found = fake_->Find("default", collection);
    return found ? found->info.id : 1;
  };
  site_.client = &stuck;
  EXPECT_THAT(Restore({.suffix = "_r", .import_stall_limit = 200ms, .drain_limit = 50ms}),
              IsError(Code::kDeadlineExceeded,
                      "import task 990 of default.one_r (elsewhere/) has made no progress"));
}

TEST_F(RestoreRerunTest, AnImportIntoAnEarlierCollectionOfTheNameIsNotWaitedFor) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 1, kSuffixed));
  StuckClient stuck(life_, *inner_);
  stuck.collection_id = [](const std::string&) { return 1; };
  site_.client = &stuck;
  ASSERT_OK(Restore({.suffix = "_r", .import_stall_limit = 200ms}));
  EXPECT_EQ(RowsOf("one_r"), 20);
}

TEST_F(RestoreRerunTest, WhatSomebodyElseMadeFirstIsNotDropped) {
  RivalClient rival(life_, *inner_);
  rival.on_made = [&] {
    FakeCollection theirs = *fake_->Find("default", "one_r");
    theirs.info.created_timestamp = 1;
    theirs.segments = {{.num_rows = 500, .state = 4}};
    fake_->Drop("default", "one_r");
    fake_->Add("default", theirs);
  };
  site_.client = &rival;
  EXPECT_THAT(Restore(kSuffixed), IsError(Code::kUnavailable, "no answer"));
  EXPECT_EQ(RowsOf("one_r"), 500);
}

TEST_F(RestoreRerunTest, RunsThatGoOnWithPartsOfOneKeepItsMarker) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 1, kSuffixed));
  const std::string marker = RunDir() + "run.json";
  RestoreOptions one = kSuffixed;
  RestoreOptions two = kSuffixed;
  ASSERT_OK_AND_ASSIGN(one.sources, Selection::ParseCollections("one"));
  ASSERT_OK_AND_ASSIGN(two.sources, Selection::ParseCollections("two"));
  InterruptedClient client(life_, *inner_);
  site_.client = &client;
  client.before_record = [&] {
    ASSERT_OK(Restore(one));
    EXPECT_FALSE(HasMarker());
  };
  client.after_record = [&] { EXPECT_THAT(Keys(), Contains(marker)); };
  ASSERT_OK(Restore(two));
  EXPECT_FALSE(client.after_record);
  EXPECT_THAT(Names(), ElementsAre("one_r", "two_r"));
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreRerunTest, RecordsOfARunAtWorkAreNoRemains) {
  InterruptedClient client(life_, *inner_);
  site_.client = &client;
  client.after_record = [&] {
    ASSERT_OK(own_.Delete({}, RunDir() + "run.json"));
    ASSERT_OK(Restore({.suffix = "_s"}));
    EXPECT_EQ(RecordsOf(0).size(), 1U);
  };
  ASSERT_OK(Restore(kSuffixed));
  EXPECT_FALSE(client.after_record);
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreRerunTest, RowsOfAnAdditionAreThoseTheCollectionGot) {
  AddBoth();
  BusyClient busy(life_, *inner_);
  site_.client = &busy;
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore(kAdding));
  EXPECT_EQ(RowsOf("one"), 520);
  EXPECT_THAT(report.warnings, Contains(HasSubstr("default.one has 27 rows more than before")));
}

TEST_F(RestoreRerunTest, ManyImportsAreWrittenDownInFewBatches) {
  constexpr int kImports = 40;
  meta::BackupInfo info{.id = "0b", .name = "b"};
  info.collection_backups = {Collection(7, "one", kImports, 100)};
  ASSERT_OK(meta::WriteBackup({}, backups_, "backup/b/", info));
  site_.parallel_imports = 16;
  ASSERT_OK(Restore(kSuffixed));
  EXPECT_EQ(RowsOf("one_r"), kImports * kRowsPerImport);
  size_t batches = 0;
  std::string before;
  for (const auto& call : fake_->calls()) {
    if (call.method == "Import" && before != "Import") ++batches;
    before = call.method;
  }
  // All 16 at once, then four or more whenever as many have ended.
  EXPECT_LE(batches, 1U + (kImports - 16) / 4);
}

TEST_F(RestoreRerunTest, ABackupThatIsBeingRestoredIsNotDeleted) {
  Status deleted;
  fake_->SetImportRows([&](const milvus::ImportRequest&) {
    deleted = DeleteBackup({}, {.backend = &backups_.immortal(), .root = "backup"}, "b").status();
    return kRowsPerImport;
  });
  ASSERT_OK(Restore(kSuffixed));
  EXPECT_THAT(deleted, IsError(Code::kAlreadyExists, "backup b is being worked on: read by"));
  EXPECT_THAT(Keys(backups_, "backup/.locks/"), IsEmpty());

  ASSERT_OK_AND_ASSIGN(const auto lock, RunLock::Acquire({}, backups_, BackupLockDir("backup", "b"),
                                                         meta::NewRunRecord("delete", "b")));
  EXPECT_THAT(Restore({.suffix = "_s"}), IsError(Code::kAlreadyExists, "delete by process"));
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreRerunTest, WhatIsDamagedConcernsNobodyElse) {
  const std::string marker = "restore-temp-0123456789abcdef/run.json";
  const std::string lock = "restore-temp-locks/0123456789abcdef.json";
  WriteKey(marker, "{");
  WriteKey(lock, "{");
  ASSERT_OK(Restore(kSuffixed));
  EXPECT_THAT(Keys(), ElementsAre(marker, lock));
}

TEST_F(RestoreRerunTest, ADamagedMarkerIsNamedToWhomItConcerns) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 1, kSuffixed));
  const std::string dir = RunDir();
  WriteKey(dir + "run.json", "{");
  EXPECT_THAT(Restore(kSuffixed), IsError(Code::kDataLoss, dir + "run.json"));
  EXPECT_EQ(Keys(own_, dir + "run/").size(), 1U);
  ASSERT_OK(Restore({.suffix = "_s"}));
}

TEST_F(RestoreRerunTest, ARecordDoesNotNameWhatIsDropped) {
  ASSERT_NO_FATAL_FAILURE(CutAfter("CreateCollection", 1, kSuffixed));
  AddExisting("victim");
  for (const std::string name : {"victim", "one_r_mbtmp_0123456", "one_r_mbtmp_0123456g"}) {
    EditRecord(0, [&](meta::RestoreProgress& progress) { progress.filled_as = name; });
    EXPECT_THAT(Restore({.suffix = "_r", .existing = ExistingTarget::kReplace}),
                IsError(Code::kDataLoss, "run/000000.json"));
    EXPECT_EQ(RowsOf("victim"), 500);
  }
}

TEST_F(RestoreRerunTest, WhatWasThereBeforeIsNotDroppedByItsName) {
  AddExisting("one_mbtmp_01234567");
  const auto prepared = *fake_->Find("default", "one_mbtmp_01234567");
  ASSERT_NO_FATAL_FAILURE(CutAfter("CreateCollection", 1, kReplacing));
  fake_->Add("default", prepared);
  EditRecord(0, [](meta::RestoreProgress& progress) { progress.filled_as = "one_mbtmp_01234567"; });
  const RestoreOptions other{.existing = ExistingTarget::kReplace, .max_shard_num = 3};
  ASSERT_OK(Restore(other));
  EXPECT_EQ(RowsOf("one_mbtmp_01234567"), 500);
}

}  // namespace
}  // namespace milvus_backup::backup
