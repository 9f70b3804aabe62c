// What a copy asks of its source before it writes, and what the manifest proves on the way.
#include "copy_fixture.h"

#include <string>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::IsError;
using Outcome = CopiedBackup::Outcome;

constexpr char kSmall[] = "binlogs/insert_log/7/70/700/700/100/1";
constexpr char kLarge[] = "binlogs/insert_log/7/70/700/700/101/2";

class CopySourceTest : public CopyTest {
 protected:
  void Damage(const std::string& key, size_t size) { Put(source_, key, std::string(size, '!')); }
};

TEST_F(CopySourceTest, ADamagedSourceLeavesAGoodDestinationAsItIs) {
  PutBackup(source_, "a/b/");
  Seal(source_, "a/b/");
  ASSERT_OK(CopyB());
  const auto good = Copied("");
  Damage(std::string("a/b/") + kSmall, 99);
  ASSERT_OK(source_.Delete({}, std::string("a/b/") + kLarge));
  const auto refused = CopyB({.overwrite = true});
  EXPECT_THAT(refused.status(), IsError(Code::kDataLoss, "a/b/, is damaged"));
  EXPECT_THAT(refused.status(), IsError(Code::kDataLoss, kSmall));
  EXPECT_THAT(refused.status(), IsError(Code::kDataLoss, kLarge));
  EXPECT_TRUE(Copied("") == good);
  EXPECT_THAT(CopyB({.dry_run = true, .overwrite = true}).status(), IsError(Code::kDataLoss, ""));
}

TEST_F(CopySourceTest, BrokenMetasAreFoundWithoutAManifest) {
  PutBackup(source_, "a/b/");
  Put(source_, "a/b/meta/full_meta.json", "{\"id\":");
  EXPECT_THAT(CopyB().status(), IsError(Code::kDataLoss, "a/b/meta/"));
  Put(source_, "a/b/meta/full_meta.json", R"({"id":"another"})");
  EXPECT_THAT(CopyB().status(), IsError(Code::kDataLoss, "id another"));
  EXPECT_TRUE(Copied("").empty());
}

TEST_F(CopySourceTest, ADamagedBackupOfATreeDoesNotKeepTheOthersBack) {
  PutBackup(source_, "a/b1/");
  PutBackup(source_, "a/b2/");
  Put(source_, "a/other", "o");
  Seal(source_, "a/b1/");
  Damage(std::string("a/b1/") + kSmall, 99);
  ASSERT_OK_AND_ASSIGN(const CopyReport report, Tree());
  ASSERT_EQ(report.backups.size(), 2U);
  EXPECT_THAT(report.backups[0].status, IsError(Code::kDataLoss, kSmall));
  EXPECT_EQ(report.backups[1].outcome, Outcome::kCopied);
  EXPECT_TRUE(Copied("c/b1/").empty());
  ExpectSame("a/b2/", "c/b2/");
  EXPECT_EQ(Copied("c/")["other"], "o");
}

// Size and ETag tell nothing here: only the bytes are others.
TEST_F(CopySourceTest, EveryObjectIsComparedWithTheManifest) {
  PutBackup(source_, "a/b/");
  Seal(source_, "a/b/");
  for (const bool streamed : {true, false}) {
    options_.force_streaming = streamed;
    for (const auto& [key, size] : {std::pair(kSmall, size_t{100}), {kLarge, 600 * kKiB}}) {
      SCOPED_TRACE(std::string(key) + (streamed ? ", streamed" : ", copied by the service"));
      const std::string good = Source("a/b/")[key];
      Damage(std::string("a/b/") + key, size);
      ASSERT_OK_AND_ASSIGN(const CopyReport report, CopyB());
      ASSERT_EQ(report.failures.size(), 1U);
      EXPECT_EQ(report.failures[0].key, std::string("a/b/") + key);
      EXPECT_THAT(report.failures[0].status, IsError(Code::kDataLoss, "manifest"));
      EXPECT_FALSE(Copied("c/b/").contains(kHeader));
      EXPECT_FALSE(Copied("c/b/").contains(key));
      Put(source_, std::string("a/b/") + key, good);
      ASSERT_OK_AND_ASSIGN(const CopyReport again, CopyB());
      EXPECT_FALSE(again.some_failed());
      ExpectSame("a/b/", "c/b/");
      for (const auto& [copied, bytes] : Copied("")) {
        ASSERT_OK(destination_.Delete({}, copied));
      }
    }
  }
}

TEST_F(CopySourceTest, TheManifestSparesTheSecondRead) {
  PutBackup(source_, "a/b/");
  ASSERT_OK_AND_ASSIGN(const CopyReport without, CopyB());
  // All but the large one, whose checksum the storage states.
  EXPECT_EQ(without.second_reads, 4U);
  for (const auto& [key, bytes] : Copied("")) ASSERT_OK(destination_.Delete({}, key));
  Seal(source_, "a/b/");
  ASSERT_OK_AND_ASSIGN(const CopyReport with, CopyB());
  ExpectSame("a/b/", "c/b/");
  // Header, index and part, which are not in it.
  EXPECT_EQ(with.second_reads, 3U);
}

TEST_F(CopySourceTest, WhatIsThereIsKeptWhenItIsWhatTheManifestSays) {
  PutBackup(source_, "a/b/");
  Seal(source_, "a/b/");
  ASSERT_OK(CopyB());
  // Both sides are damaged in the same way: equal, and wrong.
  Damage(std::string("a/b/") + kSmall, 100);
  Put(destination_, std::string("c/b/") + kSmall, std::string(100, '!'));
  ASSERT_OK_AND_ASSIGN(const CopyReport report, CopyB({.overwrite = true}));
  ASSERT_EQ(report.failures.size(), 1U);
  EXPECT_THAT(report.failures[0].status, IsError(Code::kDataLoss, "manifest"));
  EXPECT_FALSE(Copied("c/b/").contains(kHeader));
}

TEST_F(CopySourceTest, AManifestThatNoHeaderSpeaksOfIsLeftOut) {
  PutBackup(source_, "a/b/");
  const std::string header = Source("a/b/")[kHeader];
  Seal(source_, "a/b/");
  // As `verify --seal` leaves it that dies before it writes the header.
  Put(source_, std::string("a/b/") + kHeader, header);
  ASSERT_OK(
      meta::WriteRunRecord({}, source_, meta::MarkerKey("a/b/"), meta::NewRunRecord("seal", "b")));
  const auto expect_whole = [&] {
    EXPECT_EQ(Copied("c/b/").size(), 5U);
    EXPECT_TRUE(Copied("c/b/").contains(kHeader));
    EXPECT_FALSE(Copied("c/b/").contains("meta/manifest.json"));
  };
  ASSERT_OK_AND_ASSIGN(const CopyReport report, CopyB());
  ASSERT_EQ(report.warnings.size(), 1U);
  EXPECT_NE(report.warnings[0].find("a/b/: the manifest is left out"), std::string::npos);
  expect_whole();
  // What is there already is compared without it too.
  ASSERT_OK_AND_ASSIGN(const CopyReport again, CopyB());
  EXPECT_EQ(again.backups[0].outcome, Outcome::kAlreadyThere);
  // One that an earlier copy has brought goes.
  Put(destination_, "c/b/meta/manifest.json", "stray");
  ASSERT_OK(CopyB({.overwrite = true}));
  expect_whole();
}

}  // namespace
}  // namespace milvus_backup::backup
