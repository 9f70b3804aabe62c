#include "milvus_backup/meta/layout.h"

#include "support/status_matchers.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace milvus_backup::meta {
namespace {

using testing::IsError;

TEST(BackupNameTest, AcceptsTheRule) {
  for (const std::string& name : {std::string("a"), std::string("_"), std::string("Demo_2024"),
                                  "x" + std::string(kMaxNameLength - 1, '9')}) {
    EXPECT_OK(ValidateBackupName(name));
  }
}

TEST(BackupNameTest, RefusesEverythingElseAndNamesFlagAndRule) {
  for (const std::string& name :
       {std::string(), std::string(" "), std::string("a b"), std::string("1a"), std::string("a-b"),
        std::string("a/b"), std::string(".."), std::string("käse"), std::string("a\n"),
        std::string("a\0b", 3), std::string(kMaxNameLength + 1, 'a')}) {
    EXPECT_THAT(ValidateBackupName(name), IsError(Code::kInvalidArgument, "-n/--name"));
  }
  EXPECT_THAT(ValidateBackupName("a b"),
              IsError(Code::kInvalidArgument, "invalid backup name 'a b'"));
  EXPECT_THAT(ValidateBackupName("a\nb"),
              IsError(Code::kInvalidArgument, "invalid backup name 'a?b'"));
}

TEST(BackupNameTest, DefaultNameIsUtcWithUnpaddedNanoseconds) {
  const auto time = std::chrono::system_clock::time_point(std::chrono::seconds(1700000000)) +
                    std::chrono::duration_cast<std::chrono::system_clock::duration>(
                        std::chrono::nanoseconds(42000));
  EXPECT_EQ(DefaultBackupName(time), "backup_2023_11_14_22_13_20_42000");
  EXPECT_OK(ValidateBackupName(DefaultBackupName(time)));
}

TEST(JoinPathTest, CleansAsTheReferenceDoes) {
  EXPECT_EQ(JoinPath("", "x"), "x");
  EXPECT_EQ(JoinPath("backup", ""), "backup");
  EXPECT_EQ(JoinPath("a//b/", "./x"), "a/b/x");
  EXPECT_EQ(JoinPath("./a", "x"), "a/x");
  EXPECT_EQ(JoinPath("/a/../b", "x"), "/b/x");
  EXPECT_EQ(JoinPath("/..", "x"), "/x");
  EXPECT_EQ(JoinPath("../a", "x"), "../a/x");
  EXPECT_EQ(JoinPath("/", "x"), "/x");
  EXPECT_EQ(JoinPath("", ""), "");
}

TEST(BackupDirTest, EndsWithASlashAndKnowsItsName) {
  ASSERT_OK_AND_ASSIGN(const std::string dir, BackupDir("backup/", "demo"));
  EXPECT_EQ(dir, "backup/demo/");
  EXPECT_EQ(BackupName(dir), "demo");
  ASSERT_OK_AND_ASSIGN(const std::string in_root, BackupDir("", "demo"));
  EXPECT_EQ(in_root, "demo/");
  EXPECT_EQ(BackupName(in_root), "demo");
}

TEST(BackupDirTest, RefusesNamesThatLeaveTheRoot) {
  for (const char* name : {"", ".", "..", "../x", "a/b", "/etc", "a\\b", "a\nb", "a\x7f"}) {
    EXPECT_THAT(BackupDir("backup", name), IsError(Code::kInvalidArgument, "invalid backup name"));
  }
  // Made by hand, not by us; still a directory of its own.
  EXPECT_OK(BackupDir("backup", "2024-01-01 nightly"));
}

TEST(MetaKeyTest, FiveFiles) {
  EXPECT_EQ(MetaKey("b/d/", MetaFile::kHeader), "b/d/meta/backup_meta.json");
  EXPECT_EQ(MetaKey("b/d/", MetaFile::kCollections), "b/d/meta/collection_meta.json");
  EXPECT_EQ(MetaKey("b/d/", MetaFile::kPartitions), "b/d/meta/partition_meta.json");
  EXPECT_EQ(MetaKey("b/d/", MetaFile::kSegments), "b/d/meta/segment_meta.json");
  EXPECT_EQ(MetaKey("b/d/", MetaFile::kFull), "b/d/meta/full_meta.json");
}

TEST(LogKeyTest, GroupIsALevelUnlessZero) {
  SegmentBackup segment{.segment_id = 449580, .collection_id = 449577, .partition_id = 449578};
  EXPECT_EQ(InsertLogKey("b/d/", segment, 100, 7),
            "b/d/binlogs/insert_log/449577/449578/449580/100/7");
  segment.group_id = GroupOf(segment.partition_id, segment.segment_id);
  EXPECT_EQ(InsertLogKey("b/d/", segment, 100, 7),
            "b/d/binlogs/insert_log/449577/449578/449580/449580/100/7");
  EXPECT_EQ(DeltaLogKey("b/d/", segment, 7), "b/d/binlogs/delta_log/449577/449578/449580/449580/7");
  EXPECT_EQ(InsertGroupDir("b/d/", 449577, 449578, 449580),
            "b/d/binlogs/insert_log/449577/449578/449580/");
  EXPECT_EQ(DeltaGroupDir("b/d/", 449577, 449578, 1), "b/d/binlogs/delta_log/449577/449578/1/");
}

TEST(LogKeyTest, DeletesOfAllPartitionsHaveNoGroup) {
  const SegmentBackup segment{.segment_id = 449610,
                              .collection_id = 449577,
                              .partition_id = kAllPartitions,
                              .group_id = GroupOf(kAllPartitions, 449610)};
  EXPECT_EQ(DeltaLogKey("b/d/", segment, 449611), "b/d/binlogs/delta_log/449577/-1/449610/449611");
}

TEST(SourceKeyTest, ReadsInsertAndDeltaKeys) {
  const SourceLog insert{.collection_id = 1,
                         .partition_id = 2,
                         .segment_id = 3,
                         .field_id = 0,
                         .log_id = 9223372036854775807};
  ASSERT_OK_AND_ASSIGN(const SourceLog with_root,
                       ParseSourceKey("files/insert_log/1/2/3/0/9223372036854775807", "files"));
  EXPECT_EQ(with_root, insert);
  ASSERT_OK_AND_ASSIGN(const SourceLog without_root,
                       ParseSourceKey("insert_log/1/2/3/0/9223372036854775807", "files"));
  EXPECT_EQ(without_root, insert);
  ASSERT_OK_AND_ASSIGN(const SourceLog delta,
                       ParseSourceKey("/var/lib/milvus/delta_log/1/-1/3/4", "/var/lib/milvus/"));
  EXPECT_EQ(delta, (SourceLog{.is_delta = true,
                              .collection_id = 1,
                              .partition_id = kAllPartitions,
                              .segment_id = 3,
                              .log_id = 4}));
  EXPECT_EQ(SourceInsertDir("files", 1, 2, 3), "files/insert_log/1/2/3/");
  EXPECT_EQ(SourceDeltaDir("", 1, -1, 3), "delta_log/1/-1/3/");
}

TEST(SourceKeyTest, RefusesAnythingElse) {
  for (const char* key :
       {"", "files", "files/insert_log", "files/insert_log/1/2/3/4", "files/insert_log/1/2/3/4/5/6",
        "files/insert_log/1/-1/3/4/5", "files/insert_log/1/2/3/4/", "files/stats_log/1/2/3/4/5",
        "files/delta_log/1/2/3/4/5", "files/delta_log/1/2/3/x", "files/delta_log/01/2/3/4",
        "files/delta_log/1/2/3/99999999999999999999", "other/delta_log/1/2/3/4",
        "files/delta_log/+1/2/3/4", "files/delta_log/1/2/-3/4", "/delta_log/1/2/3/4"}) {
    EXPECT_THAT(ParseSourceKey(key, "files"), IsError(Code::kInvalidArgument, "binlog")) << key;
  }
}

TEST(CompareAsTextTest, OrdersIdsAsKeysDo) {
  EXPECT_TRUE(CompareAsText(10, 9) < 0);
  EXPECT_TRUE(CompareAsText(10, 100) < 0);
  EXPECT_TRUE(CompareAsText(-1, 0) < 0);
  EXPECT_TRUE(CompareAsText(470629250807647320, 470629250807647320) == 0);
  EXPECT_TRUE(CompareAsText(470629250807647321, 470629250807647320) > 0);
}

}  // namespace
}  // namespace milvus_backup::meta
