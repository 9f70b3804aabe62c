#include "migration/row_key.h"

#include "migration/milvus2x_record.h"
#include "migration/row_columns.h"
#include "support/status_matchers.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::IsError;
using ::testing::ElementsAre;
using ::testing::Pair;

RowKey Number(int64_t number) { return {.number = number}; }
RowKey Text(const std::string& text) { return {.text = text}; }
KeyRange Range(std::optional<int64_t> after, int64_t upto) {
  KeyRange range{.upto = Number(upto)};
  if (after) range.after = Number(*after);
  return range;
}

TEST(KeyFieldTest, NumbersAreWrittenSoThatMilvusParsesThem) {
  const KeyField key("id", false);
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  EXPECT_EQ(key.After(std::nullopt), "");
  EXPECT_EQ(key.After(Number(-5)), "id > -5");
  EXPECT_EQ(key.After(Number(kLeast)), "id >= -9223372036854775807");
  EXPECT_EQ(key.In({.after = Number(-5), .upto = Number(7)}), "id > -5 && id <= 7");
  EXPECT_EQ(key.In({.upto = Number(7)}), "id <= 7");
  EXPECT_EQ(key.In({.upto = Number(kLeast)}), "id < -9223372036854775807");
  EXPECT_EQ(key.AmongThese({Number(1), Number(kLeast), Number(2)}), "id in [1,2]");
}

TEST(KeyFieldTest, TextsAreQuotedAsInGo) {
  const KeyField key("pk", true);
  EXPECT_EQ(key.After(Text("a\"b\\c")), R"(pk > "a\"b\\c")");
  EXPECT_EQ(key.After(Text("é\n\t\x7f")), R"(pk > "é\x0a\x09\x7f")");
  EXPECT_EQ(key.After(Text("it's")), R"(pk > "it's")");
  EXPECT_EQ(key.In({.after = Text(""), .upto = Text("b")}), R"(pk > "" && pk <= "b")");
}

TEST(RowKeyTest, TextsAreOrderedByBytes) {
  EXPECT_LT(Text("Z"), Text("a"));
  EXPECT_LT(Text("z"), Text("é"));
  EXPECT_LT(Text(""), Text("a"));
  EXPECT_LT(Number(-1), Number(0));
}

TEST(RangeSetTest, JoinsWhatTouches) {
  RangeSet set;
  EXPECT_EQ(set.contiguous_end(), std::nullopt);
  set.Add(Range(10, 20));
  EXPECT_EQ(set.contiguous_end(), std::nullopt);
  set.Add(Range(30, 40));
  set.Add(Range({}, 5));
  EXPECT_EQ(set.contiguous_end(), Number(5));
  EXPECT_EQ(set.ranges().size(), 3U);
  set.Add(Range(5, 10));
  EXPECT_EQ(set.contiguous_end(), Number(20));
  EXPECT_TRUE(set.Contains(Number(-100)));
  EXPECT_TRUE(set.Contains(Number(20)));
  EXPECT_FALSE(set.Contains(Number(21)));
  EXPECT_FALSE(set.Contains(Number(30)));
  EXPECT_TRUE(set.Contains(Number(31)));
  set.Add(Range(15, 35));
  EXPECT_THAT(set.ranges(), ElementsAre(Range({}, 40)));
}

TEST(CollectionRecordTest, ComesBackAsItWasWritten) {
  CollectionRecord record{.source = "a:1/default/c",
                          .target = "b:1/default/d",
                          .source_id = 470000000000000001,
                          .target_id = 470000000000000002,
                          .state = CollectionState::kFilling,
                          .created = true,
                          .keeps_keys = false,
                          .rows_before = 3,
                          .repeated = 4};
  PartitionRecord& partition = record.partitions["p"];
  partition.frontier = Text("\xff not UTF-8 \"");
  partition.confirmed.Add({.upto = Text("a")});
  partition.confirmed.Add({.after = Text("b"), .upto = Text("c")});
  partition.rows = 9;
  partition.created_id = 470000000000000003;
  record.partitions["done"].done = true;
  const std::string text = EncodeCollectionRecord(record);
  ASSERT_OK_AND_ASSIGN(const CollectionRecord back, DecodeCollectionRecord(text, "x.json"));
  EXPECT_EQ(EncodeCollectionRecord(back), text);
  EXPECT_EQ(back.partitions.at("p").frontier, partition.frontier);
  EXPECT_EQ(back.partitions.at("p").confirmed.ranges(), partition.confirmed.ranges());
  EXPECT_EQ(back.partitions.at("p").created_id, partition.created_id);
  EXPECT_TRUE(back.partitions.at("p").has_unconfirmed());
  EXPECT_FALSE(back.partitions.at("done").has_unconfirmed());
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_THAT(DecodeCollectionRecord(text.substr(0, size), "x.json"),
                IsError(Code::kDataLoss, "x.json"));
  }
}

TEST(RowColumnsTest, RowsAreJoined) {
  const auto column = [](const std::string& fixed, std::vector<uint8_t> nulls) {
    return milvus::Column{.field_name = "n",
                          .data_type = milvus::data_type::kInt8Vector,
                          .rows = fixed.size(),
                          .width = 1,
                          .fixed = fixed,
                          .nulls = std::move(nulls)};
  };
  const auto texts = [](std::vector<std::string> values) {
    return milvus::Column{.field_name = "t", .rows = values.size(), .texts = std::move(values)};
  };
  const std::vector<milvus::Column> joined =
      Joined({column("ab", {}), texts({"x", "y"})}, {column("c", {1}), texts({"z"})});
  EXPECT_EQ(joined[0].rows, 3U);
  EXPECT_EQ(joined[0].fixed, "abc");
  EXPECT_THAT(joined[0].nulls, ElementsAre(0, 0, 1));
  EXPECT_THAT(joined[1].texts, ElementsAre("x", "y", "z"));
  EXPECT_EQ(Joined({}, joined).size(), 2U);
  EXPECT_EQ(Joined(joined, {column("", {}), texts({})}).front().fixed, "abc");
}

TEST(RowColumnsTest, RowsAreCutByBytes) {
  const milvus::Column numbers{.field_name = "n",
                               .data_type = milvus::data_type::kInt64,
                               .rows = 4,
                               .width = 8,
                               .fixed = std::string(32, 'x')};
  const milvus::Column texts{.field_name = "t",
                             .data_type = milvus::data_type::kVarChar,
                             .rows = 4,
                             .texts = {"", std::string(100, 'a'), "b", "cc"}};
  const std::vector<milvus::Column> columns = {numbers, texts};
  EXPECT_EQ(BytesOf(columns), 32U + 103U);
  EXPECT_THAT(CutByBytes(columns, 1000), ElementsAre(Pair(0, 4)));
  EXPECT_THAT(CutByBytes(columns, 20), ElementsAre(Pair(0, 1), Pair(1, 2), Pair(2, 4)));
  EXPECT_THAT(CutByBytes({}, 20), ElementsAre());
  const std::vector<milvus::Column> rows = RowsOf(columns, 1, 3);
  EXPECT_EQ(rows[0].rows, 2U);
  EXPECT_EQ(rows[0].fixed.size(), 16U);
  EXPECT_THAT(rows[1].texts, ElementsAre(std::string(100, 'a'), "b"));
  EXPECT_TRUE(SameValue(columns[1], 2, rows[1], 1));
  EXPECT_FALSE(SameValue(columns[1], 2, rows[1], 0));
}

}  // namespace
}  // namespace milvus_backup::migration
