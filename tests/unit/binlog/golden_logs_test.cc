#include "golden_logs.h"

#include "support/status_matchers.h"

#include "milvus_backup/binlog/check.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace milvus_backup::binlog {
namespace {

using testing::GoldenLog;
using testing::LoadGoldenLogs;

std::string ToText(const Finding& finding) {
  return (finding.severity == Severity::kError ? "error: " : "warning: ") + finding.what +
         ": expected " + finding.expected + ", found " + finding.found;
}

struct Checked {
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
  uint64_t rows = 0;
};

Checked Check(const GoldenLog& log) {
  Checked checked;
  MemorySource source(AsBytes(log.bytes));
  const FindingSink sink = [&](const Finding& finding) {
    (finding.severity == Severity::kError ? checked.errors : checked.warnings)
        .push_back(ToText(finding));
  };
  if (log.is_delta) {
    const Result<DeltaLogReport> report = CheckDeltaLog(source, log.facts, {}, sink);
    EXPECT_OK(report);
    if (report.ok()) checked.rows = report->rows;
    return checked;
  }
  const Result<InsertLogReport> report = CheckInsertLog(source, log.facts, {}, sink);
  EXPECT_OK(report);
  if (report.ok() && !report->columns.empty()) checked.rows = report->columns.front().rows;
  return checked;
}

/// Types of keys matter for deletes; those of golden_types are texts.
std::vector<FieldFacts> KeyOf(const GoldenLog& log) {
  const bool is_text = log.facts.collection_id == 470629250807647320;
  return {{.field_id = 100,
           .type = is_text ? DataType::kVarChar : DataType::kInt64,
           .is_primary_key = true}};
}

TEST(GoldenLogsTest, EveryLogIsSoundAndHasRows) {
  size_t count = 0;
  for (GoldenLog& log : LoadGoldenLogs()) {
    const std::vector<FieldFacts> fields = KeyOf(log);
    log.facts.fields = &fields;
    const Checked checked = Check(log);
    EXPECT_TRUE(checked.errors.empty()) << log.path << ": " << checked.errors.front();
    EXPECT_TRUE(checked.warnings.empty()) << log.path << ": " << checked.warnings.front();
    EXPECT_GT(checked.rows, 0U) << log.path;
    ++count;
  }
  EXPECT_EQ(count, 133U);
}

TEST(GoldenLogsTest, ALogAtTheWrongKeyIsFound) {
  GoldenLog log = LoadGoldenLogs().back();
  ++log.facts.collection_id;
  --log.facts.segment_id;
  log.facts.field_id = 77;
  const Checked checked = Check(log);
  ASSERT_EQ(checked.errors.size(), 3U);
  EXPECT_THAT(checked.errors[0], ::testing::HasSubstr("collection id"));
  EXPECT_THAT(checked.errors[1], ::testing::HasSubstr("segment id"));
  EXPECT_THAT(checked.errors[2], ::testing::HasSubstr("field id: expected 77"));
}

TEST(GoldenLogsTest, DeletesOfAMergedSegmentAreAnOddity) {
  GoldenLog log = LoadGoldenLogs().front();
  ASSERT_THAT(log.path, ::testing::HasSubstr("delta_log"));
  const std::vector<FieldFacts> fields = KeyOf(log);
  log.facts.fields = &fields;
  ++log.facts.segment_id;
  const Checked checked = Check(log);
  EXPECT_TRUE(checked.errors.empty());
  ASSERT_EQ(checked.warnings.size(), 1U);
  EXPECT_THAT(checked.warnings[0], ::testing::HasSubstr("segment id"));
}

TEST(GoldenLogsTest, DeletesOfAnotherListedSegmentAreAnError) {
  GoldenLog log = LoadGoldenLogs().front();
  ASSERT_TRUE(log.is_delta);
  const std::vector<FieldFacts> fields = KeyOf(log);
  log.facts.fields = &fields;
  const std::vector<int64_t> listed = {log.facts.segment_id, log.facts.segment_id + 1};
  log.facts.listed_segments = &listed;
  EXPECT_TRUE(Check(log).errors.empty());
  ++log.facts.segment_id;
  const Checked checked = Check(log);
  ASSERT_EQ(checked.errors.size(), 1U);
  EXPECT_THAT(checked.errors[0], ::testing::HasSubstr("segment id"));
}

TEST(GoldenLogsTest, EveryTruncationIsFound) {
  std::vector<GoldenLog> logs = LoadGoldenLogs();
  // A delta log, and one log of each of the types of golden_types.
  logs.resize(17);
  size_t cuts = 0;
  for (GoldenLog& log : logs) {
    const std::vector<FieldFacts> fields = KeyOf(log);
    log.facts.fields = &fields;
    GoldenLog cut = log;
    for (size_t size = 0; size < log.bytes.size(); ++size, ++cuts) {
      // A fresh buffer, so that a sanitizer sees every read behind its end.
      cut.bytes = std::string(log.bytes.data(), size);
      ASSERT_FALSE(Check(cut).errors.empty()) << log.path << " cut to " << size;
    }
  }
  EXPECT_GT(cuts, 10'000U);
}

TEST(GoldenLogsTest, GrowthIsFound) {
  for (GoldenLog& log : LoadGoldenLogs()) {
    log.bytes += '\0';
    ASSERT_FALSE(Check(log).errors.empty()) << log.path;
  }
}

}  // namespace
}  // namespace milvus_backup::binlog
