#include "milvus_backup/binlog/delta_log.h"

#include "log_builder.h"
#include "support/status_matchers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace milvus_backup::binlog {
namespace {

using testing::Le;
using testing::MakeDeltaLog;
using testing::PlainText;

/// `key@timestamp`, keys in quotes when they are texts.
Result<std::vector<std::string>> ReadDeletes(const std::string& bytes) {
  MemorySource source(AsBytes(bytes));
  std::vector<std::string> deletes;
  MB_RETURN_IF_ERROR(ReadDeltaLog(source, {}, [&](const Delete& record) {
                       const std::string key = record.key.is_text
                                                   ? "'" + std::string(record.key.text) + "'"
                                                   : std::to_string(record.key.number);
                       deletes.push_back(key + "@" + std::to_string(record.timestamp));
                       return Status::Ok();
                     }).status());
  return deletes;
}

using Deletes = std::vector<std::string>;

TEST(DeltaLogTest, ReadsJson) {
  ASSERT_OK_AND_ASSIGN(
      const Deletes deletes,
      ReadDeletes(MakeDeltaLog({R"({"pk":1005,"ts":470629563956461569,"pkType":5})",
                                R"({"ts":18446744073709551615,"pkType":21,"pk":"a\u003cb"})",
                                R"({"pk":-9223372036854775808,"ts":1,"pkType":5})"})));
  EXPECT_EQ(deletes, (Deletes{"1005@470629563956461569", "'a<b'@18446744073709551615",
                              "-9223372036854775808@1"}));
}

TEST(DeltaLogTest, ReadsTextsOfTheFirstVersion) {
  ASSERT_OK_AND_ASSIGN(const Deletes deletes, ReadDeletes(MakeDeltaLog({"-5,470629563956461569"})));
  EXPECT_EQ(deletes, (Deletes{"-5@470629563956461569"}));
}

testing::ColumnSpec Numbers(const std::string& name, const std::vector<int64_t>& values) {
  std::string content;
  for (const int64_t value : values) content += Le(value);
  const auto rows = static_cast<int64_t>(values.size());
  return {.name = name, .rows = rows, .pages = {{.values = rows, .content = content}}};
}

TEST(DeltaLogTest, ReadsTwoColumns) {
  const auto wrap = [](const std::string& payload) {
    return testing::MakeContainer({.field_id = -1,
                                   .extras = R"({"original_size":"8","version":"MULTI_FIELD"})",
                                   .event_type = 2,
                                   .payloads = {payload}});
  };
  const std::string numbers =
      testing::MakeParquet({Numbers("pk", {7, -8}), Numbers("ts", {100, 200})});
  ASSERT_OK_AND_ASSIGN(Deletes deletes, ReadDeletes(wrap(numbers)));
  EXPECT_EQ(deletes, (Deletes{"7@100", "-8@200"}));
  const std::string texts = testing::MakeParquet(
      {{.name = "pk", .type = 6, .rows = 1, .pages = {{.values = 1, .content = PlainText("k")}}},
       Numbers("ts", {5})});
  ASSERT_OK_AND_ASSIGN(deletes, ReadDeletes(wrap(texts)));
  EXPECT_EQ(deletes, (Deletes{"'k'@5"}));
  // Without a container around it, as storage version 3 has it.
  ASSERT_OK_AND_ASSIGN(deletes, ReadDeletes(numbers));
  EXPECT_EQ(deletes, (Deletes{"7@100", "-8@200"}));
}

TEST(DeltaLogTest, RefusesOtherRows) {
  for (const char* row :
       {"", "5", "5,", "x,5", "{}", R"({"pk":1,"ts":1})", R"({"pk":1.5,"ts":1,"pkType":5})",
        R"({"pk":"a","ts":1,"pkType":5})", R"({"pk":1,"ts":1,"pkType":21})",
        R"({"pk":1,"ts":1,"pkType":10})", R"({"pk":1,"ts":-1,"pkType":5})",
        R"({"pk":9223372036854775808,"ts":1,"pkType":5})"}) {
    EXPECT_EQ(ReadDeletes(MakeDeltaLog({row})).status().code(), Code::kDataLoss) << row;
  }
}

TEST(DeleteSetTest, OnlyLaterDeletesCount) {
  DeleteSet deletes;
  deletes.Add({.key = {.number = 5}, .timestamp = 100});
  deletes.Add({.key = {.number = 5}, .timestamp = 300});
  deletes.Add({.key = {.number = 5}, .timestamp = 200});
  EXPECT_TRUE(deletes.IsDead({.number = 5}, 299));
  // An upsert deletes and inserts at one time.
  EXPECT_FALSE(deletes.IsDead({.number = 5}, 300));
  EXPECT_FALSE(deletes.IsDead({.number = 5}, 301));
  EXPECT_FALSE(deletes.IsDead({.number = 6}, 1));
  deletes.Add({.key = {.number = 6}, .timestamp = 2});
  EXPECT_TRUE(deletes.IsDead({.number = 6}, 1));
}

TEST(DeleteSetTest, TextsAreComparedWhole) {
  DeleteSet deletes;
  for (const char* key : {"ab", "a", "", "abc"}) {
    deletes.Add({.key = {.is_text = true, .text = key}, .timestamp = 10});
  }
  deletes.Add({.key = {.is_text = true, .text = "a"}, .timestamp = 20});
  EXPECT_TRUE(deletes.IsDead({.is_text = true, .text = "a"}, 15));
  EXPECT_FALSE(deletes.IsDead({.is_text = true, .text = "ab"}, 15));
  EXPECT_TRUE(deletes.IsDead({.is_text = true, .text = ""}, 9));
  EXPECT_FALSE(deletes.IsDead({.is_text = true, .text = "b"}, 1));
}

}  // namespace
}  // namespace milvus_backup::binlog
