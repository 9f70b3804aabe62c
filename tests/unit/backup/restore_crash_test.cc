// What a restore leaves when its storages and its Milvus fall silent at every single operation, as
// a killed process leaves it, and what the next run of the same command makes of that.
#include "restore_crash_fixture.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::FakeImport;
using ::milvus_backup::testing::IsError;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

TEST_F(RestoreCrashTest, AnImportThatComesLateIsNotThereTwice) {
  ASSERT_NO_FATAL_FAILURE(CutWithAnnouncedImports({.suffix = "_r"}));
  LateClient late(life_, *inner_);
  site_.client = &late;
  const size_t imports = fake_->count("Import");
  ASSERT_OK(Restore({.suffix = "_r"}));
  EXPECT_EQ(fake_->count("Import"), imports + 3 + 2 + 1);
  EXPECT_EQ(RowsOf("one_r"), 20);
  EXPECT_EQ(RowsOf("two_r"), 10);
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(RestoreCrashTest, AnImportThatComesLateIntoAReusedCollectionIsToldOf) {
  AddBoth();
  ASSERT_NO_FATAL_FAILURE(CutWithAnnouncedImports({.existing = ExistingTarget::kReuse}));
  LateClient late(life_, *inner_);
  site_.client = &late;
  const Status status = Restore({.existing = ExistingTarget::kReuse}).status();
  EXPECT_THAT(status, IsError(Code::kDataLoss, "binlogs/insert_log/7/70/ into default.one twice"));
  EXPECT_TRUE(HasMarker());
  const size_t imports = fake_->count("Import");
  ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore({.existing = ExistingTarget::kReuse}));
  EXPECT_EQ(fake_->count("Import"), imports + 1) << "that of the second collection";
  EXPECT_THAT(report.warnings, Contains(HasSubstr("is left as it")));
  site_.client = client_.get();
}

TEST_F(RestoreCrashTest, RowsOfAnImportThatIsListedNowhereAreToldOf) {
  for (const int64_t rows : {10, 7}) {
    ASSERT_NO_FATAL_FAILURE(CutAfter("Import", 1, {.suffix = "_r"}));
    DoubledClient doubled(life_, *inner_);
    doubled.rows = rows;
    site_.client = &doubled;
    EXPECT_THAT(Restore({.suffix = "_r"}),
                rows == 10 ? IsError(Code::kDataLoss, "as many as one of the imports brought")
                           : IsError(Code::kFailedPrecondition, "somebody has written to it"));
    site_.client = client_.get();
    // As the advice says.
    fake_->Drop("default", "one_r");
    ASSERT_OK(Restore({.suffix = "_r"}));
    EXPECT_EQ(RowsOf("one_r"), 20);
    fake_->Drop("default", "one_r");
    fake_->Drop("default", "two_r");
  }
}

TEST_F(RestoreCrashTest, RowsOfFailedImportsAreCountedUntilMilvusHasCleanedUp) {
  AddBoth();
  ASSERT_OK_AND_ASSIGN(const Selection one, Selection::ParseCollections("one"));
  UncleanClient unclean(life_, *inner_);
  site_.client = &unclean;
  for (const RestoreOptions& options :
       {RestoreOptions{.sources = one, .suffix = "_r"},
        RestoreOptions{.sources = one, .existing = ExistingTarget::kReuse}}) {
    unclean.Restart(8);
    ASSERT_OK_AND_ASSIGN(const RestoreReport report, Restore(options));
    EXPECT_EQ(report.collections[0].rows.restored, 20);
    EXPECT_THAT(report.warnings, IsEmpty());
    EXPECT_TRUE(unclean.is_clean());
  }
  site_.client = client_.get();
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
