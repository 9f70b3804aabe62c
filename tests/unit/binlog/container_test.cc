#include "log_builder.h"
#include "support/status_matchers.h"

#include "milvus_backup/binlog/column.h"
#include "milvus_backup/binlog/insert_log.h"

#include <gtest/gtest.h>

#include <string>

namespace milvus_backup::binlog {
namespace {

using testing::Le;
using testing::MakeContainer;
using testing::MakeParquet;

std::string OneNumber(int64_t value) {
  return MakeParquet({{.rows = 1, .pages = {{.values = 1, .content = Le(value)}}}});
}

// Byte for byte from the worked example of the format's description.
TEST(ContainerTest, ReadsTheDescriptorOfTheWorkedExample) {
  const std::string bytes =
      std::string("\xbc\xfa\xff\x00", 4) + std::string("\x00\x00\x88\xfb\x16\x03\x88\x06", 8) +
      std::string("\x00\x69\x00\x00\x00\x6d\x00\x00\x00", 9) +
      std::string("\x58\x4c\x4c\x63\xcf\x02\x88\x06", 8) + Le(int64_t{2}) + Le(int64_t{3}) +
      std::string("\x64\x00\x00\x00\x00\x00\x00\x00", 8) + Le(uint64_t{7}) + Le(uint64_t{9}) +
      std::string("\x15\x00\x00\x00\x34\x10\x10\x10\x10\x10\x10\x10\x18\x00\x00\x00", 16) +
      R"({"original_size":"6300"})";
  MemorySource source(AsBytes(bytes));
  ASSERT_OK_AND_ASSIGN(const Descriptor descriptor, ReadDescriptor(source));
  EXPECT_EQ(descriptor.collection_id, 0x068802cf634c4c58);
  EXPECT_EQ(descriptor.partition_id, 2);
  EXPECT_EQ(descriptor.segment_id, 3);
  EXPECT_EQ(descriptor.field_id, 100);
  EXPECT_EQ(descriptor.start_timestamp, 7U);
  EXPECT_EQ(descriptor.end_timestamp, 9U);
  EXPECT_EQ(descriptor.payload_type, 21);
  EXPECT_FALSE(descriptor.nullable);
  EXPECT_EQ(descriptor.size, 0x6dU);
  // The only cut that leaves something whole.
  EXPECT_THAT(ReadEvents(source, descriptor, EventType::kInsert, {}),
              testing::IsError(Code::kDataLoss, "ends after its descriptor"));
}

TEST(ContainerTest, ReadsExtrasInAnyOrderAndIgnoresOthers) {
  const std::string bytes = MakeContainer(
      {.extras =
           R"({"x":{"y":[1,2]},"nullable":true,"original_size":"8","version":"MULTI\u005fFIELD"})",
       .payloads = {OneNumber(1)}});
  MemorySource source(AsBytes(bytes));
  ASSERT_OK_AND_ASSIGN(const Descriptor descriptor, ReadDescriptor(source));
  EXPECT_TRUE(descriptor.nullable);
  EXPECT_EQ(descriptor.version, "MULTI_FIELD");
}

TEST(ContainerTest, RowsOfSeveralEventsFollowEachOther) {
  const std::string bytes = MakeContainer({.payloads = {OneNumber(-5), OneNumber(6)}});
  MemorySource source(AsBytes(bytes));
  ASSERT_OK_AND_ASSIGN(const InsertLog log, OpenInsertLog(source, {}));
  EXPECT_EQ(log.events.size(), 2U);
  EXPECT_EQ(log.row_count, 2U);
  ColumnReader rows(source, log, 0, {});
  Batch batch;
  ASSERT_OK_AND_ASSIGN(bool has_rows, rows.Next(batch));
  ASSERT_TRUE(has_rows);
  EXPECT_EQ(batch.As<int64_t>()[0], -5);
  ASSERT_OK_AND_ASSIGN(has_rows, rows.Next(batch));
  ASSERT_TRUE(has_rows);
  EXPECT_EQ(batch.As<int64_t>()[0], 6);
  ASSERT_OK_AND_ASSIGN(has_rows, rows.Next(batch));
  EXPECT_FALSE(has_rows);
}

TEST(ContainerTest, RefusesWhatIsNoInsertLog) {
  const auto open = [](const std::string& bytes) {
    MemorySource source(AsBytes(bytes));
    return OpenInsertLog(source, {});
  };
  const std::string sound = MakeContainer({.payloads = {OneNumber(1)}});
  EXPECT_THAT(open(""), testing::IsError(Code::kDataLoss, "0 bytes"));
  EXPECT_THAT(open("hello, this is no log"), testing::IsError(Code::kDataLoss, "no Parquet file"));
  EXPECT_THAT(open(sound + "x"), testing::IsError(Code::kDataLoss, "too few for an event"));
  EXPECT_THAT(open(MakeContainer({.event_type = 2, .payloads = {OneNumber(1)}})),
              testing::IsError(Code::kDataLoss, "type 2 instead of 1"));
  EXPECT_THAT(open(MakeContainer({.payloads = {""}})),
              testing::IsError(Code::kDataLoss, "too few for a Parquet file"));
  EXPECT_THAT(open(MakeContainer({.extras = R"({"edek":"x","encryption_zone":1})"}) + "cipher"),
              testing::IsError(Code::kUnimplemented, "encrypted"));
  std::string post_header = sound;
  post_header[75] = 11;
  EXPECT_THAT(open(post_header), testing::IsError(Code::kDataLoss, "event type 2 is 11"));
}

TEST(ContainerTest, EventsAreCounted) {
  const std::string bytes = MakeContainer({.payloads = {OneNumber(1), OneNumber(2), OneNumber(3)}});
  MemorySource source(AsBytes(bytes));
  EXPECT_THAT(OpenInsertLog(source, {.max_events = 2}),
              testing::IsError(Code::kUnimplemented, "more than 2 events"));
}

}  // namespace
}  // namespace milvus_backup::binlog
