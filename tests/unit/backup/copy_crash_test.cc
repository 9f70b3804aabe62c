// What a copy leaves when its storage falls silent at every single operation, as a killed process
// leaves it, and what the next run of the same command makes of that.
#include "copy_fixture.h"
#include "support/mortal.h"

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::IsError;
using ::milvus_backup::testing::kSweepStep;

class CopyCrashTest : public CopyTest {
 protected:
  /// After a cut run: what is listed as a backup is whole, and the next run ends with the source's
  /// objects and nothing else, locks and uploads included.
  void ExpectRecovery(const std::vector<std::string>& keys_in_parts) {
    destination_.Live(kForever);
    source_.Live(kForever);
    BuryLocks(destination_, "");
    BuryLocks(source_, "");
    auto objects = Copied("c/b/");
    objects.erase("meta/run.json");
    if (objects.contains(kHeader)) {
      EXPECT_TRUE(objects == Source("a/b/"));
    }
    ASSERT_OK_AND_ASSIGN(const CopyReport again, Tree());
    EXPECT_FALSE(again.some_failed());
    // A dead lock at the source is left to whoever locks there next.
    Clear(source_, "a/.locks/");
    ExpectSame("a/", "c/");
    EXPECT_EQ(Copied("").size(), Copied("c/").size());
    for (const std::string& key : keys_in_parts) {
      ASSERT_OK_AND_ASSIGN(const auto uploads, destination_.ListUploads({}, key));
      EXPECT_TRUE(uploads.empty()) << key;
    }
  }
  void Clear(MortalBackend& backend, const std::string& prefix) {
    for (const auto& [key, bytes] : Read(backend, prefix))
      ASSERT_OK(backend.Delete({}, prefix + key));
  }
  void BuryLocks(MortalBackend& backend, const std::string& prefix) {
    std::vector<std::string> dirs;
    for (const auto& [key, bytes] : Read(backend, prefix)) {
      const size_t at = key.find(".locks/");
      if (at != std::string::npos) dirs.push_back(key.substr(0, at + 7));
    }
    for (const std::string& dir : dirs) backup::BuryLocks(backend, dir);
  }
};

TEST_F(CopyCrashTest, TheNextRunEndsRightAfterASilenceOfEitherSideAtAnyOperation) {
  PutBackup(source_, "a/b/");
  Put(source_, "a/large", std::string(600 * kKiB, 'l'));
  ASSERT_OK(Tree());
  for (MortalBackend* side : {&destination_, &source_}) {
    Clear(destination_, "");
    side->Live(kForever);
    ASSERT_OK(Tree());
    const uint64_t operations = side->calls();
    ASSERT_GT(operations, 15U);
    for (const bool last_is_lost : {false, true}) {
      for (uint64_t alive = 1; alive < operations; alive += kSweepStep) {
        SCOPED_TRACE(std::to_string(alive) + (last_is_lost ? ", answer lost" : "") +
                     (side == &source_ ? ", source" : ""));
        Clear(destination_, "");
        side->Live(alive, last_is_lost);
        const auto cut = Tree();
        ExpectRecovery({"c/b/binlogs/insert_log/7/70/700/700/101/2", "c/large"});
        if (::testing::Test::HasFailure()) return;
      }
    }
  }
}

TEST_F(CopyCrashTest, AnOverwriteThatIsCutNeverShowsAMixture) {
  PutBackup(source_, "a/b/");
  const auto old_copy = [&] {
    Clear(destination_, "");
    PutBackup(destination_, "c/b/", 'y');
    Put(destination_, "c/b/binlogs/insert_log/9/90/900/900/0/1", "stale");
  };
  old_copy();
  const auto old_objects = Copied("c/b/");
  destination_.Live(kForever);
  ASSERT_OK(Tree({.overwrite = true}));
  const uint64_t operations = destination_.calls();
  for (uint64_t alive = 1; alive < operations; ++alive) {
    SCOPED_TRACE(alive);
    old_copy();
    destination_.Live(alive);
    const auto cut = Tree({.overwrite = true});
    destination_.Live(kForever);
    auto objects = Copied("c/b/");
    objects.erase("meta/run.json");
    if (objects.contains(kHeader)) {
      EXPECT_TRUE(objects == old_objects || objects == Source("a/b/"));
    }
    BuryLocks(destination_, "");
    BuryLocks(source_, "");
    ASSERT_OK(Tree({.overwrite = true}));
    ExpectSame("a/", "c/");
  }
}

TEST_F(CopyCrashTest, WhatHasArrivedIsNotSentAgain) {
  PutBackup(source_, "a/b/");
  for (uint64_t alive = 1;; ++alive) {
    ASSERT_LT(alive, 1000U);
    destination_.Live(alive);
    ASSERT_FALSE(CopyB().ok());
    destination_.Live(kForever);
    BuryLocks(destination_, "");
    if (destination_.Stat({}, "c/b/meta/full_meta.json").ok()) break;
  }
  ASSERT_OK_AND_ASSIGN(const CopyReport report, CopyB());
  EXPECT_TRUE(report.resumed);
  EXPECT_EQ(report.kept_objects, 4U);
  EXPECT_EQ(report.objects, 1U);
  ExpectSame("a/b/", "c/b/");
}

TEST_F(CopyCrashTest, ASourceThatWasReplacedMeanwhileIsCopiedAsItIsNow) {
  PutBackup(source_, "a/b/");
  Put(source_, "a/b/binlogs/insert_log/6/60/600/600/100/1", "gone later");
  for (uint64_t alive = 1;; ++alive) {
    destination_.Live(alive);
    ASSERT_FALSE(CopyB().ok());
    destination_.Live(kForever);
    BuryLocks(destination_, "");
    if (destination_.Stat({}, "c/b/meta/full_meta.json").ok()) break;
  }
  Clear(source_, "");
  PutBackup(source_, "a/b/", 'n');
  ASSERT_OK_AND_ASSIGN(const CopyReport report, CopyB());
  EXPECT_EQ(report.deleted_objects, 1U);
  ExpectSame("a/b/", "c/b/");
}

TEST_F(CopyCrashTest, UploadsOfObjectsThatAreNoLongerCopiedAreEnded) {
  PutBackup(source_, "a/b/");
  const std::string gone = "binlogs/insert_log/7/70/700/700/102/3";
  meta::RunRecord left = meta::NewRunRecord("copy", "b");
  std::string noted;
  for (const bool note : {true, false}) {
    ASSERT_OK_AND_ASSIGN(const auto upload,
                         destination_.StartUpload({}, "c/b/" + gone, {.part_size = kMiB}));
    upload->Detach();
    if (note) noted = upload->upload_id();
  }
  left.open_uploads = {{.key = gone, .upload_id = noted, .source_size = 2, .part_size = 1}};
  ASSERT_OK(meta::WriteRunRecord({}, destination_, meta::MarkerKey("c/b/"), left));
  ASSERT_OK(CopyB());
  ASSERT_OK_AND_ASSIGN(const auto uploads, destination_.ListUploads({}, "c/b/" + gone));
  EXPECT_TRUE(uploads.empty());
  ExpectSame("a/b/", "c/b/");
}

TEST_F(CopyCrashTest, AFailureLeavesNoMarkerWhereNothingElseWasWritten) {
  PutBackup(source_, "a/b/");
  // The source falls silent before its first object is read.
  for (uint64_t alive = 5; alive < 8; ++alive) {
    source_.Live(alive);
    const auto cut = CopyB();
    source_.Live(kForever);
    BuryLocks(source_, "");
    EXPECT_THAT(cut.status(), IsError(Code::kUnavailable, "silent"));
    EXPECT_TRUE(Copied("").empty()) << alive;
  }
}

}  // namespace
}  // namespace milvus_backup::backup
