#include "copy_fixture.h"
#include "support/temp_dir.h"

#include "milvus_backup/backup/delete.h"
#include "milvus_backup/storage/open.h"
#include "milvus_backup/storage/prefix_backend.h"

#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <sys/stat.h>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::IsError;
using Outcome = CopiedBackup::Outcome;

TEST_F(CopyTest, ABackupIsCopiedByteForByteAndNothingElseIsLeft) {
  PutBackup(source_, "a/b/");
  Put(source_, "a/bb/other", "no part of it");
  ASSERT_OK_AND_ASSIGN(const CopyReport report, CopyB());
  ExpectSame("a/b/", "c/b/");
  EXPECT_EQ(Copied("").size(), 5U);
  EXPECT_EQ(Source("").size(), 6U);
  EXPECT_EQ(report.objects, 5U);
  EXPECT_EQ(report.kept_objects, 0U);
  EXPECT_FALSE(report.resumed);
  ASSERT_EQ(report.backups.size(), 1U);
  EXPECT_EQ(report.backups[0].outcome, Outcome::kCopied);
}

TEST_F(CopyTest, TheHeaderComesLast) {
  PutBackup(source_, "a/b/");
  ASSERT_OK(CopyB());
  const uint64_t calls = destination_.calls();
  for (uint64_t alive = 1; alive < calls; ++alive) {
    MortalBackend destination;
    destination.Live(alive);
    transfer::CopyEngine engine(options_, nullptr);
    const auto cut = CopyBackup({}, engine, {&source_, "a/b/"}, {&destination, "c/b/"}, {});
    destination.Live(kForever);
    auto objects = Read(destination, "c/b/");
    objects.erase("meta/run.json");
    if (objects.contains(kHeader)) {
      EXPECT_TRUE(objects == Source("a/b/")) << alive;
    }
    BuryLocks(source_, "a/.locks/");
  }
}

TEST_F(CopyTest, TheSameCopyAgainChangesNothing) {
  PutBackup(source_, "a/b/");
  ASSERT_OK(CopyB());
  ASSERT_OK_AND_ASSIGN(const auto before, destination_.Stat({}, std::string("c/b/") + kHeader));
  ASSERT_OK_AND_ASSIGN(const CopyReport report, CopyB());
  EXPECT_EQ(report.backups[0].outcome, Outcome::kAlreadyThere);
  EXPECT_EQ(report.objects, 0U);
  ASSERT_OK_AND_ASSIGN(const auto after, destination_.Stat({}, std::string("c/b/") + kHeader));
  EXPECT_EQ(before.modified, after.modified);
}

TEST_F(CopyTest, AnotherBackupOfTheNameIsNotTouchedUnlessItMayBe) {
  PutBackup(source_, "a/b/");
  PutBackup(destination_, "c/b/", 'y');
  Put(destination_, "c/b/binlogs/insert_log/8/80/800/800/100/1", "stale");
  const auto before = Copied("");
  EXPECT_THAT(CopyB(), IsError(Code::kAlreadyExists, "a backup is at c/b/ already"));
  EXPECT_TRUE(Copied("") == before);
  ASSERT_OK_AND_ASSIGN(const CopyReport report, CopyB({.overwrite = true}));
  ExpectSame("a/b/", "c/b/");
  EXPECT_EQ(report.deleted_objects, 1U);
}

TEST_F(CopyTest, OverwritingRepairsADamagedCopyAndKeepsWhatIsRight) {
  PutBackup(source_, "a/b/");
  ASSERT_OK(CopyB());
  Put(destination_, "c/b/binlogs/insert_log/7/70/700/700/100/1", std::string(100, '!'));
  ASSERT_OK_AND_ASSIGN(const CopyReport report, CopyB({.overwrite = true}));
  ExpectSame("a/b/", "c/b/");
  EXPECT_EQ(report.kept_objects, 3U);
  EXPECT_EQ(report.objects, 2U);
}

TEST_F(CopyTest, WhatIsNoCompleteBackupIsRefusedBeforeAnythingIsWritten) {
  EXPECT_THAT(CopyB(), IsError(Code::kNotFound, "backup b not found"));
  PutBackup(source_, "a/b/");
  Put(source_, std::string("a/b/") + kHeader,
      R"({"id":"x","size":0,"partial":true,"failed_collections":["default.c"]})");
  EXPECT_THAT(CopyB(), IsError(Code::kFailedPrecondition, "a partial backup, without default.c"));
  Put(source_, std::string("a/b/") + kHeader, R"({"id":"x","size":0,"partial":true})");
  EXPECT_THAT(CopyB(), IsError(Code::kFailedPrecondition,
                               "without collections that its header does not name;"));
  EXPECT_THAT(Tree(), IsError(Code::kFailedPrecondition, "a/b/"));
  ASSERT_OK(source_.Delete({}, std::string("a/b/") + kHeader));
  EXPECT_THAT(CopyB(), IsError(Code::kFailedPrecondition, "an unfinished backup"));
  EXPECT_THAT(Tree(), IsError(Code::kFailedPrecondition, "an unfinished backup"));
  ASSERT_OK(meta::WriteRunRecord({}, source_, meta::MarkerKey("a/b/"),
                                 meta::NewRunRecord("create", "b")));
  EXPECT_THAT(CopyB(), IsError(Code::kFailedPrecondition, "create by process"));
  EXPECT_TRUE(Copied("").empty());
  // Left out on purpose.
  Put(source_, "a/plain", "p");
  ASSERT_OK(Tree({.exclude = {"b"}}));
  EXPECT_EQ(Keys(Copied("")), std::set<std::string>{"c/plain"});
}

TEST_F(CopyTest, ATreeKeepsBackupsAndWhatLiesAroundThem) {
  PutBackup(source_, "a/b/");
  PutBackup(source_, "a/deep/er/b2/", 'z');
  Put(source_, "a/a", "first");
  Put(source_, "a/between", "x");
  Put(source_, "a/zz/large", std::string(700 * kKiB, 'l'));
  Put(source_, "a/empty", "");
  Put(source_, "ab/c", "a neighbour");
  ASSERT_OK_AND_ASSIGN(const CopyReport report, Tree());
  ExpectSame("a/", "c/");
  EXPECT_EQ(Copied("").size(), Copied("c/").size());
  ASSERT_EQ(report.backups.size(), 2U);
  EXPECT_EQ(report.backups[0].dir, "b");
  EXPECT_EQ(report.backups[1].dir, "deep/er/b2");
  ASSERT_OK_AND_ASSIGN(const CopyReport again, Tree());
  EXPECT_EQ(again.objects, 0U);
  EXPECT_EQ(again.kept_objects, 14U);
}

TEST_F(CopyTest, ObjectsThatDifferAreNamedAndTheOthersCopied) {
  Put(source_, "a/1", "new");
  Put(source_, "a/2", "same");
  Put(source_, "a/3", "longer than that");
  Put(source_, "a/4", "absent");
  Put(destination_, "c/1", "old");
  Put(destination_, "c/2", "same");
  Put(destination_, "c/3", "short");
  ASSERT_OK_AND_ASSIGN(const CopyReport report, Tree());
  EXPECT_TRUE(report.some_failed());
  ASSERT_EQ(report.failures.size(), 2U);
  EXPECT_EQ(Copied("c/")["1"], "old");
  EXPECT_EQ(Copied("c/")["3"], "short");
  EXPECT_EQ(Copied("c/")["4"], "absent");
  ASSERT_OK_AND_ASSIGN(const CopyReport over, Tree({.overwrite = true}));
  EXPECT_FALSE(over.some_failed());
  EXPECT_EQ(over.objects, 2U);
  EXPECT_EQ(over.kept_objects, 2U);
  ExpectSame("a/", "c/");
}

TEST_F(CopyTest, OfVeryManyFailuresTheFirstAreNamed) {
  const size_t count = transfer::kMostFailures + 5;
  for (size_t i = 0; i < count; ++i) {
    Put(source_, "a/" + std::to_string(i), "new");
    Put(destination_, "c/" + std::to_string(i), "older");
  }
  ASSERT_OK_AND_ASSIGN(const CopyReport report, Tree());
  EXPECT_EQ(report.failure_count, count);
  EXPECT_EQ(report.failures.size(), transfer::kMostFailures);
  EXPECT_TRUE(report.some_failed());
}

TEST_F(CopyTest, ExtraObjectsGoOnlyWhenAskedAndOnlyWhenNothingFailed) {
  PutBackup(source_, "a/b/");
  Put(source_, "a/1", "one");
  PutBackup(destination_, "c/old/");
  Put(destination_, "c/extra", "e");
  Put(destination_, "c/1", "different");
  Put(destination_, "cc", "a neighbour");
  ASSERT_OK_AND_ASSIGN(const CopyReport failed, Tree({.delete_extra = true}));
  EXPECT_TRUE(failed.some_failed());
  EXPECT_TRUE(Copied("c/").contains("extra"));
  EXPECT_TRUE(Copied("c/old/").contains(kHeader));
  ASSERT_OK_AND_ASSIGN(const CopyReport planned,
                       Tree({.dry_run = true, .overwrite = true, .delete_extra = true}));
  EXPECT_EQ(planned.deleted_objects, 6U);
  ASSERT_OK_AND_ASSIGN(const CopyReport kept, Tree({.overwrite = true}));
  EXPECT_TRUE(Copied("c/").contains("extra"));
  ASSERT_OK_AND_ASSIGN(const CopyReport report, Tree({.overwrite = true, .delete_extra = true}));
  EXPECT_EQ(report.deleted_objects, 6U);
  ExpectSame("a/", "c/");
  EXPECT_EQ(Copied("").count("cc"), 1U);
}

TEST_F(CopyTest, PatternsChooseKeysButNeverTearABackup) {
  PutBackup(source_, "a/b/");
  Put(source_, "a/logs/x.log", "1");
  Put(source_, "a/logs/x.txt", "2");
  ASSERT_OK(Tree({.include = {"logs"}, .exclude = {"*.txt"}}));
  EXPECT_EQ(Keys(Copied("")), std::set<std::string>{"c/logs/x.log"});
  EXPECT_THAT(Tree({.exclude = {"insert_log"}}),
              IsError(Code::kInvalidArgument, "only a part of the backup a/b/"));
  EXPECT_EQ(Keys(Copied("")), std::set<std::string>{"c/logs/x.log"});
  // Without its header it is no backup.
  ASSERT_OK(Tree({.exclude = {"insert_log", "backup_meta.json"}}));
  EXPECT_TRUE(Copied("c/").contains("b/meta/full_meta.json"));
  EXPECT_FALSE(Copied("c/").contains(std::string("b/") + kHeader));
  // What the patterns leave out is not extra either.
  Put(destination_, "c/kept.txt", "k");
  ASSERT_OK(Tree({.delete_extra = true, .include = {"logs"}}));
  EXPECT_TRUE(Copied("c/").contains("kept.txt"));
}

TEST_F(CopyTest, ADryRunWritesNothing) {
  PutBackup(source_, "a/b/");
  Put(source_, "a/1", "one");
  Put(destination_, "c/1", "two");
  const uint64_t before = Copied("").size();
  ASSERT_OK_AND_ASSIGN(const CopyReport report, Tree({.dry_run = true}));
  EXPECT_EQ(report.objects, 5U);
  EXPECT_EQ(report.undecided_objects, 1U);
  EXPECT_EQ(Copied("").size(), before);
  EXPECT_EQ(Source("").size(), 6U);
}

TEST_F(CopyTest, EveryCompleteBackupThatIsNotThereIsCopied) {
  PutBackup(source_, "a/b1/");
  PutBackup(source_, "a/b2/");
  PutBackup(source_, "a/b3/");
  PutBackup(source_, "a/broken/");
  ASSERT_OK(source_.Delete({}, std::string("a/broken/") + kHeader));
  PutBackup(destination_, "c/b2/", 'y');
  Put(destination_, "c/b3/binlogs/insert_log/1", "in the way");
  ASSERT_OK_AND_ASSIGN(const CopyAllReport report, All());
  ASSERT_EQ(report.total.backups.size(), 3U);
  EXPECT_EQ(report.total.backups[0].outcome, Outcome::kCopied);
  EXPECT_THAT(report.total.backups[1].status,
              IsError(Code::kAlreadyExists, "a backup is at c/b2/ already"));
  EXPECT_THAT(report.total.backups[2].status,
              IsError(Code::kAlreadyExists, "in the way: c/b3/binlogs/insert_log/1"));
  EXPECT_TRUE(report.total.some_failed());
  ASSERT_EQ(report.left_out.size(), 1U);
  EXPECT_EQ(report.left_out[0].dir, "broken");
  ExpectSame("a/b1/", "c/b1/");
  // One that is there and partial is not what the source has.
  Put(destination_, std::string("c/b1/") + kHeader,
      R"({"id":"x","size":0,"partial":true,"failed_collections":["default.c"]})");
  ASSERT_OK_AND_ASSIGN(const CopyAllReport again, All());
  EXPECT_THAT(again.total.backups[0].status, IsError(Code::kAlreadyExists, "c/b1/ already"));
  ASSERT_OK(All({.overwrite = true}));
  ASSERT_OK_AND_ASSIGN(const CopyAllReport same, All());
  for (const CopiedBackup& backup : same.total.backups) {
    EXPECT_EQ(backup.outcome, Outcome::kAlreadyThere) << backup.dir;
  }
  ExpectSame("a/b1/", "c/b1/");
  ExpectSame("a/b2/", "c/b2/");
  ExpectSame("a/b3/", "c/b3/");
}

TEST_F(CopyTest, WhatBecameOfEachBackupIsToldAtOnce) {
  PutBackup(source_, "a/b1/");
  PutBackup(source_, "a/b2/");
  PutBackup(source_, "a/b3/");
  PutBackup(destination_, "c/b2/", 'y');
  std::vector<std::string> told;
  const auto observer = [&](const CopiedBackup& backup) {
    told.push_back(backup.dir + (backup.status.ok() ? " ok" : " failed"));
    EXPECT_EQ(Copied("c/b3/").empty(), told.size() < 3) << "the next ones have not begun";
  };
  transfer::CopyEngine engine({}, nullptr);
  ASSERT_OK(CopyAllBackups({}, engine, {&source_, "a/"}, {&destination_, "c/"}, {}, observer));
  EXPECT_EQ(told, (std::vector<std::string>{"b1 ok", "b2 failed", "b3 ok"}));
}

/// Some of its objects may not be read.
class Forbidding final : public storage::InterceptingBackend {
 public:
  explicit Forbidding(std::string part)
      : InterceptingBackend(storage::MakeMemoryBackend()), part_(std::move(part)) {}

 protected:
  Status Around(const CallContext&, const storage::CallInfo& info, storage::CallRef call) override {
    if (info.method != storage::Method::kRead || info.key.find(part_) == std::string_view::npos) {
      return call();
    }
    return Status(Code::kPermissionDenied, "denied").WithOrigin(Origin::kStorage);
  }

 private:
  const std::string part_;
};

TEST_F(CopyTest, WhatMayNotBeReadDoesNotKeepTheOthersBack) {
  transfer::CopyEngine engine(options_, nullptr);
  for (const char* unread : {"b1/binlogs/insert_log/7/70/700/700/100/1",
                             "b1/binlogs/insert_log/7/70/700/700/101/2", "a/a"}) {
    SCOPED_TRACE(unread);
    Forbidding source(unread);
    MortalBackend destination;
    PutBackup(source, "a/b1/");
    PutBackup(source, "a/b2/");
    Put(source, "a/a", "first");
    Put(source, "a/z", "last");
    ASSERT_OK_AND_ASSIGN(const CopyReport report,
                         CopyTree({}, engine, {&source, "a/"}, {&destination, "c/"}, {}));
    ASSERT_EQ(report.failures.size(), 1U);
    EXPECT_TRUE(report.failures[0].key.ends_with(unread));
    EXPECT_THAT(report.failures[0].status, IsError(Code::kPermissionDenied, "denied"));
    const auto copied = Read(destination, "c/");
    EXPECT_TRUE(copied.contains("z"));
    EXPECT_TRUE(copied.contains(std::string("b2/") + kHeader));
    EXPECT_EQ(copied.contains(std::string("b1/") + kHeader), std::string_view(unread) == "a/a");
  }
}

/// Fails one object, and gets another one behind the listing of its copy.
class Growing final : public storage::InterceptingBackend {
 public:
  Growing(std::string failing, std::string added)
      : InterceptingBackend(storage::MakeMemoryBackend()),
        failing_(std::move(failing)),
        added_(std::move(added)) {}

 protected:
  Status Around(const CallContext& ctx, const storage::CallInfo& info,
                storage::CallRef call) override {
    const bool moves =
        info.method == storage::Method::kRead || info.method == storage::Method::kCopy;
    if (!moves || info.key != failing_) return call();
    MB_RETURN_IF_ERROR(inner().Put(ctx, added_, AsBytes("x"), {}).status());
    return FailedPreconditionError("cannot be moved").WithOrigin(Origin::kStorage);
  }

 private:
  const std::string failing_;
  const std::string added_;
};

TEST_F(CopyTest, FailuresDoNotHideOtherDifferences) {
  const std::string failing = "a/b/binlogs/insert_log/7/70/700/700/100/1";
  Growing source(failing, "a/b/binlogs/insert_log/0");
  PutBackup(source, "a/b/");
  transfer::CopyEngine engine(options_, nullptr);
  ASSERT_OK_AND_ASSIGN(const CopyReport report,
                       CopyBackup({}, engine, {&source, "a/b/"}, {&destination_, "c/b/"}, {}));
  ASSERT_EQ(report.failures.size(), 2U);
  EXPECT_EQ(report.failures[0].key, failing);
  EXPECT_EQ(report.failures[1].key, "a/b/binlogs/insert_log/0");
  EXPECT_THAT(report.failures[1].status, IsError(Code::kDataLoss, "not at the destination"));
  EXPECT_FALSE(Copied("c/b/").contains(kHeader));
  // Nothing of what the source does not have goes before all is there.
  EXPECT_EQ(report.deleted_objects, 0U);
}

TEST_F(CopyTest, FailuresDoNotHideOtherDifferencesOfATree) {
  Growing both("c/1", "a/0");
  Put(both, "a/1", "one");
  Put(both, "a/2", "two");
  transfer::CopyEngine engine({.concurrency = 1}, nullptr);
  ASSERT_OK_AND_ASSIGN(const CopyReport report,
                       CopyTree({}, engine, {&both, "a/"}, {&both, "c/"}, {}));
  EXPECT_EQ(report.server_side_objects, 1U);
  ASSERT_EQ(report.failures.size(), 2U);
  EXPECT_EQ(report.failures[0].key, "a/1");
  EXPECT_EQ(report.failures[1].key, "a/0");
}

TEST_F(CopyTest, CredentialsThatMayReadNothingEndTheRun) {
  Forbidding source("a/");
  for (int i = 0; i < 100; ++i) Put(source, "a/" + std::to_string(i), "x");
  transfer::CopyEngine engine(options_, nullptr);
  EXPECT_THAT(CopyTree({}, engine, {&source, "a/"}, {&destination_, "c/"}, {}).status(),
              IsError(Code::kPermissionDenied, "denied"));
}

TEST_F(CopyTest, AHeaderThatCannotBeReadConcernsItsBackupOnly) {
  PutBackup(source_, "a/b1/");
  PutBackup(source_, "a/b2/");
  Put(source_, std::string("a/b1/") + kHeader, "{");
  ASSERT_OK_AND_ASSIGN(const CopyReport report, Tree());
  ASSERT_EQ(report.backups.size(), 2U);
  EXPECT_THAT(report.backups[0].status, IsError(Code::kDataLoss, "a/b1/meta/backup_meta.json"));
  EXPECT_EQ(report.backups[1].outcome, Outcome::kCopied);
  EXPECT_TRUE(Copied("c/b1/").empty());
}

TEST_F(CopyTest, AStopEndsTheRunAndTheNextOneGoesOn) {
  PutBackup(source_, "a/b/");
  std::stop_source stop;
  // Asked for when the first object has been written.
  class Watched final : public storage::InterceptingBackend {
   public:
    explicit Watched(std::stop_source& stop)
        : InterceptingBackend(storage::MakeMemoryBackend()), stop_(stop) {}

   protected:
    Status Around(const CallContext&, const storage::CallInfo& info,
                  storage::CallRef call) override {
      Status status = call();
      if (info.key.ends_with("/100/1")) stop_.request_stop();
      return status;
    }

   private:
    std::stop_source& stop_;
  } destination(stop);
  transfer::CopyEngine engine(options_, nullptr);
  const auto cut =
      CopyBackup({stop.get_token(), {}}, engine, {&source_, "a/b/"}, {&destination, "c/b/"}, {});
  EXPECT_THAT(cut.status(), IsError(Code::kCancelled, ""));
  EXPECT_TRUE(Read(destination, "c/b/").contains("meta/run.json"));
  EXPECT_FALSE(Read(destination, "c/b/").contains(kHeader));
  ASSERT_OK_AND_ASSIGN(const CopyReport report,
                       CopyBackup({}, engine, {&source_, "a/b/"}, {&destination, "c/b/"}, {}));
  EXPECT_TRUE(report.resumed);
  EXPECT_GE(report.kept_objects, 1U);
  EXPECT_TRUE(Read(destination, "c/b/") == Source("a/b/"));
  EXPECT_EQ(Read(destination, "").size(), 5U);
}

TEST_F(CopyTest, WhatAKilledCopyWasWritingIsGoneFromTheDisk) {
  PutBackup(source_, "a/b/");
  testing::TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto local, storage::OpenLocal({.root = dir.path()}));
  ASSERT_OK(
      meta::WriteRunRecord({}, *local, meta::MarkerKey("c/b/"), meta::NewRunRecord("copy", "b")));
  const std::string log =
      testing::LeaveTemporary(dir.path() + "/c/b/binlogs/insert_log/7/70/700/700/101/2");
  transfer::CopyEngine engine(options_, nullptr);
  const CopyRules rules{.check = false};
  ASSERT_OK(CopyBackup({}, engine, {&source_, "a/b/"}, {local.get(), "c/b/", true}, rules));
  EXPECT_TRUE(Read(*local, "c/b/") == Source("a/b/"));
  EXPECT_FALSE(std::filesystem::exists(log));
}

TEST_F(CopyTest, WhatAKilledCopyOfATreeWasWritingIsGoneFromTheDisk) {
  namespace fs = std::filesystem;
  Put(source_, "a/sub/one", "1");
  Put(source_, "a/two", "2");
  testing::TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto local, storage::OpenLocal({.root = dir.path()}));
  std::vector<std::string> left;
  // The source has lost one of them, and the lock and the marker were being written too.
  for (const char* key :
       {"c/sub/one", "c/gone/x", "c/two", ".locks/c/x.json", ".locks/c.run.json"}) {
    left.push_back(testing::LeaveTemporary(dir.path() + "/" + key));
  }
  const std::string neighbour = testing::LeaveTemporary(dir.path() + "/cc/two");
  fs::create_directories(dir.path() + "/c/empty");
  transfer::CopyEngine engine(options_, nullptr);
  const backup::Tree to{local.get(), "c/", true};
  ASSERT_OK_AND_ASSIGN(const CopyReport planned,
                       CopyTree({}, engine, {&source_, "a/"}, to, {.dry_run = true}));
  EXPECT_EQ(planned.objects, 2U);
  for (const std::string& path : left) EXPECT_TRUE(fs::exists(path)) << path;
  ASSERT_OK_AND_ASSIGN(const CopyReport report, CopyTree({}, engine, {&source_, "a/"}, to, {}));
  EXPECT_TRUE(report.warnings.empty());
  EXPECT_TRUE(Read(*local, "c/") == Source("a/"));
  for (const std::string& path : left) EXPECT_FALSE(fs::exists(path)) << path;
  EXPECT_FALSE(fs::exists(dir.path() + "/c/gone"));
  EXPECT_FALSE(fs::exists(dir.path() + "/.locks"));
  EXPECT_TRUE(fs::exists(dir.path() + "/c/empty"));
  EXPECT_TRUE(fs::exists(neighbour));
}

TEST_F(CopyTest, WhatIsNoFileIsPassedOverWithAWarning) {
  testing::TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto local, storage::OpenLocal({.root = dir.path()}));
  Put(*local, "a/one", "1");
  PutBackup(*local, "a/b/");
  ASSERT_EQ(mkfifo((dir.path() + "/a/pipe").c_str(), 0600), 0);
  ASSERT_EQ(mkfifo((dir.path() + "/a/left_out").c_str(), 0600), 0);
  ASSERT_EQ(mkfifo((dir.path() + "/a/b/meta/pipe").c_str(), 0600), 0);
  transfer::CopyEngine engine(options_, nullptr);
  const backup::Tree from{local.get(), "a/", true};
  const backup::Tree to{&destination_, "c/"};
  for (const bool dry_run : {true, false}) {
    ASSERT_OK_AND_ASSIGN(
        const CopyReport report,
        CopyTree({}, engine, from, to, {.dry_run = dry_run, .exclude = {"left_out"}}));
    ASSERT_EQ(report.warnings.size(), 2U);
    EXPECT_EQ(report.warnings[0], "a/b/meta/pipe in directory " + dir.path() +
                                      " is passed over, for it is neither a file nor a directory");
    EXPECT_TRUE(report.warnings[1].starts_with("a/pipe in directory "));
    EXPECT_FALSE(report.some_failed());
  }
  EXPECT_EQ(Copied("c/").size(), 6U);
  ASSERT_OK_AND_ASSIGN(const CopyReport backup, CopyBackup({}, engine, {local.get(), "a/b/", true},
                                                           {&destination_, "d/"}, {}));
  EXPECT_EQ(backup.warnings.size(), 1U);
}

TEST_F(CopyTest, NamesOfWhatIsPassedOverCannotSteerATerminal) {
  testing::TempDir dir;
  ASSERT_OK_AND_ASSIGN(const auto local, storage::OpenLocal({.root = dir.path()}));
  Put(*local, "a/one", "1");
  ASSERT_EQ(mkfifo((dir.path() + "/a/pi\x1b[2J\npe").c_str(), 0600), 0);
  transfer::CopyEngine engine(options_, nullptr);
  ASSERT_OK_AND_ASSIGN(const CopyReport report,
                       CopyTree({}, engine, {local.get(), "a/", true}, {&destination_, "c/"}, {}));
  ASSERT_EQ(report.warnings.size(), 1U);
  EXPECT_TRUE(report.warnings[0].starts_with("a/pi?[2J?pe in directory ")) << report.warnings[0];
}

TEST_F(CopyTest, RunsAtWorkOnEitherSideAreNotDisturbed) {
  PutBackup(source_, "a/b/");
  meta::RunRecord other = meta::NewRunRecord("delete", "b");
  other.held = true;
  const std::string at_source = "a/.locks/b/" + other.run_id + ".json";
  ASSERT_OK(meta::WriteRunRecord({}, source_, at_source, other));
  EXPECT_THAT(CopyB(), IsError(Code::kAlreadyExists, "is being worked on: delete by"));
  ASSERT_OK(source_.Delete({}, at_source));
  // Another copy of the same source is no obstacle.
  other.operation = "read";
  ASSERT_OK(meta::WriteRunRecord({}, source_, at_source, other));
  other = meta::NewRunRecord("create", "b");
  other.held = true;
  const std::string at_destination = "c/.locks/b/" + other.run_id + ".json";
  ASSERT_OK(meta::WriteRunRecord({}, destination_, at_destination, other));
  EXPECT_THAT(CopyB(), IsError(Code::kAlreadyExists, "is being worked on: create by"));
  EXPECT_EQ(Copied("c/b/").size(), 0U);
  ASSERT_OK(destination_.Delete({}, at_destination));
  ASSERT_OK(CopyB());
  // Neither that lock nor ours has been copied or is left.
  EXPECT_EQ(Copied("").size(), 5U);
  EXPECT_THAT(DeleteBackup({}, {.backend = &source_, .root = "a"}, "b").status(),
              IsError(Code::kAlreadyExists, "read by"));
}

TEST_F(CopyTest, ATreeThatIsWorkedOnIsCalledATree) {
  Put(source_, "a/1", "one");
  meta::RunRecord other = meta::NewRunRecord("copy", "c");
  other.held = true;
  ASSERT_OK(meta::WriteRunRecord({}, destination_, ".locks/c/" + other.run_id + ".json", other));
  EXPECT_THAT(Tree(), IsError(Code::kAlreadyExists,
                              "the tree c/ in memory is being worked on: copy by process"));
  other = meta::NewRunRecord("copy", ".tree");
  other.held = true;
  ASSERT_OK(
      meta::WriteRunRecord({}, destination_, ".locks/.tree/" + other.run_id + ".json", other));
  transfer::CopyEngine engine(options_, nullptr);
  EXPECT_THAT(CopyTree({}, engine, {&source_, "a/"}, {&destination_, ""}, {}),
              IsError(Code::kAlreadyExists, "everything in memory is being worked on: copy by"));
}

/// A storage that can only be read, for lack of rights or of space.
class Guarded final : public storage::InterceptingBackend {
 public:
  Guarded() : InterceptingBackend(storage::MakeMemoryBackend()) {}
  void Close(Code code = Code::kPermissionDenied) {
    is_open_ = false;
    code_ = code;
  }
  uint64_t refused() const { return refused_; }

 protected:
  Status Around(const CallContext&, const storage::CallInfo& info, storage::CallRef call) override {
    using storage::Method;
    const bool reads = info.method == Method::kStat || info.method == Method::kRead ||
                       info.method == Method::kList || info.method == Method::kCheckAccess;
    if (is_open_ || reads) return call();
    if (code_ == Code::kResourceExhausted && info.method == Method::kDelete) return call();
    ++refused_;
    return Status(code_, "denied").WithOrigin(Origin::kStorage);
  }

 private:
  bool is_open_ = true;
  Code code_ = Code::kOk;
  std::atomic<uint64_t> refused_{0};
};

TEST_F(CopyTest, ASourceThatMayOnlyBeReadIsCopiedWithoutALock) {
  Guarded source;
  PutBackup(source, "a/b/");
  source.Close();
  transfer::CopyEngine engine(options_, nullptr);
  ASSERT_OK(CopyBackup({}, engine, {&source, "a/b/"}, {&destination_, "c/b/"}, {}));
  EXPECT_EQ(source.refused(), 1U);
  EXPECT_TRUE(Copied("c/b/") == Read(source, "a/b/"));
}

TEST_F(CopyTest, AFullSourceIsCopiedWithoutALock) {
  Guarded source;
  PutBackup(source, "a/b/");
  source.Close(Code::kResourceExhausted);
  transfer::CopyEngine engine(options_, nullptr);
  ASSERT_OK(CopyBackup({}, engine, {&source, "a/b/"}, {&destination_, "c/b/"}, {}));
  EXPECT_EQ(source.refused(), 1U);
  EXPECT_TRUE(Copied("c/b/") == Read(source, "a/b/"));
}

TEST_F(CopyTest, ASourceThatChangesMeanwhileGivesNoHeader) {
  PutBackup(source_, "a/b/");
  // The header is replaced when the last object before it has been written.
  bool changed = false;
  class Watched final : public storage::InterceptingBackend {
   public:
    Watched(std::unique_ptr<storage::Backend> inner, std::function<void()> then)
        : InterceptingBackend(std::move(inner)), then_(std::move(then)) {}

   protected:
    Status Around(const CallContext&, const storage::CallInfo& info,
                  storage::CallRef call) override {
      if (info.key.ends_with("full_meta.json") && info.method == storage::Method::kPut) then_();
      return call();
    }

   private:
    std::function<void()> then_;
  } destination(storage::MakeMemoryBackend(), [&] {
    changed = true;
    Put(source_, std::string("a/b/") + kHeader, R"({"id":"another","size":0})");
  });
  transfer::CopyEngine engine(options_, nullptr);
  const auto copied = CopyBackup({}, engine, {&source_, "a/b/"}, {&destination, "c/b/"}, {});
  EXPECT_TRUE(changed);
  EXPECT_THAT(copied.status(), IsError(Code::kAborted, "changed while the backup was copied"));
  EXPECT_FALSE(Read(destination, "c/b/").contains(kHeader));
}

TEST_F(CopyTest, BackupsThatComeAndGoMeanwhileAreNamed) {
  PutBackup(source_, "a/b1/");
  PutBackup(source_, "a/b3/");
  Put(source_, "a/zz", "last");
  // Happens after the survey: when the destination is looked at.
  class Watched final : public storage::InterceptingBackend {
   public:
    explicit Watched(std::function<void()> then)
        : InterceptingBackend(storage::MakeMemoryBackend()), then_(std::move(then)) {}

   protected:
    Status Around(const CallContext&, const storage::CallInfo& info,
                  storage::CallRef call) override {
      if (info.method == storage::Method::kCheckAccess) then_();
      return call();
    }

   private:
    std::function<void()> then_;
  };
  bool happened = false;
  Watched destination([&] {
    if (std::exchange(happened, true)) return;
    for (const auto& [key, bytes] : Source("a/b1/")) {
      ASSERT_OK(source_.Delete({}, "a/b1/" + key));
    }
    PutBackup(source_, "a/b2/");
    Put(source_, "a/b2/meta/run.json", "of a create that is about to end");
  });
  transfer::CopyEngine engine(options_, nullptr);
  const auto copy = [&] {
    return CopyTree({}, engine, {&source_, "a/"}, {&destination, "c/"}, {});
  };
  ASSERT_OK_AND_ASSIGN(const CopyReport report, copy());
  ASSERT_EQ(report.backups.size(), 2U);
  EXPECT_THAT(report.backups[0].status, IsError(Code::kAborted, "vanished"));
  EXPECT_EQ(report.backups[1].outcome, Outcome::kCopied);
  ASSERT_EQ(report.failures.size(), 1U);
  EXPECT_EQ(report.failures[0].key, std::string("a/b2/") + kHeader);
  const auto copied = Read(destination, "c/");
  EXPECT_FALSE(copied.contains(std::string("b2/") + kHeader));
  EXPECT_TRUE(copied.contains(std::string("b3/") + kHeader));
  EXPECT_TRUE(copied.contains("zz"));
  // The same command again, as it says.
  ASSERT_OK(source_.Delete({}, "a/b2/meta/run.json"));
  ASSERT_OK_AND_ASSIGN(const CopyReport again, copy());
  EXPECT_FALSE(again.some_failed());
  EXPECT_EQ(Read(destination, "c/b2/"), Source("a/b2/"));
}

/// Counts the pages of listings that begin.
class Listed final : public storage::InterceptingBackend {
 public:
  Listed() : InterceptingBackend(storage::MakeMemoryBackend()) {}
  int pages() { return pages_.exchange(0); }

 protected:
  Status Around(const CallContext&, const storage::CallInfo& info, storage::CallRef call) override {
    if (info.method == storage::Method::kList) ++pages_;
    return call();
  }

 private:
  std::atomic<int> pages_{0};
};

// What is in a tree is looked through before anything is written.
TEST_F(CopyTest, OnlySmallPlainTreesAreListedOnce) {
  Listed source;
  transfer::CopyEngine engine(options_, nullptr);
  const auto planned = [&] {
    const auto copied = CopyTree({}, engine, {&source, "a/"}, {&destination_, "c/"},
                                 {.dry_run = true, .exclude = {"x/b/**"}});
    return copied.ok() ? copied->objects : 0;
  };
  for (int i = 0; i < 1500; ++i) Put(source, fmt::format("a/x/{:05}", i), "1");
  EXPECT_EQ(planned(), 1500U);
  EXPECT_EQ(source.pages(), 2);
  for (int i = 1500; i < 10'001; ++i) Put(source, fmt::format("a/x/{:05}", i), "1");
  EXPECT_EQ(planned(), 10'001U);
  EXPECT_EQ(source.pages(), 22);
  for (int i = 1500; i < 10'001; ++i) ASSERT_OK(source.Delete({}, fmt::format("a/x/{:05}", i)));
  PutBackup(source, "a/x/b/");
  EXPECT_EQ(planned(), 1500U);
  EXPECT_EQ(source.pages(), 4);
  ASSERT_OK_AND_ASSIGN(
      const CopyReport report,
      CopyTree({}, engine, {&source, "a/"}, {&destination_, "c/"}, {.exclude = {"x/b/**"}}));
  EXPECT_EQ(report.objects, 1500U);
  EXPECT_EQ(Read(destination_, "c/").size(), 1500U);
}

TEST_F(CopyTest, PatternsOfAllThatFitNoNameAreRefused) {
  PutBackup(source_, "a/b1/");
  transfer::CopyEngine engine(options_, nullptr);
  EXPECT_THAT(CopyAllBackups({}, engine, {&source_, "a/"}, {&destination_, "c/"},
                             {.include = {"nightly*"}}),
              IsError(Code::kNotFound, "none of the 1 backups"));
}

TEST_F(CopyTest, OnePlaceUnderTwoNamesIsNoticed) {
  PutBackup(source_, "a/b/");
  Put(source_, "a/1", "one");
  transfer::CopyEngine engine(options_, nullptr);
  const auto before = Source("");
  EXPECT_THAT(CopyTree({}, engine, {&source_, "a/"}, {&source_, "a/"}, {}),
              IsError(Code::kInvalidArgument, "the same place"));
  EXPECT_THAT(CopyTree({}, engine, {&source_, "a/"}, {&source_, "a/x/"}, {}),
              IsError(Code::kInvalidArgument, "lies inside the source"));
  EXPECT_EQ(Keys(Source("")), Keys(before));
  ASSERT_OK(CopyTree({}, engine, {&source_, "a/"}, {&source_, "ab/"}, {}));
  EXPECT_TRUE(Source("a/") == Source("ab/"));
}

/// The objects of another storage.
class Shared final : public storage::InterceptingBackend {
 public:
  explicit Shared(storage::Backend& other)
      : InterceptingBackend(storage::MakeMemoryBackend()), other_(other) {}
  Result<storage::ObjectInfo> Stat(const CallContext& ctx, const std::string& key) override {
    return other_.Stat(ctx, key);
  }
  Result<storage::ReadInfo> Read(const CallContext& ctx, const std::string& key,
                                 const storage::ReadOptions& options,
                                 const storage::Sink& sink) override {
    return other_.Read(ctx, key, options, sink);
  }
  Result<storage::ListPage> List(const CallContext& ctx,
                                 const storage::ListRequest& request) override {
    return other_.List(ctx, request);
  }
  Result<storage::ObjectInfo> Put(const CallContext& ctx, const std::string& key, ByteView body,
                                  const storage::PutOptions& options) override {
    return other_.Put(ctx, key, body, options);
  }
  Status Delete(const CallContext& ctx, const std::string& key) override {
    return other_.Delete(ctx, key);
  }

 protected:
  Status Around(const CallContext&, const storage::CallInfo& info, storage::CallRef) override {
    if (info.method == storage::Method::kCheckAccess) return Status::Ok();
    return UnimplementedError("not shared");
  }

 private:
  storage::Backend& other_;
};

TEST_F(CopyTest, OnePlaceUnderOtherKeysIsNoticed) {
  const auto mount = [&](const std::string& dir) {
    return storage::MakePrefixBackend(std::make_unique<Shared>(source_), dir);
  };
  PutBackup(source_, "a/b/");
  Put(source_, "a/1", "one");
  transfer::CopyEngine engine(options_, nullptr);
  const auto before = Source("");
  const auto tree = mount("a/");
  EXPECT_THAT(CopyTree({}, engine, {&source_, "a/"}, {tree.get(), ""}, {.overwrite = true}),
              IsError(Code::kInvalidArgument, "the same place"));
  EXPECT_TRUE(Source("") == before);
  Put(source_, "a/deep/2", "two");
  EXPECT_THAT(CopyTree({}, engine, {&source_, "a/deep/"}, {tree.get(), ""}, {.overwrite = true}),
              IsError(Code::kInvalidArgument, "lies inside the destination"));
  const auto backup = mount("a/b/");
  EXPECT_THAT(CopyBackup({}, engine, {&source_, "a/b/"}, {backup.get(), ""}, {.overwrite = true}),
              IsError(Code::kInvalidArgument, "the same place"));
  EXPECT_EQ(Source("").size(), before.size() + 1);
}

TEST_F(CopyTest, AnUnfinishedCreateIsLeftAloneUnlessItMayBeOverwritten) {
  PutBackup(source_, "a/b/");
  ASSERT_OK(meta::WriteRunRecord({}, destination_, meta::MarkerKey("c/b/"),
                                 meta::NewRunRecord("create", "b")));
  EXPECT_THAT(CopyB(), IsError(Code::kAlreadyExists, "an unfinished backup is at c/b/"));
  ASSERT_OK(CopyB({.overwrite = true}));
  ExpectSame("a/b/", "c/b/");
}

TEST_F(CopyTest, AWholeStorageIsATreeToo) {
  PutBackup(source_, "");
  Put(source_, "other/x", "1");
  transfer::CopyEngine engine(options_, nullptr);
  ASSERT_OK(CopyTree({}, engine, {&source_, ""}, {&destination_, ""}, {}));
  ExpectSame("", "");
  ASSERT_OK_AND_ASSIGN(const CopyReport again,
                       CopyTree({}, engine, {&source_, ""}, {&destination_, ""}, {}));
  EXPECT_EQ(again.backups.at(0).outcome, Outcome::kAlreadyThere);
}

}  // namespace
}  // namespace milvus_backup::backup
