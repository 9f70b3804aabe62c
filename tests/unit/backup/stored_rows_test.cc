#include "backup/stored_rows.h"

#include "backup/segment_files.h"
#include "support/status_matchers.h"
#include "unit/binlog/log_builder.h"

#include "milvus_backup/storage/intercepting_backend.h"
#include "milvus_backup/storage/memory_backend.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::IsError;
using ::milvus_backup::testing::Le;
using ::milvus_backup::testing::MakeContainer;
using ::milvus_backup::testing::MakeParquet;

/// Counts reads.
class CountingBackend final : public storage::InterceptingBackend {
 public:
  CountingBackend() : InterceptingBackend(storage::MakeMemoryBackend()) {}
  std::atomic<int> reads{0};

 protected:
  Status Around(const CallContext&, const storage::CallInfo& info, storage::CallRef call) override {
    if (info.method == storage::Method::kRead) ++reads;
    return call();
  }
};

std::string Parquet(int64_t rows) {
  std::string content;
  for (int64_t row = 0; row < rows; ++row) content += Le(row);
  return MakeParquet({{.rows = rows, .pages = {{.values = rows, .content = content}}}});
}

class StoredRowsTest : public ::testing::Test {
 protected:
  static std::string Log(int64_t rows) { return MakeContainer({.payloads = {Parquet(rows)}}); }

  void Put(int64_t segment, int64_t field, int64_t log, const std::string& bytes) {
    const std::string key = fmt::format("files/insert_log/4/9/{}/{}/{}", segment, field, log);
    ASSERT_OK(backend_.Put({}, key, AsBytes(bytes), {}));
  }
  /// A log of every field of the segment.
  void AddBatch(int64_t segment, int64_t log, int64_t rows) {
    for (const int64_t field : {0, 1, 100}) Put(segment, field, log, Log(rows));
  }
  void AddSegment(int64_t id, int64_t rows) {
    segments_.push_back({.id = id, .collection_id = 4, .partition_id = 9, .num_rows = rows});
  }
  Status Check() {
    Seats seats(4);
    auto files = ListSegmentFiles({}, place_, 4, segments_, seats);
    if (!files.ok()) return files.status();
    backend_.reads = 0;
    StoredRowsCheck counting({}, place_, 4);
    for (const meta::SegmentBackup& segment : files->segments) {
      if (!counting.Add(segment)) break;
    }
    Status status = counting.Wait();
    uncounted_ = counting.uncounted();
    return status;
  }

  CountingBackend backend_;
  const Place place_ = {.backend = &backend_, .root = "files"};
  std::vector<milvus::Segment> segments_;
  StoredRowsCheck::Uncounted uncounted_;
};

TEST_F(StoredRowsTest, OneReadForEachLogOfOneField) {
  AddSegment(5, 30);
  AddBatch(5, 50, 10);
  AddBatch(5, 51, 20);
  AddSegment(6, 7);
  AddBatch(6, 60, 7);
  segments_.push_back({.id = 7, .collection_id = 4, .partition_id = 9, .level = 1});
  EXPECT_OK(Check());
  EXPECT_EQ(backend_.reads, 3);
}

TEST_F(StoredRowsTest, TwoReadsForALargeLog) {
  AddSegment(5, 40000);
  AddBatch(5, 50, 40000);
  EXPECT_OK(Check());
  EXPECT_EQ(backend_.reads, 2);
}

// A node died between writing its logs and telling of them.
TEST_F(StoredRowsTest, ALogThatMilvusDoesNotKnowIsNamed) {
  AddSegment(5, 10);
  AddBatch(5, 50, 10);
  EXPECT_OK(Check());
  AddBatch(5, 51, 4);
  const Status status = Check();
  EXPECT_THAT(status, IsError(Code::kDataLoss, "segment 5 has 10 rows by Milvus"));
  EXPECT_THAT(status, IsError(Code::kDataLoss, "'files/insert_log/4/9/5/' hold 14"));
  EXPECT_THAT(status, IsError(Code::kDataLoss, "dataCoord.gc.missingTolerance"));
}

TEST_F(StoredRowsTest, ALogThatIsMissingFromEveryFieldIsNoticed) {
  AddSegment(5, 10);
  AddSegment(6, 30);
  AddBatch(5, 50, 10);
  AddBatch(6, 60, 20);
  EXPECT_THAT(Check(), IsError(Code::kDataLoss,
                               "hold 20: no restore of it could be right; logs of "
                               "it are gone"));
}

TEST_F(StoredRowsTest, AllEventsOfALogCount) {
  AddSegment(5, 9);
  const std::string log = MakeContainer({.payloads = {Parquet(4), Parquet(5)}});
  for (const int64_t field : {0, 1, 100}) Put(5, field, 50, log);
  EXPECT_OK(Check());
}

TEST_F(StoredRowsTest, TheSmallestGroupOfAPackedSegmentTells) {
  segments_.push_back(
      {.id = 5, .collection_id = 4, .partition_id = 9, .num_rows = 3, .storage_version = 2});
  Put(5, 0, 50, Parquet(3));
  Put(5, 101, 51, "not read, for it is longer than the other: " + std::string(500, 'x'));
  EXPECT_OK(Check());
  EXPECT_EQ(backend_.reads, 1);
  segments_[0].num_rows = 4;
  EXPECT_THAT(Check(), IsError(Code::kDataLoss, "segment 5 has 4 rows by Milvus"));
}

// Whether logs are damaged is for verify to say.
TEST_F(StoredRowsTest, WhatCannotBeReadIsPassedOverAndTold) {
  AddSegment(5, 10);
  for (const int64_t field : {0, 1, 100}) Put(5, field, 50, "no log");
  AddSegment(6, 10);
  for (const int64_t field : {0, 1, 100}) Put(6, field, 60, "");
  AddSegment(7, 10);
  AddBatch(7, 70, 10);
  EXPECT_OK(Check());
  EXPECT_EQ(uncounted_.segments, 2U);
  EXPECT_NE(uncounted_.first.find("files/insert_log/4/9/"), std::string::npos) << uncounted_.first;
}

}  // namespace
}  // namespace milvus_backup::backup
