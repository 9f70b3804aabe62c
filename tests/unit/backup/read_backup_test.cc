#include "backup/read_backup.h"

#include "support/status_matchers.h"

#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/writer.h"
#include "milvus_backup/storage/memory_backend.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::IsError;
using ::testing::ElementsAre;

meta::LogList OneLog() { return {{0, {{.log_size = 3, .log_id = 1}}}}; }

/// In this order: deletes alone, deletes of rows that are lost, deletes with rows, nothing.
std::vector<meta::SegmentBackup> Segments() {
  return {{.segment_id = 1, .deltalogs = OneLog()},
          {.segment_id = 2, .num_of_rows = 5, .deltalogs = OneLog()},
          {.segment_id = 3, .num_of_rows = 5, .binlogs = OneLog(), .deltalogs = OneLog()},
          {.segment_id = 4}};
}

std::vector<int64_t> MarkedOf(const std::vector<meta::SegmentBackup>& segments) {
  std::vector<int64_t> marked;
  for (const meta::SegmentBackup& segment : segments) {
    if (segment.is_l0) marked.push_back(segment.segment_id);
  }
  return marked;
}

TEST(ReadBackupTest, OnlyVersionsThatDoNotTellAreGuessed) {
  for (const char* version : {"v2.4.0", "2.4.6", "", "master"}) {
    std::vector<meta::SegmentBackup> segments = Segments();
    MarkDeletesAlone(version, segments);
    EXPECT_THAT(MarkedOf(segments), ElementsAre(1)) << version;
  }
  for (const char* version : {"v2.2.16", "v2.3.22", "v2.4.7", "v2.6.1"}) {
    std::vector<meta::SegmentBackup> segments = Segments();
    MarkDeletesAlone(version, segments);
    EXPECT_THAT(MarkedOf(segments), ElementsAre()) << version;
    // Rows belong to a partition.
    for (meta::SegmentBackup& segment : segments) segment.partition_id = meta::kAllPartitions;
    MarkDeletesAlone(version, segments);
    EXPECT_THAT(MarkedOf(segments), ElementsAre(1)) << version;
  }
}

TEST(ReadBackupTest, OtherFormatsAreRefused) {
  const auto storage = storage::MakeMemoryBackend();
  meta::BackupInfo info{.id = "task", .name = "b", .milvus_version = "v2.4.1"};
  info.collection_backups = {{.collection_id = 7, .collection_name = "coll"}};
  info.collection_backups[0].partition_backups = {
      {.partition_id = 8, .partition_name = "_default", .collection_id = 7}};
  info.collection_backups[0].partition_backups[0].segment_backups = {
      {.segment_id = 1, .collection_id = 7, .partition_id = 8, .deltalogs = OneLog()}};
  ASSERT_OK(meta::WriteBackup({}, *storage, "b/", info));
  ASSERT_OK_AND_ASSIGN(const meta::BackupInfo read, ReadRestorable({}, *storage, "b/"));
  EXPECT_THAT(MarkedOf(read.collection_backups[0].partition_backups[0].segment_backups),
              ElementsAre(1));
  info.format = "snapshot";
  ASSERT_OK(meta::WriteBackup({}, *storage, "b/", info));
  EXPECT_THAT(ReadRestorable({}, *storage, "b/"),
              IsError(Code::kUnimplemented, "has the format 'snapshot'"));
}

}  // namespace
}  // namespace milvus_backup::backup
