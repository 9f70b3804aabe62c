#include "milvus_backup/binlog/delta_writer.h"

#include "support/status_matchers.h"

#include "milvus_backup/binlog/check.h"
#include "milvus_backup/binlog/container.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::binlog {
namespace {

using Deletes = std::vector<std::pair<std::string, uint64_t>>;

Result<Deletes> ReadDeletes(const std::string& bytes) {
  MemorySource source(AsBytes(bytes));
  Deletes deletes;
  MB_RETURN_IF_ERROR(ReadDeltaLog(source, {}, [&](const Delete& record) {
                       deletes.emplace_back(record.key.is_text ? std::string(record.key.text)
                                                               : std::to_string(record.key.number),
                                            record.timestamp);
                       return Status::Ok();
                     }).status());
  return deletes;
}

TEST(DeltaLogWriterTest, WritesWhatTheReaderReads) {
  DeltaLogWriter writer(11, 12, 13);
  writer.Add({.key = {.number = -9223372036854775807}, .timestamp = 470629563956461569});
  writer.Add({.key = {.number = 7}, .timestamp = 470629563956461500});
  ASSERT_OK_AND_ASSIGN(const std::string bytes, writer.Finish());
  ASSERT_OK_AND_ASSIGN(const Deletes deletes, ReadDeletes(bytes));
  EXPECT_EQ(deletes,
            (Deletes{{"-9223372036854775807", 470629563956461569}, {"7", 470629563956461500}}));
}

// Ids, types and the range of timestamps, which decides whether the log is read at all.
TEST(DeltaLogWriterTest, DescribesItself) {
  DeltaLogWriter writer(11, 12, 13);
  writer.Add({.key = {.number = 1}, .timestamp = 470629563956461569});
  writer.Add({.key = {.number = 2}, .timestamp = 470629563956461500});
  ASSERT_OK_AND_ASSIGN(const std::string bytes, writer.Finish());
  MemorySource source(AsBytes(bytes));
  ASSERT_OK_AND_ASSIGN(const Descriptor descriptor, ReadDescriptor(source));
  EXPECT_EQ(descriptor.collection_id, 11);
  EXPECT_EQ(descriptor.partition_id, 12);
  EXPECT_EQ(descriptor.segment_id, 13);
  EXPECT_EQ(descriptor.field_id, -1);
  EXPECT_EQ(descriptor.payload_type, 20);
  EXPECT_EQ(descriptor.start_timestamp, 470629563956461500U);
  EXPECT_EQ(descriptor.end_timestamp, 470629563956461569U);
  ASSERT_OK_AND_ASSIGN(const std::vector<Event> events,
                       ReadEvents(source, descriptor, EventType::kDelete, {}));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].start_timestamp, 470629563956461500U);
  EXPECT_EQ(events[0].end_timestamp, 470629563956461569U);
  const std::vector<FieldFacts> fields = {{.field_id = 100, .is_primary_key = true}};
  std::vector<std::string> findings;
  ASSERT_OK(CheckDeltaLog(source,
                          {.collection_id = 11,
                           .partition_id = 12,
                           .segment_id = 13,
                           .field_id = -1,
                           .fields = &fields},
                          {}, [&](const Finding& finding) { findings.push_back(finding.what); }));
  EXPECT_TRUE(findings.empty()) << findings.front();
}

TEST(DeltaLogWriterTest, KeepsEveryByteOfTextKeys) {
  const std::vector<std::string> keys = {"", "a\"b\\c", std::string("\0\x1f\n", 3), "Grüße 🦀",
                                         "</a>&"};
  DeltaLogWriter writer(1, 2, 3);
  for (const std::string& key : keys) {
    writer.Add({.key = {.is_text = true, .text = key}, .timestamp = 5});
  }
  ASSERT_OK_AND_ASSIGN(const std::string bytes, writer.Finish());
  ASSERT_OK_AND_ASSIGN(const Deletes deletes, ReadDeletes(bytes));
  ASSERT_EQ(deletes.size(), keys.size());
  for (size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(deletes[i].first, keys[i]);
}

TEST(DeltaLogWriterTest, CutsPages) {
  constexpr uint64_t kRows = 50'000;
  DeltaLogWriter writer(1, 2, 3);
  for (uint64_t row = 0; row < kRows; ++row) {
    writer.Add({.key = {.number = static_cast<int64_t>(row)}, .timestamp = 1000 + row});
  }
  EXPECT_EQ(writer.row_count(), kRows);
  ASSERT_OK_AND_ASSIGN(const std::string bytes, writer.Finish());
  ASSERT_OK_AND_ASSIGN(const Deletes deletes, ReadDeletes(bytes));
  ASSERT_EQ(deletes.size(), kRows);
  for (uint64_t row = 0; row < kRows; ++row) {
    ASSERT_EQ(deletes[row], std::pair(std::to_string(row), 1000 + row));
  }
}

}  // namespace
}  // namespace milvus_backup::binlog
