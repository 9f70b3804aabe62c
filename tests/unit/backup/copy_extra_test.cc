// What --delete-extra removes of a destination, and what it never does.
#include "copy_fixture.h"

#include <functional>
#include <string>
#include <utility>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::IsError;

class CopyExtraTest : public CopyTest {
 protected:
  CopyExtraTest() {
    Put(source_, "a/1", "one");
    PutBackup(destination_, "c/old/");
  }
  static bool IsWhole(const std::map<std::string, std::string>& objects, const std::string& dir) {
    size_t count = 0;
    for (const auto& [key, bytes] : objects) count += key.starts_with(dir) ? 1U : 0U;
    return count == 5;
  }
};

TEST_F(CopyExtraTest, WhatThePatternsLeaveOutStaysWhole) {
  for (const char* pattern : {"old", "backup_meta.json", "insert_log", "old/meta/full_meta.json"}) {
    SCOPED_TRACE(pattern);
    ASSERT_OK_AND_ASSIGN(
        const CopyReport planned,
        Tree({.dry_run = true, .delete_extra = true, .include = {}, .exclude = {pattern}}));
    EXPECT_EQ(planned.deleted_objects, 0U);
    ASSERT_OK_AND_ASSIGN(const CopyReport report,
                         Tree({.delete_extra = true, .include = {}, .exclude = {pattern}}));
    EXPECT_FALSE(report.some_failed());
    EXPECT_EQ(report.deleted_objects, 0U);
    EXPECT_TRUE(IsWhole(Copied("c/"), "old/"));
  }
  // What lies beside it in its directory is not a part of it, and keeps the directory from going.
  Put(destination_, "c/old/notes.txt", "mine");
  ASSERT_OK_AND_ASSIGN(const CopyReport beside,
                       Tree({.delete_extra = true, .include = {}, .exclude = {"*.txt"}}));
  EXPECT_EQ(beside.failures.size(), 1U);
  EXPECT_TRUE(Copied("c/").contains("old/notes.txt"));
  EXPECT_TRUE(Copied("c/").contains(std::string("old/") + kHeader));
  ASSERT_OK_AND_ASSIGN(const CopyReport all, Tree({.delete_extra = true}));
  EXPECT_FALSE(all.some_failed());
  EXPECT_EQ(all.deleted_objects, 6U);
  ExpectSame("a/", "c/");
}

TEST_F(CopyExtraTest, ABackupThatHoldsSomethingOfTheSourceStaysWholeAndIsNamed) {
  PutBackup(source_, "a/old/inner/");
  ASSERT_OK_AND_ASSIGN(const CopyReport report, Tree({.delete_extra = true}));
  ASSERT_EQ(report.failures.size(), 1U);
  EXPECT_EQ(report.failures[0].key, "c/old/");
  EXPECT_THAT(report.failures[0].status, IsError(Code::kFailedPrecondition, "lies in it"));
  const auto copied = Copied("c/old/");
  EXPECT_EQ(copied.size(), 10U);
  ExpectSame("a/old/inner/", "c/old/inner/");
}

TEST_F(CopyExtraTest, ObjectsOfTheSourceAreNotRemovedWithABackup) {
  Put(source_, "a/old/meta/mine", "m");
  ASSERT_OK_AND_ASSIGN(const CopyReport report, Tree({.delete_extra = true}));
  EXPECT_EQ(report.failures.size(), 1U);
  EXPECT_EQ(Copied("c/old/")["meta/mine"], "m");
  EXPECT_EQ(Copied("c/old/").size(), 6U);
}

TEST_F(CopyExtraTest, ABackupInsideAnotherGoesWholeOrNotAtAll) {
  PutBackup(source_, "a/b/");
  PutBackup(destination_, "c/b/", 'y');
  PutBackup(destination_, "c/b/inner/");
  PutBackup(destination_, "c/old/deep/er/");
  ASSERT_OK_AND_ASSIGN(const CopyReport report, Tree({.overwrite = true, .delete_extra = true}));
  EXPECT_FALSE(report.some_failed());
  ExpectSame("a/", "c/");
}

TEST_F(CopyExtraTest, TheHeaderGoesFirstAtEveryPoint) {
  PutBackup(source_, "a/b/");
  const auto fill = [&] {
    for (const auto& [key, bytes] : Copied("")) ASSERT_OK(destination_.Delete({}, key));
    PutBackup(destination_, "c/old/");
    PutBackup(destination_, "c/b/", 'y');
    PutBackup(destination_, "c/b/inner/");
  };
  fill();
  destination_.Live(kForever);
  ASSERT_OK(Tree({.overwrite = true, .delete_extra = true}));
  const uint64_t operations = destination_.calls();
  for (uint64_t alive = 1; alive < operations; ++alive) {
    SCOPED_TRACE(alive);
    fill();
    destination_.Live(alive);
    const auto cut = Tree({.overwrite = true, .delete_extra = true});
    destination_.Live(kForever);
    const auto left = Copied("c/");
    for (const std::string dir : {"old/", "b/inner/"}) {
      if (left.contains(dir + kHeader)) {
        EXPECT_TRUE(IsWhole(left, dir)) << dir;
      }
    }
    BuryLocks(source_, "a/.locks/");
  }
}

TEST_F(CopyExtraTest, WhatAppearsMeanwhileIsNotTouched) {
  // When the first object is written, after the destination was looked through.
  class Watched final : public storage::InterceptingBackend {
   public:
    explicit Watched(std::function<void(storage::Backend&)> then)
        : InterceptingBackend(storage::MakeMemoryBackend()), then_(std::move(then)) {}

   protected:
    Status Around(const CallContext&, const storage::CallInfo& info,
                  storage::CallRef call) override {
      if (info.method == storage::Method::kPut && info.key == "c/1") then_(inner());
      return call();
    }

   private:
    std::function<void(storage::Backend&)> then_;
  } destination([&](storage::Backend& inner) {
    PutBackup(inner, "c/new/");
    // A run that has come no further than its first log.
    ASSERT_OK(meta::WriteRunRecord({}, inner, meta::MarkerKey("c/begun/"),
                                   meta::NewRunRecord("create", "begun")));
    Put(inner, "c/begun/binlogs/insert_log/1", "log");
    Put(inner, "c/loose", "l");
  });
  transfer::CopyEngine engine(options_, nullptr);
  ASSERT_OK_AND_ASSIGN(
      const CopyReport report,
      CopyTree({}, engine, {&source_, "a/"}, {&destination, "c/"}, {.delete_extra = true}));
  EXPECT_FALSE(report.some_failed());
  const auto left = Read(destination, "c/");
  EXPECT_TRUE(IsWhole(left, "new/"));
  EXPECT_TRUE(left.contains("begun/binlogs/insert_log/1"));
  EXPECT_TRUE(left.contains("begun/meta/run.json"));
  EXPECT_EQ(left.count("loose"), 0U);
}

}  // namespace
}  // namespace milvus_backup::backup
