#include "milvus_backup/meta/reader.h"

#include "sample_backup.h"
#include "scripted_backend.h"
#include "support/status_matchers.h"
#include "support/test_paths.h"

#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/totals.h"

#include <gtest/gtest.h>

#include <latch>
#include <string>
#include <vector>

namespace milvus_backup::meta {
namespace {

using milvus_backup::testing::IsError;
using testing::ReadTestFile;
using testing::ScriptedBackend;

constexpr char kHeaderJson[] = R"({"id":"t","state_code":0,"name":"demo","size":0})";

class ReaderTest : public ::testing::Test {
 protected:
  void PutMeta(MetaFile file, const std::string& text) {
    backend_.Store(MetaKey(dir_, file), text);
  }
  void PutReference(const std::string& backup) {
    const std::string from = milvus_backup::testing::TestDataDir() + "/backups/" + backup + "/";
    for (const MetaFile file : {MetaFile::kHeader, MetaFile::kCollections, MetaFile::kPartitions,
                                MetaFile::kSegments, MetaFile::kFull}) {
      PutMeta(file, ReadTestFile(MetaKey(from, file)));
    }
  }
  Result<BackupInfo> Read() { return ReadBackup(ctx_, backend_, dir_); }

  CallContext ctx_;
  ScriptedBackend backend_;
  const std::string dir_ = "backup/demo/";
};

TEST_F(ReaderTest, WithoutHeaderThereIsNoBackup) {
  EXPECT_THAT(Read().status(), IsError(Code::kNotFound, "backup demo not found"));
  PutMeta(MetaFile::kFull, kHeaderJson);
  EXPECT_THAT(Read().status(), IsError(Code::kNotFound, "backup demo not found"));
  EXPECT_THAT(ReadHeader(ctx_, backend_, dir_).status(),
              IsError(Code::kNotFound, "backup demo not found"));
}

TEST_F(ReaderTest, BrokenFilesAreNamed) {
  PutMeta(MetaFile::kHeader, "{\"name\":");
  EXPECT_THAT(Read().status(), IsError(Code::kDataLoss, "backup/demo/meta/backup_meta.json: "));
  PutMeta(MetaFile::kHeader, "");
  EXPECT_THAT(Read().status(), IsError(Code::kDataLoss, "ends too early (byte 0)"));
  PutMeta(MetaFile::kHeader, kHeaderJson);
  PutMeta(MetaFile::kFull, "{}}");
  EXPECT_THAT(Read().status(), IsError(Code::kDataLoss, "backup/demo/meta/full_meta.json: "));
}

TEST_F(ReaderTest, StorageErrorsStayWhatTheyAre) {
  PutMeta(MetaFile::kHeader, kHeaderJson);
  backend_.unreadable_key = MetaKey(dir_, MetaFile::kFull);
  EXPECT_THAT(Read().status(),
              IsError(Code::kUnavailable, "reading backup/demo/meta/full_meta.json: connection"));
}

TEST_F(ReaderTest, FullMetaAloneIsEnough) {
  PutReference("golden_0516");
  PutMeta(MetaFile::kSegments, "broken");
  ASSERT_OK_AND_ASSIGN(const BackupInfo info, Read());
  EXPECT_EQ(info.collection_backups.size(), 5U);
  EXPECT_EQ(info.size, 162667);
}

TEST_F(ReaderTest, LeveledFilesGiveTheSameTree) {
  for (const char* backup : {"golden_0516", "golden_0509"}) {
    SCOPED_TRACE(backup);
    PutReference(backup);
    ASSERT_OK_AND_ASSIGN(const BackupInfo from_full, Read());
    backend_.Erase(MetaKey(dir_, MetaFile::kFull));
    ASSERT_OK_AND_ASSIGN(const BackupInfo from_levels, Read());
    EXPECT_TRUE(from_levels == from_full);
  }
}

TEST_F(ReaderTest, WithoutSegmentsTheSizesAreTheSame) {
  for (const char* backup : {"golden_0516", "golden_0509"}) {
    SCOPED_TRACE(backup);
    PutReference(backup);
    ASSERT_OK_AND_ASSIGN(BackupInfo expected, Read());
    for (CollectionBackup& collection : expected.collection_backups) {
      collection.l0_segments.clear();
      for (PartitionBackup& partition : collection.partition_backups) {
        partition.segment_backups.clear();
      }
    }
    ASSERT_OK_AND_ASSIGN(const BackupInfo from_full,
                         ReadBackup(ctx_, backend_, dir_, Depth::kCollections));
    EXPECT_TRUE(from_full == expected);
    backend_.Erase(MetaKey(dir_, MetaFile::kFull));
    ASSERT_OK_AND_ASSIGN(const BackupInfo from_levels,
                         ReadBackup(ctx_, backend_, dir_, Depth::kCollections));
    EXPECT_TRUE(from_levels == expected);
  }
}

TEST_F(ReaderTest, ReferenceSizesAreTheSumsOfTheirParts) {
  PutReference("golden_0516");
  ASSERT_OK_AND_ASSIGN(BackupInfo info, Read());
  const BackupInfo as_read = info;
  for (CollectionBackup& collection : info.collection_backups) {
    for (PartitionBackup& partition : collection.partition_backups) {
      for (SegmentBackup& segment : partition.segment_backups) segment.size = SumLogSizes(segment);
    }
  }
  UpdateTotals(info);
  EXPECT_TRUE(info == as_read);
}

TEST_F(ReaderTest, ReferenceKeysAreWhereTheLayoutSays) {
  const std::string on_disk = milvus_backup::testing::TestDataDir() + "/backups/golden_0516/";
  PutReference("golden_0516");
  ASSERT_OK_AND_ASSIGN(const BackupInfo info, Read());
  size_t logs = 0;
  for (const CollectionBackup& collection : info.collection_backups) {
    for (const PartitionBackup& partition : collection.partition_backups) {
      for (const SegmentBackup& segment : partition.segment_backups) {
        for (const LogEntry& log : segment.binlogs.Entries()) {
          const auto key = InsertLogKey(on_disk, segment, log.field_id, log.log_id);
          EXPECT_EQ(ReadTestFile(key).size(), static_cast<size_t>(log.log_size)) << key;
          ++logs;
        }
        for (const LogEntry& log : segment.deltalogs.Entries()) {
          const auto key = DeltaLogKey(on_disk, segment, log.log_id);
          EXPECT_EQ(ReadTestFile(key).size(), static_cast<size_t>(log.log_size)) << key;
          ++logs;
        }
      }
    }
  }
  EXPECT_EQ(logs, 133U);
}

TEST_F(ReaderTest, MissingLevelIsDataLoss) {
  PutReference("golden_0516");
  backend_.Erase(MetaKey(dir_, MetaFile::kFull));
  for (const MetaFile file : {MetaFile::kSegments, MetaFile::kPartitions, MetaFile::kCollections}) {
    backend_.Erase(MetaKey(dir_, file));
    EXPECT_THAT(Read().status(), IsError(Code::kDataLoss, MetaKey(dir_, file) + " is missing"));
  }
}

TEST_F(ReaderTest, OldestLayoutHasNoGroupsAndNoFullMeta) {
  PutMeta(MetaFile::kHeader, R"({"id":"x","state_code":2,"start_time":1,"end_time":2,)"
                             R"("progress":100,"name":"demo","errorMessage":"","meta_size":5})");
  PutMeta(MetaFile::kCollections,
          R"({"infos":[{"id":"x","state_code":2,"collection_id":1,"collection_name":"c",)"
          R"("schema":{"name":"c"},"has_index":false}]})");
  PutMeta(MetaFile::kPartitions,
          R"({"infos":[{"partition_id":2,"partition_name":"_default","collection_id":1}]})");
  PutMeta(MetaFile::kSegments,
          R"({"infos":[{"segment_id":3,"collection_id":1,"partition_id":2,"num_of_rows":9,)"
          R"("binlogs":[{"fieldID":100,"binlogs":[{"log_path":"files/insert_log/1/2/3/100/44",)"
          R"("log_size":10},{"log_path":"odd","log_size":0}]}],"deltalogs":[],"size":10}]})");
  ASSERT_OK_AND_ASSIGN(const BackupInfo info, Read());
  EXPECT_EQ(info.size, 10);
  EXPECT_EQ(info.state_code, 2);
  ASSERT_EQ(info.collection_backups.size(), 1U);
  const CollectionBackup& collection = info.collection_backups[0];
  EXPECT_EQ(collection.db_name, "default");
  EXPECT_EQ(collection.size, 10);
  ASSERT_EQ(info.database_backups.size(), 1U);
  EXPECT_EQ(info.database_backups[0].db_name, "default");
  ASSERT_EQ(collection.partition_backups.size(), 1U);
  EXPECT_EQ(collection.partition_backups[0].load_state, "");
  const SegmentBackup& segment = collection.partition_backups[0].segment_backups.at(0);
  EXPECT_EQ(
      segment.binlogs.Entries(),
      (std::vector<LogEntry>{{.field_id = 100, .log_id = 44, .log_size = 10}, {.field_id = 100}}));
  EXPECT_EQ(InsertLogKey(dir_, segment, 100, 44), "backup/demo/binlogs/insert_log/1/2/3/100/44");
}

TEST_F(ReaderTest, SegmentsMayShareAGroup) {
  PutMeta(MetaFile::kHeader, kHeaderJson);
  PutMeta(MetaFile::kFull,
          R"({"name":"demo","collection_backups":[{"collection_id":1,"db_name":"",)"
          R"("collection_name":"c","load_state":"NotExist","partition_backups":[)"
          R"({"partition_id":2,"segment_backups":[{"segment_id":3,"group_id":1},)"
          R"({"segment_id":4,"group_id":1,"deltalogs":[{}]}]}]}],)"
          R"("database_backups":[{"db_name":""},{"db_name":"other"}]})");
  ASSERT_OK_AND_ASSIGN(const BackupInfo info, Read());
  const CollectionBackup& collection = info.collection_backups.at(0);
  EXPECT_EQ(collection.db_name, "default");
  EXPECT_EQ(collection.load_state, "NotExist");
  EXPECT_EQ(info.database_backups.size(), 2U);
  EXPECT_EQ(info.database_backups[0].db_name, "default");
  const PartitionBackup& partition = collection.partition_backups.at(0);
  EXPECT_EQ(partition.collection_id, 1);
  EXPECT_EQ(InsertSegmentDir(dir_, partition.segment_backups.at(0)),
            "backup/demo/binlogs/insert_log/1/2/1/3/");
  EXPECT_EQ(DeltaSegmentDir(dir_, partition.segment_backups.at(1)),
            "backup/demo/binlogs/delta_log/1/2/1/4/");
  EXPECT_TRUE(partition.segment_backups[1].deltalogs.empty());
}

TEST_F(ReaderTest, L0SegmentsComeFromWhereTheyAre) {
  PutMeta(MetaFile::kHeader, kHeaderJson);
  const std::string in_collection =
      R"("l0_segments":[{"segment_id":7,"partition_id":-1,"deltalogs":[{"binlogs":[)"
      R"({"log_path":"files/delta_log/1/-1/7/8","log_size":5}]}],"size":5}])";
  PutMeta(MetaFile::kCollections, R"({"infos":[{"collection_id":1,)" + in_collection + "}]}");
  PutMeta(MetaFile::kPartitions, R"({"infos":[{"partition_id":2,"collection_id":1}]})");
  // One repeated, one only here.
  PutMeta(MetaFile::kSegments,
          R"({"infos":[{"segment_id":7,"collection_id":1,"partition_id":-1,"size":5},)"
          R"({"segment_id":9,"collection_id":1,"partition_id":-1,"size":6}]})");
  ASSERT_OK_AND_ASSIGN(const BackupInfo info, Read());
  const CollectionBackup& collection = info.collection_backups.at(0);
  EXPECT_EQ(collection.size, 11);
  ASSERT_EQ(collection.l0_segments.size(), 2U);
  for (const SegmentBackup& segment : collection.l0_segments) {
    EXPECT_TRUE(segment.is_l0);
    EXPECT_EQ(segment.collection_id, 1);
    EXPECT_EQ(segment.partition_id, kAllPartitions);
  }
  EXPECT_EQ(DeltaLogKey(dir_, collection.l0_segments[0],
                        collection.l0_segments[0].deltalogs.Entries().at(0).log_id),
            "backup/demo/binlogs/delta_log/1/-1/7/8");
}

TEST_F(ReaderTest, StraysAreDataLoss) {
  PutMeta(MetaFile::kHeader, kHeaderJson);
  PutMeta(MetaFile::kCollections, R"({"infos":[{"collection_id":1}]})");
  PutMeta(MetaFile::kPartitions, R"({"infos":[{"partition_id":2,"collection_id":9}]})");
  PutMeta(MetaFile::kSegments, "{}");
  EXPECT_THAT(Read().status(),
              IsError(Code::kDataLoss, "partition 2 belongs to the unknown collection 9"));
  PutMeta(MetaFile::kPartitions, "{}");
  PutMeta(MetaFile::kSegments,
          R"({"infos":[{"segment_id":3,"collection_id":1,"partition_id":2}]})");
  EXPECT_THAT(
      Read().status(),
      IsError(Code::kDataLoss, "segment 3 belongs to the unknown partition 2 of collection 1"));
}

TEST_F(ReaderTest, OnlyKnownFormatsMayBeRestored) {
  BackupInfo info;
  info.name = "demo";
  EXPECT_OK(CheckRestorableFormat(info));
  for (const char* format : {kSnapshotFormat, "later"}) {
    info.format = format;
    EXPECT_THAT(CheckRestorableFormat(info),
                IsError(Code::kUnimplemented, "the format '" + std::string(format) + "'"));
  }
}

TEST_F(ReaderTest, MetaSizeCountsEverythingUnderMeta) {
  PutMeta(MetaFile::kHeader, "12345");
  backend_.Store("backup/demo/meta/channel_cp_meta.json", "{}");
  backend_.Store("backup/demo/binlogs/x", "not counted");
  backend_.Store("backup/demo/meta2", "not counted");
  ASSERT_OK_AND_ASSIGN(const int64_t bytes, ReadMetaSize(ctx_, backend_, dir_));
  EXPECT_EQ(bytes, 7);
}

TEST_F(ReaderTest, ReadsFilesLongerThanOneRange) {
  PutMeta(MetaFile::kHeader, kHeaderJson);
  std::string text = R"({"name":"demo","later":")" + std::string(4 * kMiB, 'x');
  text += R"(","physical_channel_names":["end"]})";
  PutMeta(MetaFile::kFull, text);
  ASSERT_OK_AND_ASSIGN(const BackupInfo info, Read());
  EXPECT_EQ(info.physical_channel_names, std::vector<std::string>{"end"});
}

TEST_F(ReaderTest, HeaderWithoutIdAndNameIsDamaged) {
  PutMeta(MetaFile::kHeader, "{}");
  for (const Status& status : {Read().status(), ReadHeader(ctx_, backend_, dir_).status()}) {
    EXPECT_THAT(status, IsError(Code::kDataLoss,
                                "backup/demo/meta/backup_meta.json has neither an id nor a name"));
  }
  PutMeta(MetaFile::kHeader, R"({"id":"x"})");
  EXPECT_OK(ReadHeader(ctx_, backend_, dir_));
}

TEST_F(ReaderTest, TheDirectorysNameCounts) {
  PutReference("golden_0516");
  for (const bool leveled : {false, true}) {
    if (leveled) backend_.Erase(MetaKey(dir_, MetaFile::kFull));
    ASSERT_OK_AND_ASSIGN(const BackupInfo info, Read());
    EXPECT_EQ(info.name, "demo");
  }
}

void AddBackup(ScriptedBackend& backend, const std::string& dir, const std::string& header) {
  backend.Store(MetaKey(dir, MetaFile::kHeader), header);
  backend.Store(dir + "binlogs/insert_log/1/2/3/3/100/4", "x");
}

TEST(ListTest, TellsBackupsUnfinishedOnesAndOthersApart) {
  for (const uint32_t page_size : {1000U, 1U}) {
    ScriptedBackend backend(page_size);
    AddBackup(backend, "backup/b/", R"({"name":"b","size":3,"milvus_version":"v2.3.5"})");
    AddBackup(backend, "backup/a/", R"({"name":"renamed"})");
    AddBackup(backend, "backup/broken/", "{");
    AddBackup(backend, "backup/nameless/", R"({"size":3})");
    backend.Store("backup/headless/binlogs/insert_log/1/2/3/3/100/4", "x");
    backend.Store("backup/starting/meta/run.json", "{}");
    backend.Store("backup/.locks/1", "");
    backend.Store("backup/notes.txt", "");
    backend.Store("backup/insert_log/1/2", "");
    backend.Store("backup/photos/binlogs/1.jpg", "");
    backend.Store("backup2/c/meta/backup_meta.json", "{}");
    ASSERT_OK_AND_ASSIGN(const BackupList list, ListBackups({}, backend, "backup/"));
    ASSERT_EQ(list.backups.size(), 2U);
    EXPECT_EQ(list.backups[0].name, "a");
    EXPECT_EQ(list.backups[0].header.name, "renamed");
    EXPECT_EQ(list.backups[1].name, "b");
    EXPECT_EQ(list.backups[1].header.milvus_version, "v2.3.5");
    ASSERT_EQ(list.unfinished.size(), 4U);
    EXPECT_EQ(list.unfinished[0].name, "broken");
    EXPECT_THAT(list.unfinished[0].reason, ::testing::HasSubstr("ends too early"));
    EXPECT_EQ(list.unfinished[1].name, "headless");
    EXPECT_EQ(list.unfinished[2].name, "nameless");
    EXPECT_THAT(list.unfinished[2].reason, ::testing::HasSubstr("neither an id nor a name"));
    EXPECT_EQ(list.unfinished[3].name, "starting");
    EXPECT_EQ(list.unfinished[3].reason, "backup_meta.json is missing");
  }
}

TEST(ListTest, RootMayBeEmptyOrWithoutBackups) {
  ScriptedBackend backend;
  AddBackup(backend, "a/", R"({"id":"x"})");
  ASSERT_OK_AND_ASSIGN(const BackupList list, ListBackups({}, backend, ""));
  ASSERT_EQ(list.backups.size(), 1U);
  EXPECT_EQ(list.backups[0].name, "a");
  ASSERT_OK_AND_ASSIGN(const BackupList none, ListBackups({}, backend, "elsewhere"));
  EXPECT_TRUE(none.backups.empty() && none.unfinished.empty());
}

TEST(ListTest, HeadersAreReadAtTheSameTimeAndKeepTheirOrder) {
  ScriptedBackend backend;
  for (const char* name : {"a", "b", "c", "d"}) {
    AddBackup(backend, "backup/" + std::string(name) + "/", R"({"name":"x"})");
  }
  // No read ends before all of them have begun.
  std::latch begun(4);
  backend.before_read = [&] { begun.arrive_and_wait(); };
  ASSERT_OK_AND_ASSIGN(const BackupList list, ListBackups({}, backend, "backup"));
  std::string names;
  for (const ListedBackup& backup : list.backups) names += backup.name;
  EXPECT_EQ(names, "abcd");
}

// A root is often that of a file system, with a lost+found in it.
TEST(ListTest, WhatMustNotBeReadIsNamedAndHidesNothing) {
  ScriptedBackend backend;
  AddBackup(backend, "backup/a/", R"({"name":"x"})");
  backend.Store("backup/lost+found/x", "");
  backend.forbidden_prefix = "backup/lost+found/";
  ASSERT_OK_AND_ASSIGN(const BackupList list, ListBackups({}, backend, "backup"));
  ASSERT_EQ(list.backups.size(), 1U);
  ASSERT_EQ(list.unfinished.size(), 1U);
  EXPECT_EQ(list.unfinished[0].name, "lost+found");
  EXPECT_EQ(list.unfinished[0].reason, "cannot be read: not yours");
  EXPECT_TRUE(list.unfinished[0].is_unreadable);
  backend.forbidden_prefix = "backup/";
  EXPECT_THAT(ListBackups({}, backend, "backup").status(), IsError(Code::kPermissionDenied, ""));
}

TEST(ListTest, StorageErrorsAreNotHidden) {
  ScriptedBackend backend;
  AddBackup(backend, "backup/a/", "{}");
  backend.unreadable_key = "backup/a/meta/backup_meta.json";
  EXPECT_THAT(ListBackups({}, backend, "backup").status(),
              IsError(Code::kUnavailable, "connection refused"));
}

}  // namespace
}  // namespace milvus_backup::meta
