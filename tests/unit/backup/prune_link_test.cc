// What is made of a backup of a disk whose directory is a symbolic link: it can be read, and
// nothing is deleted through the link, nor written that could not be removed again.
#include "backup/seal.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include "milvus_backup/backup/copy.h"
#include "milvus_backup/backup/delete.h"
#include "milvus_backup/backup/prune.h"
#include "milvus_backup/backup/tag.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/meta/tags.h"
#include "milvus_backup/meta/tombstone.h"
#include "milvus_backup/meta/writer.h"
#include "milvus_backup/storage/local_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace milvus_backup::backup {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::milvus_backup::testing::IsError;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PruneLinkTest : public ::testing::Test {
 protected:
  PruneLinkTest() {
    auto disk = storage::CreateLocalBackend({.root = root_, .create = true, .fsync = false});
    EXPECT_OK(disk);
    disk_ = *std::move(disk);
    place_ = {.backend = disk_.get(), .root = "backup"};
    Take("old");
    clock_.Advance(1h);
    Take("new");
  }

  static std::string Dir(const std::string& name) { return "backup/" + name + "/"; }
  void Take(const std::string& name) {
    meta::CollectionBackup one{.collection_id = 1, .db_name = "default", .collection_name = "c"};
    one.backup_physical_timestamp = static_cast<uint64_t>(
        std::chrono::floor<std::chrono::seconds>(clock_.WallNow()).time_since_epoch().count());
    meta::BackupInfo info{.id = "id-" + name, .name = name};
    info.collection_backups.push_back(one);
    ASSERT_OK(meta::WriteBackup({}, *disk_, Dir(name), info));
  }
  /// Move `path`, below the backups, to another place and leave a link to it.
  void Link(const std::string& path) {
    const std::string elsewhere = dir_.path() + "/elsewhere";
    fs::rename(root_ + "/backup/" + path, elsewhere);
    fs::create_directory_symlink(elsewhere, root_ + "/backup/" + path);
  }
  bool Exists(const std::string& key) const { return fs::exists(root_ + "/" + key); }

  testing::TempDir dir_;
  const std::string root_ = dir_.path() + "/disk";
  FakeClock clock_;
  std::unique_ptr<storage::Backend> disk_;
  Place place_{};
};

TEST_F(PruneLinkTest, IsKeptUnmarkedAndNamed) {
  for (const std::string path : {"old", "old/meta"}) {
    SCOPED_TRACE(path);
    Link(path);
    for (const auto grace : {12h, 0h}) {
      PruneRequest request{.rules = {.keep_last = 1}, .grace = grace, .dry_run = true};
      ASSERT_OK_AND_ASSIGN(const PruneReport said, Prune({}, place_, request, clock_));
      request.dry_run = false;
      ASSERT_OK_AND_ASSIGN(const PruneReport done, Prune({}, place_, request, clock_));
      for (const PruneReport* report : {&said, &done}) {
        ASSERT_EQ(report->backups.size(), 2U);
        EXPECT_EQ(report->backups[1].name, "old");
        EXPECT_EQ(NameOf(report->backups[1].outcome), "kept");
        EXPECT_FALSE(report->some_failed());
        EXPECT_THAT(report->warnings,
                    ElementsAre(AllOf(HasSubstr("old is kept, for it cannot be deleted"),
                                      HasSubstr(path + " is a symbolic link"))));
      }
      EXPECT_FALSE(Exists(meta::TombstoneKey(Dir("old"))));
      EXPECT_OK(meta::ReadHeader({}, *disk_, Dir("old")));
    }
    fs::remove(root_ + "/backup/" + path);
    fs::rename(dir_.path() + "/elsewhere", root_ + "/backup/" + path);
  }
}

// A run that was killed left it there, and the directory was moved behind a link since.
TEST_F(PruneLinkTest, ATombstoneThatCannotBeRemovedEndsNothing) {
  const auto now = std::chrono::floor<std::chrono::seconds>(clock_.WallNow());
  ASSERT_OK(meta::WriteTombstone({}, *disk_, Dir("new"), {.header = "x", .pruned = now}));
  Link("new");
  for (const bool dry_run : {true, false}) {
    ASSERT_OK_AND_ASSIGN(
        const PruneReport report,
        Prune({}, place_, {.rules = {.keep_last = 2}, .dry_run = dry_run}, clock_));
    EXPECT_FALSE(report.some_failed());
    EXPECT_EQ(NameOf(report.backups.at(0).outcome), "kept");
    EXPECT_THAT(report.warnings,
                ElementsAre(AllOf(HasSubstr("new keeps a tombstone"), HasSubstr("symbolic link"))));
  }
}

TEST_F(PruneLinkTest, OneThatWasPrunedBeforeIsTakenBackAndNotHalfRemoved) {
  const PruneRequest request{.rules = {.keep_last = 1}, .grace = 1h};
  ASSERT_OK(Prune({}, place_, request, clock_));
  Link("old");
  clock_.Advance(2h);
  ASSERT_OK_AND_ASSIGN(const PruneReport report, Prune({}, place_, request, clock_));
  EXPECT_FALSE(report.some_failed());
  EXPECT_EQ(NameOf(report.backups.at(1).outcome), "waiting");
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("old waits, for it cannot be deleted")));
  EXPECT_THAT(DeleteBackup({}, place_, "old"), IsError(Code::kFailedPrecondition, "symbolic link"));
  // Its tombstone still has the header.
  ASSERT_OK(UndoPrune({}, place_, "old"));
  EXPECT_OK(meta::ReadBackup({}, *disk_, Dir("old")));
}

TEST_F(PruneLinkTest, DeleteRefusesItAndSaysSoBeforehand) {
  Link("old");
  EXPECT_THAT(meta::MeasureBackup({}, *disk_, Dir("old")),
              IsError(Code::kFailedPrecondition, "symbolic link"));
  EXPECT_THAT(DeleteBackup({}, place_, "old"), IsError(Code::kFailedPrecondition, "symbolic link"));
  EXPECT_OK(meta::ReadHeader({}, *disk_, Dir("old")));
  // Nothing is left of the attempt.
  EXPECT_FALSE(Exists("backup/.locks"));
}

TEST_F(PruneLinkTest, TheLastTagIsTakenAwayToo) {
  for (const std::string path : {"old", "old/meta"}) {
    SCOPED_TRACE(path);
    Link(path);
    using Tags = std::vector<std::string>;
    ASSERT_OK_AND_ASSIGN(const Tags added, TagBackup({}, place_, "old", {.add = {"a"}}));
    EXPECT_EQ(added, Tags{"a"});
    for (int i = 0; i < 2; ++i) {
      ASSERT_OK_AND_ASSIGN(const Tags left, TagBackup({}, place_, "old", {.remove = {"a"}}));
      EXPECT_EQ(left, Tags{});
      ASSERT_OK_AND_ASSIGN(const Tags read, meta::ReadTags({}, *disk_, Dir("old")));
      EXPECT_EQ(read, Tags{});
    }
    EXPECT_OK(meta::ReadHeader({}, *disk_, Dir("old")));
    fs::remove(root_ + "/backup/" + path);
    fs::rename(dir_.path() + "/elsewhere", root_ + "/backup/" + path);
  }
}

TEST_F(PruneLinkTest, SealAndCopyLeaveNoMarkerBehindIt) {
  Link("old");
  EXPECT_THAT(SealBackup({}, place_, "old", {}),
              IsError(Code::kFailedPrecondition, "symbolic link"));
  EXPECT_FALSE(Exists(meta::MarkerKey(Dir("old"))));
  const Tree source{disk_.get(), Dir("new")};
  const Tree destination{disk_.get(), Dir("old")};
  for (const bool dry_run : {true, false}) {
    transfer::CopyEngine engine({}, nullptr);
    EXPECT_THAT(
        CopyBackup({}, engine, source, destination, {.dry_run = dry_run, .overwrite = true}),
        IsError(Code::kFailedPrecondition, "symbolic link"));
    EXPECT_FALSE(Exists(meta::MarkerKey(Dir("old"))));
  }
}

}  // namespace
}  // namespace milvus_backup::backup
