#include "backup/segment_files.h"

#include "support/status_matchers.h"

#include "milvus_backup/meta/layout.h"
#include "milvus_backup/storage/intercepting_backend.h"
#include "milvus_backup/storage/memory_backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace milvus_backup::backup {
namespace {

using ::milvus_backup::testing::IsError;

/// Counts listing requests.
class CountingBackend final : public storage::InterceptingBackend {
 public:
  CountingBackend() : InterceptingBackend(storage::MakeMemoryBackend()) {}
  std::atomic<int> lists{0};
  /// Makes requests meet each other.
  std::chrono::milliseconds delay{0};

  /// The most requests there were at once.
  int most_at_once() const {
    const std::scoped_lock lock(mutex_);
    return most_at_once_;
  }

 protected:
  Status Around(const CallContext&, const storage::CallInfo& info, storage::CallRef call) override {
    if (info.method != storage::Method::kList) return call();
    ++lists;
    {
      const std::scoped_lock lock(mutex_);
      most_at_once_ = std::max(most_at_once_, ++at_once_);
    }
    if (delay.count() > 0) std::this_thread::sleep_for(delay);
    Status status = call();
    const std::scoped_lock lock(mutex_);
    --at_once_;
    return status;
  }

 private:
  mutable std::mutex mutex_;
  int at_once_ = 0;
  int most_at_once_ = 0;
};

class SegmentFilesTest : public ::testing::Test {
 protected:
  /// Ids of different lengths, so that their order as text is another than as numbers.
  void AddSegments(int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const int64_t id = i * 7 + 5;
      const int64_t partition = i % 3 + 9;
      segments_.push_back({.id = id, .collection_id = 4, .partition_id = partition, .num_rows = 1});
      const std::string ids = "/4/" + std::to_string(partition) + "/" + std::to_string(id) + "/";
      Put("files/insert_log" + ids + "100/" + std::to_string(id * 10), i % 50);
      Put("files/insert_log" + ids + "20/" + std::to_string(id * 10 + 1), i % 30);
      if (i % 5 == 0) Put("files/delta_log" + ids + "77", 3);
    }
  }
  void Put(const std::string& key, int64_t size) {
    ASSERT_OK(backend_.Put({}, key, AsBytes(std::string(static_cast<size_t>(size), 'x')), {}));
    sizes_[key] = static_cast<uint64_t>(size);
  }
  Result<SegmentFiles> List() { return ListSegmentFiles({}, place_, 4, segments_, seats_); }

  CountingBackend backend_;
  const Place place_ = {.backend = &backend_, .root = "files", .milvus_prefix = "/data/"};
  std::vector<milvus::Segment> segments_;
  std::map<std::string, uint64_t> sizes_;
  Seats seats_{8};
};

TEST_F(SegmentFilesTest, FindsEveryFileOnceHoweverTheListingIsCut) {
  for (const int64_t count : {1, 99, 250, 2500}) {
    SCOPED_TRACE(count);
    segments_.clear();
    for (const auto& [key, size] : sizes_) ASSERT_OK(backend_.Delete({}, key));
    sizes_.clear();
    AddSegments(count);
    ASSERT_OK_AND_ASSIGN(const SegmentFiles found, List());
    ASSERT_EQ(found.segments.size(), static_cast<size_t>(count));
    std::map<std::string, uint64_t> listed;
    uint64_t bytes = 0;
    for (const meta::SegmentBackup& segment : found.segments) {
      EXPECT_FALSE(segment.deltalogs.empty());
      for (const SegmentFile& file : FilesOf(place_, segment)) {
        EXPECT_TRUE(listed.emplace(file.source_key, file.size).second) << file.source_key;
        EXPECT_TRUE(file.backup_path.starts_with("binlogs/")) << file.backup_path;
        bytes += file.size;
      }
      for (const meta::FieldBinlog& field : segment.binlogs.Unpack()) {
        for (const meta::Binlog& log : field.binlogs) {
          EXPECT_TRUE(sizes_.contains(log.log_path.substr(6))) << log.log_path;
        }
      }
    }
    EXPECT_TRUE(listed == sizes_);
    EXPECT_EQ(found.files, sizes_.size());
    EXPECT_EQ(found.bytes, bytes);
  }
}

TEST_F(SegmentFilesTest, PathsInTheBackupAreThoseOfTheLayout) {
  AddSegments(1);
  ASSERT_OK_AND_ASSIGN(const SegmentFiles found, List());
  const std::vector<SegmentFile> files = FilesOf(place_, found.segments[0]);
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(files[0].source_key, "files/insert_log/4/9/5/100/50");
  EXPECT_EQ(files[0].backup_path, "binlogs/insert_log/4/9/5/5/100/50");
  EXPECT_EQ(files[2].source_key, "files/delta_log/4/9/5/77");
  EXPECT_EQ(files[2].backup_path, "binlogs/delta_log/4/9/5/5/77");
}

TEST_F(SegmentFilesTest, ManySegmentsCostFewRequests) {
  AddSegments(2000);  // 4,400 objects
  const int before = backend_.lists;
  ASSERT_OK(List());
  // A range ends inside a page, and asks for the next one while it looks at it.
  EXPECT_LE(backend_.lists - before, 2 * 16 * 2);
}

// Of several collections, too: the pages of all of them are in memory together.
TEST_F(SegmentFilesTest, OneSeatIsOnePageAndTheNext) {
  AddSegments(2000);
  backend_.delay = std::chrono::milliseconds(1);
  Seats one(1);
  std::vector<std::jthread> collections;
  for (int i = 0; i < 3; ++i) {
    collections.emplace_back([&] { EXPECT_OK(ListSegmentFiles({}, place_, 4, segments_, one)); });
  }
  collections.clear();
  EXPECT_LE(backend_.most_at_once(), 2);
  ASSERT_OK(List());
  EXPECT_GT(backend_.most_at_once(), 2) << "otherwise the test shows nothing";
}

TEST_F(SegmentFilesTest, StrangersAnywhereAreRefused) {
  AddSegments(300);
  for (const char* key : {"files/insert_log/4/1", "files/insert_log/4/10/x", "files/delta_log/4/~",
                          "files/insert_log/4/9/5/100/50.tmp"}) {
    Put(key, 1);
    EXPECT_THAT(List(), IsError(Code::kInvalidArgument, "unexpected object among the binlogs"));
    ASSERT_OK(backend_.Delete({}, key));
  }
  EXPECT_OK(List());
}

}  // namespace
}  // namespace milvus_backup::backup
