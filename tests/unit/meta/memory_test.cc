// What a backup of many logs takes of memory. A program of its own, for it counts what every
// allocation really takes.
#include "backup/expected_files.h"
#include "support/status_matchers.h"

#include "milvus_backup/binlog/byte_source.h"
#include "milvus_backup/binlog/parquet.h"
#include "milvus_backup/meta/codec.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <malloc.h>
#include <new>
#include <string>
#include <string_view>
#include <vector>

namespace {

std::atomic<size_t> live_bytes{0};
std::atomic<size_t> peak_bytes{0};

void* Counted(void* block) {
  const size_t now = live_bytes += malloc_usable_size(block) + sizeof(size_t);
  size_t peak = peak_bytes;
  while (now > peak && !peak_bytes.compare_exchange_weak(peak, now)) {
  }
  return block;
}

void Release(void* block) {
  if (block != nullptr) live_bytes -= malloc_usable_size(block) + sizeof(size_t);
  std::free(block);
}

}  // namespace

void* operator new(size_t size) {
  void* const block = std::malloc(size == 0 ? 1 : size);
  if (block == nullptr) throw std::bad_alloc();
  return Counted(block);
}
void operator delete(void* block) noexcept { Release(block); }
void operator delete(void* block, size_t) noexcept { Release(block); }

namespace milvus_backup::meta {
namespace {

constexpr int64_t kFirstId = 470629250807647320;
constexpr int64_t kSegments = 2000;
constexpr int64_t kFields = 20;
constexpr size_t kLogs = kSegments * kFields;

/// Bytes on the heap from the beginning of a piece of work, and the most there were.
class HeapUse {
 public:
  HeapUse() : before_(live_bytes) { peak_bytes = before_; }
  size_t now() const { return live_bytes - before_; }
  size_t peak() const { return peak_bytes - before_; }

 private:
  const size_t before_;
};

/// Names and ids as long as real ones.
std::string FullMetaOfManyLogs() {
  BackupInfo info;
  info.name = "many";
  CollectionBackup& collection = info.collection_backups.emplace_back();
  collection.collection_id = kFirstId;
  PartitionBackup& partition = collection.partition_backups.emplace_back();
  partition.partition_id = kFirstId + 1;
  int64_t next_id = kFirstId + 2;
  for (int64_t i = 0; i < kSegments; ++i) {
    SegmentBackup& segment = partition.segment_backups.emplace_back();
    segment.segment_id = segment.group_id = next_id++;
    segment.collection_id = collection.collection_id;
    segment.partition_id = partition.partition_id;
    segment.num_of_rows = 1000;
    segment.v_channel = "by-dev-rootcoord-dml_0_470629250807647320v0";
    const std::string head = "files/insert_log/" + std::to_string(collection.collection_id) + "/" +
                             std::to_string(partition.partition_id) + "/" +
                             std::to_string(segment.segment_id) + "/";
    std::vector<FieldBinlog> fields;
    for (int64_t field = 0; field < kFields; ++field) {
      const int64_t id = next_id++;
      const std::string path = head + std::to_string(field) + "/" + std::to_string(id);
      fields.push_back({field, {{.log_path = path, .log_size = id % 4000000, .log_id = id}}});
    }
    segment.binlogs = LogList(fields);
    segment.deltalogs = {{}};
  }
  return EncodeToString([&](const TextSink& sink) { return EncodeFullMeta(info, sink); });
}

class MemoryTest : public ::testing::Test {
 protected:
  const std::string text_ = FullMetaOfManyLogs();
};

TEST_F(MemoryTest, ALogTakesAFewBytes) {
  const HeapUse heap;
  ASSERT_OK_AND_ASSIGN(const BackupInfo info, DecodeBackup(SourceOf(text_), "full_meta.json"));
  size_t of_lists = 0;
  for (const SegmentBackup& segment :
       info.collection_backups[0].partition_backups[0].segment_backups) {
    EXPECT_EQ(segment.binlogs.log_count(), static_cast<size_t>(kFields));
    const HeapUse copying;
    const LogList copy = segment.binlogs;
    of_lists += copying.now();
  }
  // A log, and its share of the text that all paths of its segment begin with.
  EXPECT_LE(of_lists, 14 * kLogs);
  // With its share of the segment: 200 bytes of members, the channel's name.
  EXPECT_LE(heap.now(), 28 * kLogs);
}

TEST_F(MemoryTest, ReadingTakesLittleMoreThanTheResult) {
  const HeapUse heap;
  ASSERT_OK_AND_ASSIGN(const BackupInfo info, DecodeBackup(SourceOf(text_), "full_meta.json"));
  // A list of segments that grows is twice in memory for a moment.
  EXPECT_LE(heap.peak(), heap.now() + 1000000);
}

TEST_F(MemoryTest, SkippedSegmentsTakeNothing) {
  const HeapUse heap;
  ASSERT_OK_AND_ASSIGN(const BackupInfo info,
                       DecodeBackup(SourceOf(text_), "full_meta.json", Depth::kCollections));
  EXPECT_EQ(info.collection_backups[0].partition_backups[0].partition_id, kFirstId + 1);
  EXPECT_LE(heap.peak(), 10000U);
}

TEST_F(MemoryTest, SegmentsOfAStreamAreHeldOneAtATime) {
  ASSERT_OK_AND_ASSIGN(const BackupInfo info, DecodeBackup(SourceOf(text_), "full_meta.json"));
  const std::string text =
      EncodeToString([&](const TextSink& sink) { return EncodeSegmentMeta(info, sink); });
  const HeapUse heap;
  size_t logs = 0;
  ASSERT_OK(DecodeSegments(SourceOf(text), "segment_meta.json", [&](const SegmentBackup& segment) {
    logs += segment.binlogs.log_count();
  }));
  EXPECT_EQ(logs, kLogs);
  EXPECT_LE(heap.peak(), 50000U);
}

TEST_F(MemoryTest, ExpectedFilesAreMadeOneSegmentAtATime) {
  ASSERT_OK_AND_ASSIGN(const BackupInfo info, DecodeBackup(SourceOf(text_), "full_meta.json"));
  const HeapUse heap;
  const backup::ExpectedFiles files(info.collection_backups[0]);
  size_t count = 0;
  for (const backup::ExpectedFile& file : files) count += file.size < 4000000 ? 1 : 0;
  EXPECT_EQ(count, kLogs);
  EXPECT_LE(heap.peak(), 20 * kSegments + 20000U);
}

TEST_F(MemoryTest, WritingHoldsAPieceAtATime) {
  ASSERT_OK_AND_ASSIGN(const BackupInfo info, DecodeBackup(SourceOf(text_), "full_meta.json"));
  const HeapUse heap;
  size_t bytes = 0;
  ASSERT_OK(EncodeFullMeta(info, [&](std::string_view text) {
    bytes += text.size();
    return Status::Ok();
  }));
  EXPECT_EQ(bytes, text_.size());
  EXPECT_LE(heap.peak(), 300000U);
}

// A byte or two make an element of a list in a footer, and many times that here.
TEST(FooterMemoryTest, HostileFootersAreLeftAtTheFirstElementThatIsNotSound) {
  constexpr size_t kElements = 2'000'000;
  const auto footer_of = [](uint8_t list, const std::string& element) {
    // A list of structs with the field's number from the high half of `list`.
    std::string footer = {static_cast<char>(list), '\xfc'};
    for (size_t rest = kElements; rest > 0; rest >>= 7U) {
      footer += static_cast<char>((rest & 0x7FU) | (rest >= 0x80 ? 0x80U : 0U));
    }
    for (size_t i = 0; i < kElements; ++i) footer += element;
    std::string file = "PAR1" + footer + '\0';
    const auto size = static_cast<uint32_t>(footer.size() + 1);
    file.append(reinterpret_cast<const char*>(&size), sizeof(size));
    return file + "PAR1";
  };
  const std::string empty(1, '\0');
  const std::string name_only = {'\x48', '\0', '\0'};
  for (const std::string& file :
       {footer_of(0x29, empty), footer_of(0x29, name_only), footer_of(0x49, empty)}) {
    binlog::MemorySource source(AsBytes(file));
    const HeapUse heap;
    const auto read = binlog::OpenParquet(source, 0, file.size(), {});
    EXPECT_FALSE(read.ok());
    EXPECT_LE(heap.peak(), 2'000'000U);
  }
}

}  // namespace
}  // namespace milvus_backup::meta
