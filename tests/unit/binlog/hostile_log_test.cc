#include "golden_logs.h"
#include "log_builder.h"
#include "support/status_matchers.h"

#include "milvus_backup/binlog/check.h"
#include "milvus_backup/binlog/column.h"
#include "milvus_backup/binlog/delta_log.h"
#include "milvus_backup/binlog/insert_log.h"
#include "milvus_backup/binlog/parquet.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace milvus_backup::binlog {
namespace {

using testing::GoldenLog;

/// All that a log means: its rows as bytes, or nothing when it cannot be read.
std::string DecodeRows(const GoldenLog& log) {
  MemorySource source(AsBytes(log.bytes));
  std::string rows;
  if (log.is_delta) {
    const auto read = ReadDeltaLog(source, {}, [&](const Delete& record) {
      rows.append(record.key.is_text ? record.key.text : std::to_string(record.key.number));
      rows.append(testing::Le(record.timestamp));
      return Status::Ok();
    });
    return read.ok() ? rows : "unreadable";
  }
  const Result<InsertLog> opened = OpenInsertLog(source, {});
  if (!opened.ok()) return "unreadable";
  for (size_t column = 0; column < opened->column_count(); ++column) {
    ColumnReader reader(source, *opened, column, {});
    Batch batch;
    for (;;) {
      const Result<bool> has_rows = reader.Next(batch);
      if (!has_rows.ok()) return "unreadable";
      if (!*has_rows) break;
      for (size_t i = 0; i < batch.rows; ++i) {
        rows += batch.IsNull(i) ? '-' : '+';
        if (batch.width == 0) rows.append(testing::PlainText(batch.texts[i]));
      }
      rows.append(AsText(batch.fixed));
    }
  }
  return rows;
}

bool HasErrors(const GoldenLog& log) {
  MemorySource source(AsBytes(log.bytes));
  bool has_errors = false;
  const FindingSink sink = [&](const Finding& finding) {
    has_errors |= finding.severity == Severity::kError;
  };
  if (log.is_delta) {
    EXPECT_OK(CheckDeltaLog(source, log.facts, {}, sink));
  } else {
    EXPECT_OK(CheckInsertLog(source, log.facts, {}, sink));
  }
  return has_errors;
}

/// Flip bits of `log` all over; whatever changes its rows must be reported.
void FlipBits(GoldenLog log, std::mt19937& random, int flips) {
  const std::string sound = log.bytes;
  const std::string rows = DecodeRows(log);
  ASSERT_NE(rows, "unreadable") << log.path;
  for (int i = 0; i < flips; ++i) {
    const size_t bit = std::uniform_int_distribution<size_t>(0, sound.size() * 8 - 1)(random);
    log.bytes = sound;
    log.bytes[bit / 8] =
        static_cast<char>(static_cast<unsigned>(log.bytes[bit / 8]) ^ 1U << bit % 8);
    if (!HasErrors(log)) {
      ASSERT_EQ(DecodeRows(log), rows) << log.path << ", bit " << bit;
    }
  }
}

TEST(HostileLogTest, NoBitFlipChangesRowsUnnoticed) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::vector<FieldFacts> text_key = {
      {.field_id = 100, .type = DataType::kVarChar, .is_primary_key = true}};
  const std::vector<FieldFacts> number_key = {
      {.field_id = 100, .type = DataType::kInt64, .is_primary_key = true}};
  for (GoldenLog& log : testing::LoadGoldenLogs()) {
    log.facts.fields = log.facts.collection_id == 470629250807647320 ? &text_key : &number_key;
    FlipBits(log, random, 30);
  }
}

// Nothing else tells how many deletes there are, so every bit is tried.
TEST(HostileLogTest, NoBitFlipOfADeltaLogLosesDeletesUnnoticed) {
  const std::vector<FieldFacts> number_key = {
      {.field_id = 100, .type = DataType::kInt64, .is_primary_key = true}};
  GoldenLog smallest;
  for (GoldenLog& log : testing::LoadGoldenLogs()) {
    if (!log.is_delta || log.facts.collection_id == 470629250807647320) continue;
    if (smallest.bytes.empty() || log.bytes.size() < smallest.bytes.size()) smallest = log;
  }
  ASSERT_FALSE(smallest.bytes.empty());
  smallest.facts.fields = &number_key;
  const std::string sound = smallest.bytes;
  const std::string rows = DecodeRows(smallest);
  for (size_t bit = 0; bit < sound.size() * 8; ++bit) {
    smallest.bytes = sound;
    smallest.bytes[bit / 8] =
        static_cast<char>(static_cast<unsigned>(smallest.bytes[bit / 8]) ^ 1U << bit % 8);
    if (!HasErrors(smallest)) {
      ASSERT_EQ(DecodeRows(smallest), rows) << "bit " << bit;
    }
  }
}

// Nothing protects the bytes of these files, so damage may go unseen; it must do no harm.
TEST(HostileLogTest, DamagedPackedFilesDoNoHarm) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::vector<FieldFacts> no_fields;
  for (const char* name : {"packed.parquet", "wide.parquet"}) {
    const std::string sound = testing::ReadFile(testing::TestDataDir() + "/binlog/" + name);
    const size_t footer = sound.size() - 4000;
    for (int i = 0; i < 300; ++i) {
      GoldenLog log = {.path = name, .bytes = sound, .facts = {.fields = &no_fields}};
      // Half of them where structure is.
      const size_t from = i % 2 == 0 ? 0 : footer;
      const size_t at = std::uniform_int_distribution<size_t>(from, sound.size() - 1)(random);
      log.bytes[at] = static_cast<char>(random());
      HasErrors(log);
      DecodeRows(log);
    }
    for (int i = 0; i < 200; ++i) {
      const size_t size = std::uniform_int_distribution<size_t>(0, sound.size() - 1)(random);
      const GoldenLog log = {
          .path = name, .bytes = sound.substr(0, size), .facts = {.fields = &no_fields}};
      EXPECT_TRUE(HasErrors(log)) << name << " cut to " << size;
    }
  }
}

TEST(HostileLogTest, ClaimsWithoutBytesAllocateNothing) {
  // A footer that promises 2^60 rows and lists of 2^60 elements.
  const std::string huge = testing::MakeParquet({{.rows = int64_t{1} << 60, .pages = {}}});
  MemorySource source(AsBytes(huge));
  const Result<InsertLog> log = OpenInsertLog(source, {});
  ASSERT_OK(log);
  ColumnReader reader(source, *log, 0, {});
  Batch batch;
  EXPECT_THAT(reader.Next(batch), testing::IsError(Code::kDataLoss, "values early"));
  const std::string footer = "\x29\xfc\xff\xff\xff\xff\xff\xff\xff\xff\x0f";
  const std::string list =
      "PAR1" + footer + testing::Le(static_cast<uint32_t>(footer.size())) + "PAR1";
  MemorySource list_source(AsBytes(list));
  EXPECT_THAT(OpenInsertLog(list_source, {}),
              testing::IsError(Code::kDataLoss, "footer is damaged"));
}

TEST(HostileLogTest, NestingInAFooterIsBounded) {
  const std::string footer(1'000'000, '\x1c');  // a struct in a struct in a struct …
  const std::string bytes =
      "PAR1" + footer + testing::Le(static_cast<uint32_t>(footer.size())) + "PAR1";
  MemorySource source(AsBytes(bytes));
  EXPECT_THAT(OpenInsertLog(source, {}), testing::IsError(Code::kDataLoss, "footer is damaged"));
}

TEST(HostileLogTest, FootersOfTooManyColumnsOrChunksAreRefused) {
  const std::vector<testing::ColumnSpec> columns(
      4, {.rows = 1, .pages = {{.values = 1, .content = testing::Le(int64_t{5})}}});
  const std::string file = testing::MakeParquet(columns);
  MemorySource source(AsBytes(file));
  // With the root.
  EXPECT_OK(OpenParquet(source, 0, file.size(), {.max_schema_elements = 5, .max_chunks = 4}));
  EXPECT_THAT(OpenParquet(source, 0, file.size(), {.max_schema_elements = 4}),
              testing::IsError(Code::kUnimplemented, "more than 4 columns"));
  EXPECT_THAT(OpenParquet(source, 0, file.size(), {.max_chunks = 3}),
              testing::IsError(Code::kUnimplemented, "more than 3 column chunks"));
}

}  // namespace
}  // namespace milvus_backup::binlog
