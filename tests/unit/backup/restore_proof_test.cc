// Restoring backups that have a manifest: whole ones, and damaged ones, of which nothing is
// imported.
#include "backup/restore_proof.h"

#include "sealed_fixture.h"

#include "milvus_backup/meta/run_record.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::IsError;
using ::testing::IsEmpty;

constexpr char kLog[] = "backup/b/binlogs/insert_log/7/8/70/70/100/7100";
constexpr char kPart[] = "backup/b/meta/manifest/00000.jsonl.zst";

class RestoreProofTest : public SealedBackupTest {
 protected:
  void SetUp() override {
    SealedBackupTest::SetUp();
    Seal();
    Start({});
  }

  /// That a restore of everything, dry or not, names `what` and changes nothing.
  void ExpectRefused(const std::string& what) {
    for (const bool dry_run : {true, false}) {
      const size_t before = fake_->calls().size();
      EXPECT_THAT(Restore({.dry_run = dry_run}).status(), IsError(Code::kDataLoss, what));
      EXPECT_THAT(ChangesSince(before), IsEmpty());
    }
  }
};

TEST_F(RestoreProofTest, WholeBackupIsRestored) {
  ASSERT_OK(Restore({}).status());
  EXPECT_EQ(RowsOf("default", "c1"), 10);
  EXPECT_EQ(RowsOf("default", "c2"), 10);
}

TEST_F(RestoreProofTest, DamagedLogIsNamedBeforeAnythingIsChanged) {
  Put(kLog, "lof");
  ExpectRefused(kLog);
  RestoreOptions other;
  ASSERT_OK_AND_ASSIGN(other.sources, Selection::ParseCollections("c2"));
  ASSERT_OK(Restore(other).status());
  ASSERT_OK(Restore({.suffix = "_unchecked", .check = false}).status());
  EXPECT_EQ(RowsOf("default", "c1_unchecked"), 10);
}

// A storage that states no hashes shows damage only in the bytes themselves.
TEST_F(RestoreProofTest, DamagedLogIsNotImportedFromStaging) {
  storage_ = storage::MakeMemoryBackend();
  Write({Collection(7, "default", "c1")});
  Seal();
  const auto milvus = storage::MakeMemoryBackend();
  Start({});
  site_.milvus_storage.backend = milvus.get();
  site_.backup_visible_to_milvus = false;
  ASSERT_OK(Restore({.suffix = "_whole"}).status());
  Put(kLog, "lof");
  const size_t before = fake_->calls().size();
  const Status status = Restore({}).status();
  EXPECT_THAT(status, IsError(Code::kDataLoss, kLog));
  EXPECT_THAT(status.ToString(), ::testing::HasSubstr("manifest"));
  for (size_t i = before; i < fake_->calls().size(); ++i) {
    EXPECT_NE(fake_->calls()[i].method, "Import");
  }
  EXPECT_EQ(RowsOf("default", "c1"), -1);
  ASSERT_OK(storage::ForEachObject({}, *milvus, "restore-temp-", [](const auto& object) {
    return DataLossError("left " + object.key);
  }));
}

TEST_F(RestoreProofTest, DamagedMetasAndManifestsAreNamed) {
  const std::string meta = "backup/b/meta/full_meta.json";
  const std::string text = Get(meta);
  Replace(meta, "Loaded", "LoadeD");
  ExpectRefused(meta);
  Put(meta, text);
  const std::string part = Get(kPart);
  ASSERT_OK(storage_->Delete({}, kPart));
  ExpectRefused(kPart);
  ASSERT_OK(Restore({.check = false}).status());
}

TEST_F(RestoreProofTest, ManifestThatNoHeaderSpeaksOfIsDamageUnlessItIsBeingWritten) {
  ASSERT_OK_AND_ASSIGN(meta::BackupInfo info, meta::ReadBackup({}, *storage_, kBackupDir));
  ASSERT_OK(meta::WriteHeader({}, *storage_, kBackupDir, info));
  ExpectRefused("does not speak of backup/b/meta/manifest.json");
  Put("backup/b/meta/run.json", meta::EncodeRunRecord(meta::NewRunRecord("seal", "b")));
  ASSERT_OK(Restore({}).status());
}

TEST_F(RestoreProofTest, KnowsTheHashesOfItsCollectionsOnly) {
  ASSERT_OK_AND_ASSIGN(RestoreProof proof, RestoreProof::Read({}, *storage_, kBackupDir, {7}));
  const Md5Digest md5 = Md5(AsBytes(std::string_view("log")));
  EXPECT_EQ(proof.HashOf("binlogs/insert_log/7/8/70/70/100/7100").md5, md5);
  EXPECT_FALSE(proof.HashOf("binlogs/insert_log/8/9/80/80/100/8100").known());
  EXPECT_FALSE(RestoreProof().HashOf("binlogs/insert_log/7/8/70/70/100/7100").known());
}

TEST_F(RestoreProofTest, LogsThatNobodyHasListedAreMissed) {
  ASSERT_OK_AND_ASSIGN(RestoreProof proof, RestoreProof::Read({}, *storage_, kBackupDir, {7}));
  EXPECT_THAT(proof.CheckAllSeen(),
              IsError(Code::kDataLoss, "backup/b/binlogs/insert_log/7/ is not what"));
  ASSERT_OK(storage::ForEachObject(
      {}, *storage_, "backup/b/binlogs/insert_log/7/",
      [&](const storage::ObjectInfo& object) { return proof.Compare({}, object); }));
  EXPECT_OK(proof.CheckAllSeen());
}

}  // namespace
}  // namespace milvus_backup::backup
