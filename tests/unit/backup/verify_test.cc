// The quick check of a backup: whole ones, and every kind of structural damage.
#include "milvus_backup/backup/verify.h"

#include "sealed_fixture.h"

#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/manifest.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/storage/open.h"

#include <gmock/gmock.h>

#include <functional>
#include <string>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::FakeS3;
using ::milvus_backup::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kDir[] = "backup/b/";
constexpr char kLog[] = "backup/b/binlogs/insert_log/7/8/70/70/100/7100";

class VerifyTest : public SealedBackupTest {
 protected:
  Result<VerifyReport> Verify() {
    problems_.clear();
    return VerifyBackup({}, {.backend = storage_.get(), .root = "backup"},
                        {.name = "b", .on_problem = [this](const VerifyProblem& problem) {
                           problems_.push_back(problem.key);
                         }});
  }

  /// The keys of all problems; the check itself must succeed.
  std::vector<std::string> Problems() {
    const auto report = Verify();
    EXPECT_OK(report);
    if (report.ok()) {
      EXPECT_EQ(report->problems, problems_.size());
    }
    return problems_;
  }

  std::vector<std::string> problems_;
};

TEST_F(VerifyTest, WholeBackupHasNoProblems) {
  Seal();
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, Verify());
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_TRUE(report.has_manifest);
  EXPECT_EQ(built_.objects, 12U);  // eight logs, four metas
  EXPECT_EQ(report.hashes, built_.objects);
  EXPECT_EQ(built_.read_objects, 0U);
  EXPECT_THAT(report.warnings, IsEmpty());
}

TEST_F(VerifyTest, WithoutManifestNamesAndSizesAreCompared) {
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, Verify());
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_FALSE(report.has_manifest);
  Put(kLog, "longer than it was");
  EXPECT_THAT(Problems(), ElementsAre(kLog));
  ASSERT_OK(storage_->Delete({}, kLog));
  EXPECT_THAT(Problems(), ElementsAre(kLog));
}

TEST_F(VerifyTest, DeltaLogThatNobodyListsIsFoundWithoutManifest) {
  const std::string stranger = "backup/b/binlogs/delta_log/7/8/70/70/71";
  Put(stranger, "deletes");
  EXPECT_THAT(Problems(), ElementsAre(stranger));
}

TEST_F(VerifyTest, EveryStructuralChangeIsFoundAndNamed) {
  struct Change {
    std::string key;
    std::function<void(const std::string&)> make;
  };
  const auto erase = [&](const std::string& key) { ASSERT_OK(storage_->Delete({}, key)); };
  const auto grow = [&](const std::string& key) { Put(key, Get(key) + "x"); };
  const auto flip = [&](const std::string& key) {
    std::string text = Get(key);
    text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
    Put(key, text);
  };
  const auto add = [&](const std::string& key) { Put(key, "stranger"); };
  std::vector<Change> changes;
  for (const char* key : {kLog, "backup/b/meta/collection_meta.json",
                          "backup/b/meta/partition_meta.json", "backup/b/meta/segment_meta.json"}) {
    for (const auto& make : std::vector<std::function<void(const std::string&)>>{erase, grow, flip})
      changes.push_back({key, make});
  }
  for (const char* key :
       {"backup/b/binlogs/insert_log/7/8/70/70/100/7999", "backup/b/binlogs/insert_log/9/1/1/1/0/1",
        "backup/b/meta/other", "backup/b/meta/manifest/00001.jsonl.zst"}) {
    changes.push_back({key, add});
  }
  changes.push_back({"backup/b/meta/manifest.json", erase});
  changes.push_back({"backup/b/meta/manifest.json", flip});
  for (const Change& change : changes) {
    ASSERT_OK(meta::DeleteBackup({}, *storage_, kDir));
    Write({Collection(7, "default", "c1"), Collection(8, "default", "c2")});
    Seal();
    change.make(change.key);
    EXPECT_THAT(Problems(), ElementsAre(change.key));
  }
}

TEST_F(VerifyTest, DamagedManifestPartsAreNamed) {
  Seal();
  const std::string part = "backup/b/meta/manifest/00000.jsonl.zst";
  Put(part, "x");
  ASSERT_OK(Verify());
  EXPECT_THAT(problems_, ElementsAre("backup/b/meta/manifest/"));
}

TEST_F(VerifyTest, EditedFullMetaIsFound) {
  Seal();
  Replace("backup/b/meta/full_meta.json", "\"log_id\":7100", "\"log_id\":7101");
  EXPECT_THAT(Problems(), ::testing::Contains(kLog));
}

TEST_F(VerifyTest, HeaderOfAnotherBackupIsFound) {
  Seal();
  const std::string header = "backup/b/meta/backup_meta.json";
  const std::string own = Get(header);
  // That of a backup without a manifest.
  Put(header, R"({"id":"other","state_code":0,"name":"o","size":18})");
  EXPECT_THAT(Problems(),
              ElementsAre("backup/b/meta/backup_meta.json", "backup/b/meta/manifest.json"));
  // That of a backup with one.
  Put(header, own);
  Replace(header, built_.sha256, std::string(64, '1'));
  EXPECT_THAT(Problems(), ElementsAre("backup/b/meta/manifest.json"));
}

TEST_F(VerifyTest, ManifestRemovedWithItsObjectsIsFound) {
  Seal();
  ASSERT_OK(storage_->Delete({}, "backup/b/meta/manifest.json"));
  ASSERT_OK(storage_->Delete({}, "backup/b/meta/manifest/00000.jsonl.zst"));
  EXPECT_THAT(Problems(), ElementsAre("backup/b/meta/manifest.json"));
}

TEST_F(VerifyTest, ObjectsExchangedBetweenCollectionsAreFound) {
  const std::string other = "backup/b/binlogs/insert_log/8/9/80/80/100/8100";
  Put(kLog, "aaa");
  Put(other, "bbb");
  Seal();
  Put(kLog, "bbb");
  Put(other, "aaa");
  EXPECT_THAT(Problems(), ElementsAre(kLog, other));
}

TEST_F(VerifyTest, FolderMarksOfConsolesAreNoPartOfABackup) {
  Put("backup/b/", "");
  Put("backup/b/binlogs/", "");
  Seal();
  EXPECT_EQ(built_.objects, 12U);
  Put("backup/b/meta/", "");
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(VerifyTest, StorageThatStatesNoHashesIsReadForTheManifest) {
  storage_ = storage::MakeMemoryBackend();
  Write({Collection(7, "default", "c1")});
  Seal();
  EXPECT_EQ(built_.objects, 8U);
  ASSERT_OK_AND_ASSIGN(const VerifyReport report, Verify());
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_TRUE(report.has_manifest);
}

TEST_F(VerifyTest, UnfinishedAndMissingBackupsAreErrors) {
  ASSERT_OK(storage_->Delete({}, "backup/b/meta/backup_meta.json"));
  EXPECT_THAT(Problems(), ElementsAre("backup/b/meta/backup_meta.json"));
  EXPECT_THAT(
      VerifyBackup({}, {.backend = storage_.get(), .root = "backup"}, {.name = "none"}).status(),
      IsError(Code::kNotFound, "backup none not found"));
  Put("backup/b/meta/run.json", meta::EncodeRunRecord(meta::NewRunRecord("create", "b")));
  EXPECT_THAT(Verify().status(), IsError(Code::kFailedPrecondition, "unfinished"));
}

TEST_F(VerifyTest, BrokenMetasAreProblemsNotErrors) {
  Seal();
  Put("backup/b/meta/full_meta.json", "{");
  EXPECT_THAT(Problems(), ::testing::Contains("backup/b/meta/full_meta.json"));
  Put("backup/b/meta/backup_meta.json", "{");
  EXPECT_THAT(Problems(), ElementsAre("backup/b/meta/backup_meta.json"));
}

}  // namespace
}  // namespace milvus_backup::backup
