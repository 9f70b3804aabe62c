#include "scripted_backend.h"
#include "support/status_matchers.h"

#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/totals.h"
#include "milvus_backup/meta/writer.h"

#include <gtest/gtest.h>

#include <string>

namespace milvus_backup::meta {
namespace {

using milvus_backup::testing::IsError;
using testing::ScriptedBackend;

/// One collection with two partitions and an L0 segment, as full_meta.json.
class DamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    CollectionBackup collection{.collection_id = 1, .collection_name = "c"};
    for (const int64_t id : {10, 20}) {
      collection.partition_backups.push_back(
          {.partition_id = id,
           .partition_name = "p" + std::to_string(id),
           .collection_id = 1,
           .segment_backups = {Segment(id, id + 1), Segment(id, id + 2)}});
    }
    collection.l0_segments = {Segment(kAllPartitions, 5)};
    info_.id = "x";
    info_.name = "demo";
    info_.collection_backups = {collection};
    UpdateTotals(info_);
    ASSERT_OK(WriteBackup(ctx_, backend_, dir_, info_));
  }
  void PutMeta(MetaFile file, const std::string& text) {
    backend_.Store(MetaKey(dir_, file), text);
  }
  Result<BackupInfo> Read() { return ReadBackup(ctx_, backend_, dir_); }
  static SegmentBackup Segment(int64_t partition, int64_t id) {
    return {.segment_id = id,
            .collection_id = 1,
            .partition_id = partition,
            .num_of_rows = 1,
            .binlogs = {{100, {{.log_size = 7, .log_id = 1}}}},
            .size = 7,
            .group_id = GroupOf(partition, id)};
  }
  CollectionBackup& collection() { return info_.collection_backups[0]; }
  PartitionBackup& partition() { return collection().partition_backups[1]; }
  /// Reads with what `info_` is now as full_meta.json, and the header as it was.
  Status ReadChanged() {
    PutMeta(MetaFile::kFull,
            EncodeToString([&](const TextSink& sink) { return EncodeFullMeta(info_, sink); }));
    return Read().status();
  }

  CallContext ctx_;
  ScriptedBackend backend_;
  const std::string dir_ = "backup/demo/";
  BackupInfo info_;
};

TEST_F(DamageTest, WhatIsWholeIsRead) {
  EXPECT_OK(ReadChanged());
  // Sizes that the writer did not record say nothing.
  for (PartitionBackup& each : collection().partition_backups) {
    each.size = 0;
    for (SegmentBackup& segment : each.segment_backups) segment.size = 0;
  }
  collection().size = 0;
  EXPECT_OK(ReadChanged());
  // L0 segments were not counted at first.
  collection().size = info_.size = 28;
  PutMeta(MetaFile::kHeader, R"({"name":"demo","size":28})");
  EXPECT_OK(ReadChanged());
}

TEST_F(DamageTest, EmptiedFullMeta) {
  PutMeta(MetaFile::kFull, "{}");
  EXPECT_THAT(
      Read().status(),
      IsError(Code::kDataLoss, "the backup has 35 bytes, but its collections together have 0"));
}

TEST_F(DamageTest, EmptiedLists) {
  collection().partition_backups[1].segment_backups.clear();
  EXPECT_THAT(ReadChanged(), IsError(Code::kDataLoss, "partition p20 of collection default.c"));
  collection().partition_backups.clear();
  EXPECT_THAT(ReadChanged(),
              IsError(Code::kDataLoss, "collection default.c has 35 bytes, but its partitions"));
  info_.collection_backups.clear();
  EXPECT_THAT(ReadChanged(), IsError(Code::kDataLoss, "the backup has 35 bytes"));
}

TEST_F(DamageTest, LostSegment) {
  partition().segment_backups.pop_back();
  EXPECT_THAT(ReadChanged(),
              IsError(Code::kDataLoss, "has 14 bytes, but its segments together have 7"));
}

TEST_F(DamageTest, CollectionMayCountSegmentsOfDroppedPartitions) {
  collection().partition_backups.pop_back();
  // No dropped one: the other file has it.
  EXPECT_THAT(ReadChanged(), IsError(Code::kDataLoss, "collection default.c has 35 bytes"));
  PutMeta(MetaFile::kPartitions, R"({"infos":[{"partition_id":10,"collection_id":1}]})");
  EXPECT_OK(ReadChanged());
  collection().size = info_.size = 13;
  EXPECT_THAT(ReadChanged(), IsError(Code::kDataLoss, "collection default.c has 13 bytes"));
}

TEST_F(DamageTest, SegmentListedTwice) {
  partition().segment_backups[1] = partition().segment_backups[0];
  EXPECT_THAT(ReadChanged(),
              IsError(Code::kDataLoss, "segment 21 of partition 20 is listed twice"));
}

TEST_F(DamageTest, UnknownConsistencyLevel) {
  for (const int32_t level : {-1, 5, 1000}) {
    collection().consistency_level = level;
    EXPECT_THAT(ReadChanged(),
                IsError(Code::kDataLoss,
                        "collection default.c has the consistency_level " + std::to_string(level)));
  }
  collection().consistency_level = 4;
  EXPECT_OK(ReadChanged());
}

TEST_F(DamageTest, LeveledFilesThatLackSomething) {
  backend_.Erase(MetaKey(dir_, MetaFile::kFull));
  // Deletes of all partitions are in none of the leveled files of today.
  EXPECT_THAT(Read().status(), IsError(Code::kDataLoss, "collection default.c has 35 bytes"));
  info_.collection_backups[0].l0_segments.clear();
  UpdateTotals(info_);
  ASSERT_OK(WriteBackup(ctx_, backend_, dir_, info_));
  backend_.Erase(MetaKey(dir_, MetaFile::kFull));
  EXPECT_OK(Read());
  for (const MetaFile file : {MetaFile::kSegments, MetaFile::kPartitions, MetaFile::kCollections}) {
    PutMeta(file, "{}");
    EXPECT_THAT(Read().status(), IsError(Code::kDataLoss, ""));
  }
}

TEST_F(DamageTest, SegmentListedTwiceInTheLeveledFiles) {
  backend_.Erase(MetaKey(dir_, MetaFile::kFull));
  const std::string twice = R"({"segment_id":3,"collection_id":1,"partition_id":10})";
  PutMeta(MetaFile::kSegments, R"({"infos":[)" + twice + "," + twice + "]}");
  EXPECT_THAT(Read().status(),
              IsError(Code::kDataLoss, "segment 3 of partition 10 is listed twice"));
}

}  // namespace
}  // namespace milvus_backup::meta
