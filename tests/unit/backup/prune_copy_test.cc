// What copies, archives and checks make of tombstones and tags.
#include "archive_fixture.h"

#include "milvus_backup/backup/verify.h"
#include "milvus_backup/meta/tags.h"
#include "milvus_backup/meta/tombstone.h"

#include <gmock/gmock.h>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::IsError;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kTags = "meta/tags.json";
constexpr const char* kTombstone = "meta/tombstone.json";

class PruneCopyTest : public ArchiveTest {
 protected:
  static void Bury(storage::Backend& backend, const std::string& dir) {
    ASSERT_OK_AND_ASSIGN(const std::string header,
                         storage::ReadAll({}, backend, dir + kHeader, kMiB));
    ASSERT_OK(meta::WriteTombstone({}, backend, dir, {.header = header}));
    ASSERT_OK(backend.Delete({}, dir + kHeader));
  }
  static void Tag(storage::Backend& backend, const std::string& dir, const std::string& tag) {
    ASSERT_OK(meta::WriteTags({}, backend, dir, {tag}));
  }
  static void ExpectTag(storage::Backend& backend, const std::string& dir, const std::string& tag) {
    ASSERT_OK_AND_ASSIGN(const auto tags, meta::ReadTags({}, backend, dir));
    EXPECT_THAT(tags, ElementsAre(tag));
  }
  void ExpectWhole(storage::Backend& backend, const std::string& root) {
    ASSERT_OK_AND_ASSIGN(const VerifyReport report,
                         VerifyBackup({}, {.backend = &backend, .root = root}, {.name = "b"}));
    EXPECT_TRUE(report.has_manifest);
    EXPECT_EQ(report.problems, 0U);
  }
};

TEST_F(PruneCopyTest, ATreeLeavesOutWhatWasPruned) {
  PutBackup(source_, "a/b/");
  PutBackup(source_, "a/gone/");
  PutBackup(source_, "a/gone2/");
  Bury(source_, "a/gone/");
  Put(source_, "a/loose", "x");
  ASSERT_OK_AND_ASSIGN(const CopyReport report, Tree());
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("a/gone/ is left out")));
  EXPECT_FALSE(report.some_failed());
  EXPECT_THAT(Copied("c/gone/"), IsEmpty());
  ExpectSame("a/gone2/", "c/gone2/");
  ExpectSame("a/b/", "c/b/");
  EXPECT_EQ(Copied("c/").count("loose"), 1U);
}

TEST_F(PruneCopyTest, APrunedBackupIsNotThere) {
  PutSmallBackup("a/b/");
  Bury(source_, "a/b/");
  EXPECT_THAT(CopyB().status(), IsError(Code::kNotFound, "prune --undo b"));
  std::string archive;
  EXPECT_THAT(ExportTo(archive).status(), IsError(Code::kNotFound, "prune --undo b"));
  EXPECT_THAT(VerifyBackup({}, From(), {.name = "b"}).status(),
              IsError(Code::kNotFound, "prune --undo b"));
  transfer::CopyEngine engine(options_, nullptr);
  EXPECT_THAT(CopyTree({}, engine, {&source_, "a/b/"}, {&destination_, "c/"}, {}).status(),
              IsError(Code::kNotFound, "prune --undo b"));
  ASSERT_OK_AND_ASSIGN(const CopyAllReport all, All());
  ASSERT_EQ(all.left_out.size(), 1U);
  EXPECT_THAT(all.left_out[0].status, IsError(Code::kFailedPrecondition, "pruned at"));
  EXPECT_THAT(Copied(""), IsEmpty());
}

TEST_F(PruneCopyTest, APrunedBackupAtTheDestinationIsNotWrittenInto) {
  PutSmallBackup("a/b/");
  const std::string archive = Exported();
  PutBackup(destination_, "c/b/", 'y');
  Bury(destination_, "c/b/");
  const auto before = Copied("c/b/");
  EXPECT_THAT(CopyB().status(), IsError(Code::kAlreadyExists, "prune --undo b"));
  EXPECT_THAT(Import(archive).status(), IsError(Code::kAlreadyExists, "prune --undo b"));
  EXPECT_EQ(Copied("c/b/"), before);
  ASSERT_OK(CopyB({.overwrite = true}));
  ExpectSame("a/b/", "c/b/");
}

TEST_F(PruneCopyTest, AnOverwriteThatIsCutLeavesNoOldTombstone) {
  PutBackup(source_, "a/b/");
  for (uint64_t alive = 1;; ++alive) {
    ASSERT_LT(alive, 1000U);
    for (const auto& [key, bytes] : Copied("")) ASSERT_OK(destination_.Delete({}, key));
    PutBackup(destination_, "c/b/", 'y');
    Bury(destination_, "c/b/");
    auto before = Copied("c/b/");
    destination_.Live(alive);
    const auto cut = CopyB({.overwrite = true});
    destination_.Live(kForever);
    auto objects = Copied("c/b/");
    objects.erase("meta/run.json");
    if (objects.contains(kTombstone)) {
      EXPECT_TRUE(objects == before) << alive;
    }
    BuryLocks(destination_, "c/.locks/");
    BuryLocks(source_, "a/.locks/");
    if (cut.ok()) break;
  }
  // The marker may be left.
  ASSERT_OK(CopyB());
  ExpectSame("a/b/", "c/b/");
}

TEST_F(PruneCopyTest, DeletingExtraTakesPrunedBackupsWhole) {
  PutBackup(source_, "a/b/");
  PutBackup(destination_, "c/old/");
  Bury(destination_, "c/old/");
  ASSERT_OK_AND_ASSIGN(const CopyReport report, Tree({.delete_extra = true}));
  EXPECT_FALSE(report.some_failed());
  EXPECT_THAT(Copied("c/old/"), IsEmpty());
}

// Taken back at the source it would be extra nowhere.
TEST_F(PruneCopyTest, DeletingExtraLeavesTheCopyOfWhatIsPrunedAtTheSource) {
  PutBackup(source_, "a/b/");
  PutBackup(source_, "a/old/");
  PutBackup(destination_, "c/old/");
  Bury(source_, "a/old/");
  const auto before = Copied("c/old/");
  ASSERT_OK_AND_ASSIGN(const CopyReport report, Tree({.delete_extra = true}));
  EXPECT_FALSE(report.some_failed());
  EXPECT_EQ(Copied("c/old/"), before);
}

TEST_F(PruneCopyTest, TagsGoAlongOnceAndThenBelongToTheirStorage) {
  PutSmallBackup("a/b/");
  Tag(source_, "a/b/", "first");
  ASSERT_OK(CopyB());
  ExpectSame("a/b/", "c/b/");
  ExpectTag(destination_, "c/b/", "first");
  ExpectWhole(source_, "a");
  ExpectWhole(destination_, "c");

  Tag(source_, "a/b/", "of_the_source");
  Tag(destination_, "c/b/", "own");
  ASSERT_OK_AND_ASSIGN(const CopyReport again, CopyB());
  ASSERT_EQ(again.backups.size(), 1U);
  EXPECT_EQ(again.backups[0].outcome, CopiedBackup::Outcome::kAlreadyThere);
  ExpectTag(destination_, "c/b/", "own");
  ASSERT_OK(meta::WriteTags({}, source_, "a/b/", {}));
  ASSERT_OK(CopyB({.overwrite = true, .delete_extra = true}));
  ExpectTag(destination_, "c/b/", "own");
}

TEST_F(PruneCopyTest, WhatIsBesideAHeaderByMistakeIsNotCopied) {
  PutSmallBackup("a/b/");
  ASSERT_OK(meta::WriteTombstone({}, source_, "a/b/", {.header = "old"}));
  ASSERT_OK(CopyB());
  EXPECT_EQ(Copied("c/b/").count(kTombstone), 0U);
  ExpectWhole(source_, "a");
  ExpectWhole(destination_, "c");
}

TEST_F(PruneCopyTest, ArchivesHoldNeitherTagsNorTombstones) {
  PutSmallBackup("a/b/");
  const std::string archive = Exported();
  Tag(source_, "a/b/", "x");
  ASSERT_OK(meta::WriteTombstone({}, source_, "a/b/", {.header = "old"}));
  EXPECT_TRUE(Exported() == archive);
  for (const char* path : {kTags, kTombstone}) {
    std::vector<TarEntry> entries = Entries(archive);
    entries.insert(entries.end() - 1, {.name = std::string("b/") + path, .bytes = "{}"});
    ExpectRefused(Tar(entries), Code::kDataLoss, "no part of a backup");
  }
}

}  // namespace
}  // namespace milvus_backup::backup
