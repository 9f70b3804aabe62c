// What an import leaves when its storage falls silent at every single operation, as a killed
// process leaves it, and what the next run of the same command makes of that.
#include "archive_fixture.h"
#include "support/mortal.h"

#include "milvus_backup/backup/delete.h"

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::kSweepStep;
using ::milvus_backup::testing::Life;
using ::milvus_backup::testing::LivingBackend;
using ::testing::IsEmpty;

class ArchiveCrashTest : public ArchiveTest {
 protected:
  static constexpr const char* kLarge = "c/b/binlogs/insert_log/7/70/700/700/101/2";

  void SetUp() override {
    // One at a time, so that every run makes the same calls.
    import_.parallel = 1;
    PutBackup(source_, kDir);
    Seal(source_, kDir);
    archive_ = Exported();
  }

  Result<ImportReport> ImportLiving() {
    return ImportBackup({}, {.backend = &storage_, .root = "c"}, import_, FeedOf(archive_));
  }
  /// After a cut run: what has a header is whole.
  void ExpectNoHalf() {
    life_.Live(Life::kForever);
    backup::BuryLocks(storage_.immortal(), "c/.locks/");
    auto objects = Read(storage_.immortal(), "c/b/");
    objects.erase("meta/run.json");
    if (objects.contains(kHeader)) {
      EXPECT_TRUE(objects == Source(kDir));
    }
  }
  void ExpectNothingOpen() {
    ASSERT_OK_AND_ASSIGN(const auto uploads, storage_.immortal().ListUploads({}, kLarge));
    EXPECT_TRUE(uploads.empty());
  }
  void Clear() {
    for (const auto& [key, bytes] : Read(storage_.immortal(), "")) {
      ASSERT_OK(storage_.immortal().Delete({}, key));
    }
  }

  Life life_;
  LivingBackend storage_{life_};
  std::string archive_;
};

TEST_F(ArchiveCrashTest, TheNextImportEndsRightAfterASilenceAtAnyOperation) {
  life_.Live(Life::kForever);
  ASSERT_OK(ImportLiving());
  const uint64_t operations = life_.operations();
  ASSERT_GT(operations, 20U);
  uint64_t resumed = 0;
  for (const bool last_is_lost : {false, true}) {
    for (uint64_t alive = 1; alive < operations; alive += kSweepStep) {
      SCOPED_TRACE(std::to_string(alive) + (last_is_lost ? ", answer lost" : ""));
      Clear();
      life_.Live(alive, last_is_lost);
      const auto cut = ImportLiving();
      ExpectNoHalf();
      const auto again = ImportLiving();
      // The header was written, the marker removed, and only the answer or the lock is lost.
      const bool was_whole = again.status().code() == Code::kAlreadyExists;
      if (!was_whole) {
        ASSERT_OK(again);
      }
      if (again.ok() && again->resumed) ++resumed;
      EXPECT_TRUE(Read(storage_.immortal(), "c/b/") == Source(kDir));
      EXPECT_EQ(Read(storage_.immortal(), "").size(), Source(kDir).size());
      ExpectNothingOpen();
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(resumed, 10U / kSweepStep);
}

TEST_F(ArchiveCrashTest, AnyUnfinishedImportCanBeDeleted) {
  life_.Live(Life::kForever);
  ASSERT_OK(ImportLiving());
  const uint64_t operations = life_.operations();
  for (uint64_t alive = 1; alive < operations; alive += kSweepStep) {
    SCOPED_TRACE(alive);
    Clear();
    life_.Live(alive);
    const auto cut = ImportLiving();
    ExpectNoHalf();
    const auto deleted = DeleteBackup({}, {.backend = &storage_, .root = "c"}, "b");
    if (deleted.status().code() != Code::kNotFound) {
      ASSERT_OK(deleted);
    }
    EXPECT_THAT(Keys(Read(storage_.immortal(), "c/b/")), IsEmpty());
    ExpectNothingOpen();
  }
}

}  // namespace
}  // namespace milvus_backup::backup
