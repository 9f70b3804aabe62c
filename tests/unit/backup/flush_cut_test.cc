// What is left of segments whose logs reach beyond the moment of the backup, with logs built byte
// by byte in a storage in memory.
#include "backup/flush_cut.h"

#include "backup/segment_rows.h"
#include "support/status_matchers.h"
#include "unit/binlog/log_builder.h"

#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/totals.h"
#include "milvus_backup/storage/memory_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::Le;
using ::milvus_backup::testing::MakeContainer;
using ::milvus_backup::testing::MakeDeltaLog;
using ::milvus_backup::testing::MakeParquet;
using ::milvus_backup::testing::PlainText;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kKeyField = 100;
constexpr uint64_t kMoment = 1000;

struct Row {
  int64_t key = 0;
  uint64_t time = 0;
  friend bool operator==(const Row&, const Row&) = default;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.key << "@" << row.time; }

class FlushCutTest : public ::testing::Test {
 protected:
  template <typename T>
  static std::string Log(int64_t field, const std::vector<T>& values) {
    std::string content;
    for (const T& value : values) {
      if constexpr (std::is_same_v<T, std::string>) {
        content += PlainText(value);
      } else {
        content += Le(value);
      }
    }
    const auto rows = static_cast<int64_t>(values.size());
    const bool is_text = std::is_same_v<T, std::string>;
    return MakeContainer(
        {.field_id = field,
         .payload_type = is_text ? 21 : 5,
         .payloads = {MakeParquet({{.type = is_text ? 6 : 2,
                                    .rows = rows,
                                    .pages = {{.values = rows, .content = content}}}})}});
  }

  int64_t Put(const std::string& key, const std::string& bytes) {
    EXPECT_OK(storage_->Put({}, key, AsBytes(bytes), {}));
    return static_cast<int64_t>(bytes.size());
  }

  /// A segment with these rows and one delta log per list of deletes.
  void AddSegment(int64_t id, const std::vector<Row>& rows,
                  const std::vector<std::vector<Row>>& delta_logs = {}) {
    std::vector<int64_t> keys;
    for (const Row& row : rows) keys.push_back(row.key);
    AddSegmentWithKeys(id, keys, rows, delta_logs);
  }

  template <typename Key>
  void AddSegmentWithKeys(int64_t id, const std::vector<Key>& keys, const std::vector<Row>& rows,
                          const std::vector<std::vector<Row>>& delta_logs) {
    meta::SegmentBackup segment = {.segment_id = id,
                                   .collection_id = 1,
                                   .partition_id = 2,
                                   .num_of_rows = static_cast<int64_t>(rows.size()),
                                   .group_id = id};
    std::vector<uint64_t> times;
    for (const Row& row : rows) times.push_back(row.time);
    std::vector<meta::FieldBinlog> binlogs;
    const auto add = [&](int64_t field, const std::string& bytes) {
      const std::string key = meta::InsertLogKey(kDir, segment, field, 50);
      binlogs.push_back(
          {.field_id = field, .binlogs = {{.log_size = Put(key, bytes), .log_id = 50}}});
    };
    add(1, Log(1, times));
    add(kKeyField, Log(kKeyField, keys));
    segment.binlogs = meta::LogList(binlogs);
    AddDeltaLogs(segment, delta_logs);
    segments_.push_back(segment);
  }

  void AddDeltaLogs(meta::SegmentBackup& segment, const std::vector<std::vector<Row>>& delta_logs) {
    meta::FieldBinlog field;
    for (const std::vector<Row>& deletes : delta_logs) {
      std::vector<std::string> rows;
      for (const Row& row : deletes) {
        rows.push_back(R"({"pk":)" + std::to_string(row.key) + R"(,"ts":)" +
                       std::to_string(row.time) + R"(,"pkType":5})");
      }
      const auto log_id = static_cast<int64_t>(60 + field.binlogs.size());
      const std::string key = meta::DeltaLogKey(kDir, segment, log_id);
      field.binlogs.push_back({.log_size = Put(key, MakeDeltaLog(rows)), .log_id = log_id});
    }
    segment.deltalogs = {field};
    segment.size = meta::SumLogSizes(segment);
  }

  FlushCutReport Cut() {
    auto report = CutAtFlush({}, backup_, cut_, segments_);
    EXPECT_OK(report);
    CheckSizes();
    return report.ok() ? *report : FlushCutReport();
  }

  /// The metas say what the storage has.
  void CheckSizes() {
    size_t objects = 0;
    for (const meta::SegmentBackup& segment : segments_) {
      EXPECT_EQ(segment.size, meta::SumLogSizes(segment));
      for (const meta::LogEntry& log : segment.binlogs.Entries()) {
        ++objects;
        CheckSize(meta::InsertLogKey(kDir, segment, log.field_id, log.log_id), log.log_size);
      }
      for (const meta::LogEntry& log : segment.deltalogs.Entries()) {
        ++objects;
        CheckSize(meta::DeltaLogKey(kDir, segment, log.log_id), log.log_size);
      }
    }
    EXPECT_EQ(storage_->List({}, {})->objects.size(), objects);
  }
  void CheckSize(const std::string& key, int64_t size) {
    auto object = storage_->Stat({}, key);
    ASSERT_OK(object);
    EXPECT_EQ(static_cast<int64_t>(object->size), size) << key;
  }

  /// The live rows of all segments by the rule that Milvus has: a delete takes strictly older rows
  /// of its own segment.
  std::vector<Row> Live() {
    std::vector<Row> rows;
    for (const meta::SegmentBackup& segment : segments_) {
      if (segment.is_l0) continue;
      binlog::DeleteSet deletes;
      EXPECT_OK(ReadDeletes({}, backup_, segment, deletes));
      for (const meta::SegmentBackup& other : segments_) {
        if (!other.is_l0) continue;
        EXPECT_OK(ReadDeletes({}, backup_, other, deletes));
      }
      auto keys = FieldReader::Open({}, backup_, segment, kKeyField);
      auto times = FieldReader::Open({}, backup_, segment, 1);
      EXPECT_OK(keys);
      EXPECT_OK(times);
      for (int64_t i = 0; i < segment.num_of_rows; ++i) {
        const Row row = {.key = keys->Next()->batch->As<int64_t>()[static_cast<size_t>(i)],
                         .time = *TimeOf(*times->Next())};
        if (!deletes.IsDead({.number = row.key}, row.time)) rows.push_back(row);
      }
    }
    return rows;
  }

  static constexpr char kDir[] = "b/";
  std::unique_ptr<storage::Backend> storage_ = storage::MakeMemoryBackend();
  BackupLocation backup_ = {.backend = storage_.get(), .dir = kDir};
  std::vector<meta::SegmentBackup> segments_;
  /// Segment 10 is known to have been stored before the moment.
  const FlushCut cut_ = {.moment = kMoment,
                         .key_field = kKeyField,
                         .source_prefix = "files/",
                         .may_be_younger = [](int64_t id) { return id != 10; }};
};

TEST_F(FlushCutTest, LeavesAloneWhatIsOld) {
  AddSegment(10, {{1, 500}, {2, 900}}, {{{1, 600}}});
  AddSegment(11, {{3, 1000}}, {{{3, 1000}}});
  const std::vector<meta::SegmentBackup> before = segments_;
  EXPECT_FALSE(Cut().changed());
  EXPECT_EQ(segments_, before);
}

// Of an upsert after the moment only the delete was flushed.
TEST_F(FlushCutTest, ARowWhoseNewVersionIsNotThereKeepsItsOld) {
  AddSegment(10, {{1, 500}, {2, 500}}, {{{1, 600}, {2, 1001}}, {{2, 1002}}});
  EXPECT_EQ(Cut().deletes_left_out, 2U);
  EXPECT_THAT(Live(), ElementsAre(Row{2, 500}));
  // The log that would be empty is gone.
  EXPECT_EQ(segments_.front().deltalogs.log_count(), 1U);
}

// Of an upsert after the moment only the insert was flushed.
TEST_F(FlushCutTest, ARowHasOneVersion) {
  AddSegment(10, {{1, 500}});
  AddSegment(11, {{2, 900}, {1, 1001}});
  EXPECT_EQ(Cut().rows_deleted, 1U);
  EXPECT_THAT(Live(), ElementsAre(Row{1, 500}, Row{2, 900}));
  EXPECT_EQ(segments_.back().deltalogs.Unpack().front().binlogs.front().log_path,
            "files/delta_log/1/2/11/51");
}

TEST_F(FlushCutTest, ASegmentOfLaterRowsIsLeftOut) {
  AddSegment(10, {{1, 500}}, {{{1, 1002}}});
  AddSegment(11, {{1, 1002}}, {{{1, 1005}}});
  EXPECT_EQ(Cut().segments_left_out, 1U);
  ASSERT_EQ(segments_.size(), 1U);
  EXPECT_THAT(Live(), ElementsAre(Row{1, 500}));
}

// A delete cannot take the later version and leave the older one of the same segment.
TEST_F(FlushCutTest, TwoVersionsInASegmentLeaveTheLater) {
  AddSegment(11, {{1, 900}, {2, 900}, {1, 1001}, {1, 1002}, {3, 1001}}, {{{1, 1001}, {1, 1002}}});
  const FlushCutReport report = Cut();
  EXPECT_EQ(report.rows_deleted, 2U);
  EXPECT_EQ(report.deletes_left_out, 2U);
  EXPECT_THAT(Live(), ElementsAre(Row{2, 900}, Row{1, 1002}));
}

// The older version was dead by then, so nothing of the key is in the backup.
TEST_F(FlushCutTest, ADeadOlderVersionKeepsNothingAlive) {
  AddSegment(11, {{1, 800}, {2, 900}, {1, 1001}}, {{{1, 850}}});
  EXPECT_EQ(Cut().rows_deleted, 1U);
  EXPECT_THAT(Live(), ElementsAre(Row{2, 900}));
}

TEST_F(FlushCutTest, DeletesOfTheWholeCollectionAreCutToo) {
  AddSegment(11, {{1, 500}, {2, 500}, {2, 1001}});
  meta::SegmentBackup l0 = {
      .segment_id = 12, .collection_id = 1, .partition_id = meta::kAllPartitions, .is_l0 = true};
  AddDeltaLogs(l0, {{{1, 1001}, {2, 700}}});
  segments_.push_back(l0);
  EXPECT_EQ(Cut().deletes_left_out, 1U);
  EXPECT_THAT(Live(), ElementsAre(Row{1, 500}));
}

TEST_F(FlushCutTest, TextKeys) {
  AddSegmentWithKeys<std::string>(11, {"a\"b", "c"}, {{0, 900}, {0, 1001}}, {});
  EXPECT_EQ(Cut().rows_deleted, 1U);
  binlog::DeleteSet deletes;
  ASSERT_OK(ReadDeletes({}, backup_, segments_.front(), deletes));
  EXPECT_TRUE(deletes.IsDead({.is_text = true, .text = "c"}, 1001));
  EXPECT_FALSE(deletes.IsDead({.is_text = true, .text = "a\"b"}, 900));
}

// Whether logs are damaged is for verify to say.
TEST_F(FlushCutTest, WhatCannotBeReadStays) {
  AddSegment(10, {{1, 500}}, {{{1, 1001}}});
  AddSegment(11, {{2, 500}, {3, 1001}});
  Put(meta::DeltaLogKey(kDir, segments_[0], 60),
      std::string(static_cast<size_t>(segments_[0].size), 'x').substr(0, 9));
  Put(meta::InsertLogKey(kDir, segments_[1], 1, 50), "no log");
  const std::vector<meta::SegmentBackup> before = segments_;
  ASSERT_OK_AND_ASSIGN(const FlushCutReport report, CutAtFlush({}, backup_, cut_, segments_));
  EXPECT_FALSE(report.changed());
  EXPECT_EQ(segments_, before);
}

}  // namespace
}  // namespace milvus_backup::backup
