#include "log_builder.h"
#include "support/status_matchers.h"

#include "milvus_backup/binlog/column.h"
#include "milvus_backup/binlog/insert_log.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace milvus_backup::binlog {
namespace {

using testing::ColumnSpec;
using testing::Le;
using testing::PlainText;

/// Numbers of PhysicalType.
constexpr int kBoolean = 0;
constexpr int kInt64 = 2;
constexpr int kByteArray = 6;
constexpr int kFixed = 7;
/// Encoding of indices into a dictionary; the pages of dictionaries are of type 2.
constexpr int kIndices = 8;
constexpr int kDictionary = 2;

/// Everything a column holds, as text: values in decimal or as they are, `-` for nulls.
Result<std::vector<std::string>> ReadColumn(const ColumnSpec& column) {
  const std::string bytes = testing::MakeParquet({column});
  MemorySource source(AsBytes(bytes));
  MB_ASSIGN_OR_RETURN(const InsertLog log, OpenInsertLog(source, {}));
  ColumnReader reader(source, log, 0, {});
  std::vector<std::string> values;
  Batch batch;
  for (;;) {
    MB_ASSIGN_OR_RETURN(const bool has_rows, reader.Next(batch));
    if (!has_rows) return values;
    for (size_t i = 0; i < batch.rows; ++i) {
      if (batch.IsNull(i)) {
        values.emplace_back("-");
      } else if (batch.type == PhysicalType::kByteArray) {
        values.emplace_back(batch.texts[i]);
      } else if (batch.type == PhysicalType::kInt64) {
        values.push_back(std::to_string(batch.As<int64_t>()[i]));
      } else if (batch.type == PhysicalType::kBoolean) {
        values.emplace_back(batch.As<uint8_t>()[i] != 0 ? "t" : "f");
      } else {
        values.emplace_back(AsText(batch.Value(i)));
      }
    }
  }
}

using Values = std::vector<std::string>;

TEST(PageTest, PlainValuesOfEveryShape) {
  const std::string numbers = Le(int64_t{1}) + Le(int64_t{-2});
  ASSERT_OK_AND_ASSIGN(
      Values values,
      ReadColumn({.type = kInt64, .rows = 2, .pages = {{.values = 2, .content = numbers}}}));
  EXPECT_EQ(values, (Values{"1", "-2"}));
  ASSERT_OK_AND_ASSIGN(
      values, ReadColumn({.type = kBoolean,
                          .rows = 9,
                          .pages = {{.values = 9, .content = std::string("\x05\x01", 2)}}}));
  EXPECT_EQ(values, (Values{"t", "f", "t", "f", "f", "f", "f", "f", "t"}));
  ASSERT_OK_AND_ASSIGN(
      values, ReadColumn({.type = kByteArray,
                          .rows = 2,
                          .pages = {{.values = 2, .content = PlainText("ab") + PlainText("")}}}));
  EXPECT_EQ(values, (Values{"ab", ""}));
  ASSERT_OK_AND_ASSIGN(values, ReadColumn({.type = kFixed,
                                           .type_length = 3,
                                           .rows = 2,
                                           .pages = {{.values = 2, .content = "abcdef"}}}));
  EXPECT_EQ(values, (Values{"abc", "def"}));
}

// A writer gives up its dictionary when that grows too large; a reader must switch by page.
TEST(PageTest, DictionaryThenPlainPages) {
  ASSERT_OK_AND_ASSIGN(
      const Values values,
      ReadColumn(
          {.type = kByteArray,
           .rows = 5,
           .pages = {
               {.type = kDictionary, .values = 2, .content = PlainText("no") + PlainText("yes")},
               {.encoding = kIndices, .values = 3, .content = std::string("\x01\x03\x05", 3)},
               {.values = 2, .content = PlainText("x") + PlainText("y")}}}));
  EXPECT_EQ(values, (Values{"yes", "no", "yes", "x", "y"}));
}

TEST(PageTest, OneValueNeedsNoBitsForItsIndex) {
  ASSERT_OK_AND_ASSIGN(
      const Values values,
      ReadColumn(
          {.type = kInt64,
           .rows = 2,
           .pages = {{.type = kDictionary, .values = 1, .content = Le(int64_t{7})},
                     {.encoding = kIndices, .values = 2, .content = std::string("\x00\x04", 2)}}}));
  EXPECT_EQ(values, (Values{"7", "7"}));
}

TEST(PageTest, NullsTakeNoRoomInAPage) {
  // Levels 1 0 1: a packed run of one byte.
  const std::string levels = Le(uint32_t{2}) + std::string("\x03\x05", 2);
  ASSERT_OK_AND_ASSIGN(
      Values values,
      ReadColumn({.type = kInt64,
                  .optional = true,
                  .rows = 3,
                  .pages = {{.values = 3, .content = levels + Le(int64_t{4}) + Le(int64_t{5})}}}));
  EXPECT_EQ(values, (Values{"4", "-", "5"}));
  ASSERT_OK_AND_ASSIGN(
      values,
      ReadColumn({.type = kByteArray,
                  .optional = true,
                  .rows = 3,
                  .pages = {{.values = 3, .content = levels + PlainText("a") + PlainText("b")}}}));
  EXPECT_EQ(values, (Values{"a", "-", "b"}));
  const std::string all_null = Le(uint32_t{2}) + std::string("\x06\x00", 2);
  ASSERT_OK_AND_ASSIGN(values, ReadColumn({.type = kInt64,
                                           .optional = true,
                                           .rows = 3,
                                           .pages = {{.values = 3, .content = all_null}}}));
  EXPECT_EQ(values, (Values{"-", "-", "-"}));
}

TEST(PageTest, RefusesDamage) {
  const auto expect = [](const ColumnSpec& column, const char* text) {
    EXPECT_THAT(ReadColumn(column), testing::IsError(Code::kDataLoss, text));
  };
  expect({.type = kInt64, .rows = 2, .pages = {{.values = 2, .content = Le(int64_t{1})}}},
         "cut off");
  expect({.type = kInt64, .rows = 2, .pages = {{.values = 1, .content = Le(int64_t{1})}}},
         "1 values early");
  expect({.type = kInt64, .rows = 1, .pages = {{.values = 2, .content = Le(int64_t{1})}}},
         "2 values where 1 are left");
  expect({.type = kInt64, .rows = 1, .pages = {{.values = 1, .content = Le(int64_t{1}) + "x"}}},
         "1 bytes behind");
  expect(
      {.type = kByteArray, .rows = 1, .pages = {{.values = 1, .content = Le(uint32_t{9}) + "abc"}}},
      "9 bytes where 3");
  expect({.type = kInt64,
          .rows = 1,
          .pages = {{.encoding = kIndices, .values = 1, .content = std::string(1, '\0')}}},
         "without a dictionary");
  expect(
      {.type = kInt64,
       .rows = 1,
       .pages = {{.type = kDictionary, .values = 1, .content = Le(int64_t{7})},
                 {.encoding = kIndices, .values = 1, .content = std::string("\x01\x02\x01", 3)}}},
      "index 1 into a dictionary of 1");
  expect({.type = kInt64,
          .rows = 1,
          .pages = {{.type = kDictionary, .values = 1000000, .content = "x"}}},
         "1000000 values");
  expect({.type = kInt64,
          .optional = true,
          .rows = 1,
          .pages = {{.values = 1, .content = Le(uint32_t{99})}}},
         "levels are cut off");
}

TEST(PageTest, SaysWhatIsNotSupported) {
  EXPECT_THAT(ReadColumn({.type = kInt64, .rows = 1, .pages = {{.encoding = 5, .values = 1}}}),
              testing::IsError(Code::kUnimplemented, "encoding 5"));
  EXPECT_THAT(ReadColumn({.type = kInt64, .rows = 1, .pages = {{.type = 3, .values = 1}}}),
              testing::IsError(Code::kUnimplemented, "type 3"));
}

// A million equal values take a dozen bytes; they come in batches all the same.
TEST(PageTest, ManyRowsInFewBytesAreReadInBatches) {
  constexpr int64_t kRows = 3'000'000;
  const std::string bytes = testing::MakeParquet(
      {{.type = kInt64,
        .rows = kRows,
        .pages = {{.type = kDictionary, .values = 1, .content = Le(int64_t{7})},
                  {.encoding = kIndices,
                   .values = kRows,
                   .content = std::string("\x01\x80\x9b\xee\x02\x00", 6)}}}});
  MemorySource source(AsBytes(bytes));
  ASSERT_OK_AND_ASSIGN(const InsertLog log, OpenInsertLog(source, {}));
  ColumnReader reader(source, log, 0, {});
  int64_t rows = 0;
  Batch batch;
  for (;;) {
    ASSERT_OK_AND_ASSIGN(const bool has_rows, reader.Next(batch));
    if (!has_rows) break;
    EXPECT_LE(batch.rows, ChunkReader::kBatchRows);
    rows += static_cast<int64_t>(batch.rows);
  }
  EXPECT_EQ(rows, kRows);
}

TEST(PageTest, LargePagesAreRefusedBeforeTheyAreHeld) {
  const std::string content(2000, 'x');
  const std::string bytes = testing::MakeParquet({{.type = kFixed,
                                                   .type_length = 1000,
                                                   .rows = 2,
                                                   .pages = {{.values = 2, .content = content}}}});
  MemorySource source(AsBytes(bytes));
  const Limits limits = {.max_page_bytes = 1999};
  ASSERT_OK_AND_ASSIGN(const InsertLog log, OpenInsertLog(source, limits));
  ColumnReader reader(source, log, 0, limits);
  Batch batch;
  EXPECT_THAT(reader.Next(batch),
              testing::IsError(Code::kUnimplemented, "2000 bytes, more than the 1999"));
}

// What makes vectors cheap: they are used where they lie.
TEST(PageTest, AlignedValuesAreNotCopied) {
  std::string bytes = testing::MakeParquet(
      {{.type = kFixed,
        .type_length = 8,
        .rows = 2,
        .pages = {{.values = 2, .content = Le(1.5F) + Le(2.5F) + Le(3.5F) + Le(4.5F)}}}});
  const size_t at = bytes.find(Le(1.5F));
  ASSERT_NE(at, std::string::npos);
  // Shift the file so that its values are aligned.
  std::vector<float> aligned(bytes.size() / 4 + 4);
  const size_t shift = (4 - at % 4) % 4;
  std::byte* begin = reinterpret_cast<std::byte*>(aligned.data()) + shift;
  std::memcpy(begin, bytes.data(), bytes.size());
  MemorySource source(ByteView(begin, bytes.size()));
  ASSERT_OK_AND_ASSIGN(const InsertLog log, OpenInsertLog(source, {}));
  ColumnReader reader(source, log, 0, {});
  Batch batch;
  ASSERT_OK_AND_ASSIGN(const bool has_rows, reader.Next(batch));
  ASSERT_TRUE(has_rows);
  EXPECT_EQ(batch.fixed.data(), begin + at);
  EXPECT_EQ(batch.As<float>()[3], 4.5F);
}

}  // namespace
}  // namespace milvus_backup::binlog
