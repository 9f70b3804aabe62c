#include "backup/expected_files.h"

#include "support/status_matchers.h"

#include "milvus_backup/meta/layout.h"
#include "milvus_backup/storage/memory_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::IsError;

meta::SegmentBackup Segment(int64_t partition, int64_t group, int64_t id) {
  return {.segment_id = id,
          .collection_id = 7,
          .partition_id = partition,
          .binlogs = {{100, {{.log_size = 3, .log_id = 9}, {.log_size = 4, .log_id = 10}}},
                      {20, {{.log_size = 5, .log_id = id}}}},
          .deltalogs = {{0, {{.log_size = 6, .log_id = 8}}}},
          .group_id = group};
}

std::vector<std::string> PathsOf(const ExpectedFiles& files) {
  std::vector<std::string> paths;
  for (const ExpectedFile& file : files) paths.push_back(file.path);
  return paths;
}

TEST(ExpectedFilesTest, ComeInTheOrderOfKeysWhateverTheIds) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::vector<int64_t> ids = {1, 2, 9, 10, 11, 19, 99, 100, 101, 470629250807647320};
  for (int round = 0; round < 300; ++round) {
    std::vector<meta::SegmentBackup> segments;
    std::vector<std::string> expected;
    for (const int64_t id : ids) {
      // Groups of their own, shared ones, and none, even next to each other.
      const int64_t groups[] = {id, ids[random() % ids.size()], 0};
      const int64_t partition = random() % 4 == 0 ? meta::kAllPartitions : ids[random() % 4];
      segments.push_back(Segment(partition, groups[random() % 3], id));
      const meta::SegmentBackup& segment = segments.back();
      for (const meta::LogEntry& log : segment.binlogs.Entries()) {
        expected.push_back(meta::InsertLogKey("", segment, log.field_id, log.log_id));
      }
      for (const meta::LogEntry& log : segment.deltalogs.Entries()) {
        expected.push_back(meta::DeltaLogKey("", segment, log.log_id));
      }
    }
    std::ranges::shuffle(segments, random);
    std::ranges::sort(expected);
    ASSERT_EQ(PathsOf(ExpectedFiles(segments)), expected) << "round " << round;
  }
}

TEST(ExpectedFilesTest, HoldAllSegmentsOfACollection) {
  meta::CollectionBackup collection;
  collection.partition_backups.resize(2);
  collection.partition_backups[1].segment_backups = {Segment(1, 11, 11)};
  collection.l0_segments = {Segment(meta::kAllPartitions, 0, 5)};
  collection.l0_segments[0].binlogs = {};
  EXPECT_EQ(PathsOf(ExpectedFiles(collection)),
            (std::vector<std::string>{"binlogs/delta_log/7/-1/5/8", "binlogs/delta_log/7/1/11/11/8",
                                      "binlogs/insert_log/7/1/11/11/100/10",
                                      "binlogs/insert_log/7/1/11/11/100/9",
                                      "binlogs/insert_log/7/1/11/11/20/11"}));
  EXPECT_TRUE(PathsOf(ExpectedFiles()).empty());
  EXPECT_TRUE(PathsOf(ExpectedFiles(meta::CollectionBackup())).empty());
}

class CheckFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const ExpectedFile& file : ExpectedFiles(segments_)) Put(file.path, file.size);
  }
  void Put(const std::string& path, uint64_t size) {
    ASSERT_OK(backend_->Put({}, "b/" + path, AsBytes(std::string(size, 'x')), {}));
  }
  Status Check(std::vector<std::string> closed_dirs = {}) {
    return CheckFiles({}, *backend_, "b/", 7, ExpectedFiles(segments_), std::move(closed_dirs));
  }

  const std::vector<meta::SegmentBackup> segments_ = {Segment(1, 9, 9), Segment(1, 10, 10),
                                                      Segment(2, 30, 30)};
  std::unique_ptr<storage::Backend> backend_ = storage::MakeMemoryBackend({.page_size = 2});
};

TEST_F(CheckFilesTest, EveryFileIsMissed) {
  EXPECT_OK(Check());
  for (const ExpectedFile& file : ExpectedFiles(segments_)) {
    ASSERT_OK(backend_->Delete({}, "b/" + file.path));
    EXPECT_THAT(Check(), IsError(Code::kDataLoss, "b/" + file.path + " is missing"));
    Put(file.path, file.size + 1);
    EXPECT_THAT(Check(), IsError(Code::kDataLoss, "b/" + file.path + " has " +
                                                      std::to_string(file.size + 1) + " bytes"));
    Put(file.path, file.size);
  }
  EXPECT_OK(Check());
}

TEST_F(CheckFilesTest, StrangersMatterInClosedDirectoriesOnly) {
  const std::string stranger = "binlogs/insert_log/7/2/30/31/100/1";
  Put(stranger, 1);
  EXPECT_OK(Check({"binlogs/insert_log/7/1/", "", "binlogs/insert_log/7/2/3/"}));
  for (const char* dir : {"binlogs/insert_log/7/2/", "binlogs/insert_log/7/2/30/"}) {
    EXPECT_THAT(Check({"binlogs/insert_log/7/1/", dir, ""}),
                IsError(Code::kDataLoss, stranger + " does not belong to the backup"));
  }
}

TEST_F(CheckFilesTest, PartitionsOfTheCollectionAreClosed) {
  meta::CollectionBackup collection{.collection_id = 7};
  collection.partition_backups = {{.partition_id = 1}, {.partition_id = 2}, {.partition_id = 3}};
  collection.partition_backups[0].segment_backups = {segments_[0], segments_[1]};
  collection.partition_backups[1].segment_backups = {segments_[2]};
  const auto check = [&] {
    return CheckFiles({}, *backend_, "b/", 7, ExpectedFiles(collection), {});
  };
  EXPECT_OK(check());
  // Left by the reference tool when a partition is dropped meanwhile.
  Put("binlogs/insert_log/7/4/40/40/100/1", 1);
  EXPECT_OK(check());
  Put("binlogs/insert_log/7/3/31/31/100/1", 1);
  EXPECT_THAT(check(), IsError(Code::kDataLoss, "7/3/31/31/100/1 does not belong to the backup"));
}

TEST_F(CheckFilesTest, DeltaLogsOfListedPartitionsAreClosedToo) {
  meta::CollectionBackup collection{.collection_id = 7};
  collection.partition_backups = {{.partition_id = 1}, {.partition_id = 2}, {.partition_id = 3}};
  collection.partition_backups[0].segment_backups = {segments_[0], segments_[1]};
  collection.partition_backups[1].segment_backups = {segments_[2]};
  const auto check = [&] {
    return CheckFiles({}, *backend_, "b/", 7, ExpectedFiles(collection), {});
  };
  Put("binlogs/delta_log/7/4/40/40/1", 1);
  Put("binlogs/delta_log/7/-1/50/1", 1);
  EXPECT_OK(check());
  for (const std::string stranger :
       {"binlogs/delta_log/7/1/9/9/99", "binlogs/delta_log/7/3/31/31/1",
        "binlogs/delta_log/7/2/1/1"}) {
    Put(stranger, 1);
    EXPECT_THAT(check(), IsError(Code::kDataLoss, stranger + " does not belong to the backup"));
    ASSERT_OK(backend_->Delete({}, "b/" + stranger));
  }
  collection.l0_segments = {Segment(meta::kAllPartitions, 0, 60)};
  collection.l0_segments[0].binlogs = {};
  Put("binlogs/delta_log/7/-1/60/8", 6);
  EXPECT_THAT(check(), IsError(Code::kDataLoss, "7/-1/50/1 does not belong to the backup"));
}

}  // namespace
}  // namespace milvus_backup::backup
