#include "golden_logs.h"
#include "log_builder.h"
#include "support/status_matchers.h"

#include "milvus_backup/binlog/check.h"
#include "milvus_backup/binlog/column.h"
#include "milvus_backup/binlog/insert_log.h"
#include "milvus_backup/binlog/values.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace milvus_backup::binlog {
namespace {

constexpr size_t kRows = 2500;

bool IsNull(size_t row) { return row % 7 == 3; }

/// A file of tests/data/binlog, written by pyarrow (make_packed.py says what).
class PackedTest : public ::testing::Test {
 protected:
  void Open(const std::string& name) {
    bytes_ = testing::ReadFile(testing::TestDataDir() + "/binlog/" + name);
    source_ = std::make_unique<MemorySource>(AsBytes(bytes_));
    ASSERT_OK_AND_ASSIGN(log_, OpenInsertLog(*source_, {}));
    ASSERT_EQ(log_.row_count, kRows);
  }

  /// Call `check` for every row of a field.
  void ForEachRow(int64_t field_id,
                  const std::function<void(const Batch&, size_t, size_t)>& check) {
    const auto column = log_.FindColumn(field_id);
    ASSERT_TRUE(column.has_value());
    ColumnReader reader(*source_, log_, *column, {});
    Batch batch;
    size_t row = 0;
    for (;;) {
      ASSERT_OK_AND_ASSIGN(const bool has_rows, reader.Next(batch));
      if (!has_rows) break;
      for (size_t i = 0; i < batch.rows; ++i) check(batch, i, row++);
    }
    EXPECT_EQ(row, kRows);
  }

  std::string bytes_;
  std::unique_ptr<MemorySource> source_;
  InsertLog log_;
};

TEST_F(PackedTest, ReadsEveryScalarType) {
  Open("packed.parquet");
  EXPECT_FALSE(log_.descriptor.has_value());
  ForEachRow(0, [](const Batch& b, size_t i, size_t row) {
    EXPECT_EQ(b.As<int64_t>()[i], static_cast<int64_t>(row));
  });
  ForEachRow(100, [](const Batch& b, size_t i, size_t row) {
    const std::string digits = std::to_string(row);
    EXPECT_EQ(b.texts[i], "key " + std::string(5 - digits.size(), '0') + digits);
  });
  ForEachRow(101, [](const Batch& b, size_t i, size_t row) {
    ASSERT_EQ(b.IsNull(i), IsNull(row));
    if (!IsNull(row)) {
      EXPECT_EQ(b.As<uint8_t>()[i], row % 3 == 0 ? 1 : 0);
    }
  });
  ForEachRow(102, [](const Batch& b, size_t i, size_t row) {
    ASSERT_EQ(b.IsNull(i), IsNull(row));
    if (!IsNull(row)) {
      EXPECT_EQ(b.As<int32_t>()[i], static_cast<int>(row % 256) - 128);
    }
  });
  ForEachRow(103, [](const Batch& b, size_t i, size_t row) {
    EXPECT_EQ(b.As<int32_t>()[i], static_cast<int>(row * 13 % 65536) - 32768);
  });
  ForEachRow(104, [](const Batch& b, size_t i, size_t row) {
    if (!IsNull(row)) {
      EXPECT_EQ(b.As<int32_t>()[i], static_cast<int>(row) * -1000);
    }
  });
  ForEachRow(105, [](const Batch& b, size_t i, size_t row) {
    EXPECT_EQ(b.As<float>()[i], static_cast<float>(row) / 4);
  });
  ForEachRow(106, [](const Batch& b, size_t i, size_t row) {
    ASSERT_EQ(b.IsNull(i), IsNull(row));
    if (!IsNull(row)) {
      EXPECT_EQ(b.As<double>()[i], static_cast<double>(row) / 3);
    }
  });
  ForEachRow(107, [](const Batch& b, size_t i, size_t row) {
    ASSERT_EQ(b.IsNull(i), IsNull(row));
    if (!IsNull(row)) {
      EXPECT_EQ(b.texts[i].size(), row % 3 * 2);
    }
  });
  ForEachRow(108, [](const Batch& b, size_t i, size_t row) {
    EXPECT_EQ(b.texts[i], "{\"i\":" + std::to_string(row) + "}");
  });
  ForEachRow(109, [](const Batch& b, size_t i, size_t) { EXPECT_EQ(b.As<int64_t>()[i], 42); });
}

TEST_F(PackedTest, ReadsEveryKindOfVector) {
  Open("wide.parquet");
  ForEachRow(110, [](const Batch& b, size_t i, size_t row) {
    const auto x = static_cast<float>(row);
    const std::span<const float> v = b.As<float>().subspan(i * 4, 4);
    EXPECT_EQ((std::vector<float>(v.begin(), v.end())), (std::vector<float>{x, x + 0.25F, -x, 1}));
  });
  ForEachRow(111, [](const Batch& b, size_t i, size_t row) {
    EXPECT_EQ(FromFloat16(b.As<uint16_t>()[i * 2]), static_cast<float>(row % 100));
    EXPECT_EQ(FromFloat16(b.As<uint16_t>()[i * 2 + 1]), -0.5F);
  });
  ForEachRow(112, [](const Batch& b, size_t i, size_t row) {
    EXPECT_NEAR(FromBFloat16(b.As<uint16_t>()[i * 2]), static_cast<float>(row), 16);
    EXPECT_EQ(FromBFloat16(b.As<uint16_t>()[i * 2 + 1]), -0.5F);
  });
  ForEachRow(113, [](const Batch& b, size_t i, size_t row) {
    EXPECT_EQ(b.As<int8_t>()[i * 3], static_cast<int8_t>(row % 128));
    EXPECT_EQ(b.As<int8_t>()[i * 3 + 1], -1);
  });
  ForEachRow(114, [](const Batch& b, size_t i, size_t row) {
    ASSERT_OK_AND_ASSIGN(const auto entries, DecodeSparse(b.texts[i]));
    ASSERT_EQ(entries.size(), row % 4);
    for (size_t j = 0; j < entries.size(); ++j) {
      EXPECT_EQ(entries[j].index, j * 3 + row % 5);
      EXPECT_EQ(entries[j].value, static_cast<float>(j) + 0.5F);
    }
  });
  ForEachRow(115, [](const Batch& b, size_t i, size_t row) {
    ASSERT_EQ(b.IsNull(i), IsNull(row));
    EXPECT_EQ(b.texts[i].size(), IsNull(row) ? 0U : 8U);
  });
}

TEST_F(PackedTest, HealthyFilesHaveNoFindings) {
  const std::vector<FieldFacts> fields = {
      {.field_id = 100, .name = "pk", .type = DataType::kVarChar, .is_primary_key = true},
      {.field_id = 101, .name = "flag", .type = DataType::kBool},
      {.field_id = 102, .name = "tiny", .type = DataType::kInt8},
      {.field_id = 103, .name = "short", .type = DataType::kInt16},
      {.field_id = 104, .name = "number", .type = DataType::kInt32},
      {.field_id = 105, .name = "real", .type = DataType::kFloat},
      {.field_id = 106, .name = "precise", .type = DataType::kDouble},
      {.field_id = 107, .name = "text", .type = DataType::kVarChar},
      {.field_id = 108, .name = "json", .type = DataType::kJson},
      {.field_id = 109, .name = "constant", .type = DataType::kInt64},
      {.field_id = 110, .name = "fv", .type = DataType::kFloatVector, .dim = 4},
      {.field_id = 111, .name = "f16", .type = DataType::kFloat16Vector, .dim = 2},
      {.field_id = 112, .name = "bf16", .type = DataType::kBFloat16Vector, .dim = 2},
      {.field_id = 113, .name = "i8", .type = DataType::kInt8Vector, .dim = 3},
      {.field_id = 114, .name = "sparse", .type = DataType::kSparseFloatVector},
      {.field_id = 115, .name = "maybe", .type = DataType::kFloatVector, .dim = 2}};
  const LogFacts facts = {.fields = &fields};
  for (const char* name : {"packed.parquet", "wide.parquet"}) {
    Open(name);
    ASSERT_OK_AND_ASSIGN(const InsertLogReport report,
                         CheckInsertLog(*source_, facts, {}, [&](const Finding& finding) {
                           ADD_FAILURE() << name << ": " << finding.what << ": expected "
                                         << finding.expected << ", found " << finding.found;
                         }));
    EXPECT_EQ(report.columns.size(), log_.column_count());
    for (const ColumnFacts& column : report.columns) EXPECT_EQ(column.rows, kRows);
  }
}

TEST_F(PackedTest, WrongTypesAndSizesAreFound) {
  const std::vector<FieldFacts> fields = {
      {.field_id = 100, .name = "pk", .type = DataType::kInt64, .is_primary_key = true},
      {.field_id = 103, .name = "short", .type = DataType::kInt8},
      {.field_id = 107, .name = "text", .type = DataType::kJson},
      {.field_id = 110, .name = "fv", .type = DataType::kFloatVector, .dim = 8},
      {.field_id = 115, .name = "maybe", .type = DataType::kFloatVector, .dim = 3}};
  const LogFacts facts = {.fields = &fields};
  std::string found;
  for (const char* name : {"packed.parquet", "wide.parquet"}) {
    Open(name);
    ASSERT_OK(CheckInsertLog(*source_, facts, {}, [&](const Finding& finding) {
      EXPECT_EQ(finding.severity, Severity::kError);
      found += finding.what + ": " + finding.expected + " / " + finding.found + "\n";
    }));
  }
  EXPECT_THAT(found, ::testing::HasSubstr("type of field 100 (pk): INT64 / BYTE_ARRAY"));
  EXPECT_THAT(found, ::testing::HasSubstr("row 0: -32768 does not fit Int8"));
  EXPECT_THAT(found, ::testing::HasSubstr("row 1: not JSON"));
  EXPECT_THAT(found,
              ::testing::HasSubstr("length of vectors of field 110 (fv): 32 bytes / 16 bytes"));
  EXPECT_THAT(found, ::testing::HasSubstr("row 0: a vector of 8 bytes instead of 12"));
}

}  // namespace
}  // namespace milvus_backup::binlog
