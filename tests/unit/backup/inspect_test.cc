#include "milvus_backup/backup/inspect.h"

#include "backup/storage_source.h"
#include "support/status_matchers.h"
#include "support/test_paths.h"

#include "milvus_backup/backup/verify_deep.h"
#include "milvus_backup/base/checksum.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/writer.h"
#include "milvus_backup/storage/memory_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

namespace fs = std::filesystem;

constexpr char kDir[] = "backup/golden/";

/// golden_0516 in a memory backend.
class GoldenBackupTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const fs::path root = testing::TestDataDir() + "/backups/golden_0516";
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(file), {}};
      const std::string path = entry.path().lexically_relative(root).string();
      Store(path, bytes);
      if (path.starts_with("binlogs/")) logs_[path] = bytes;
    }
  }

  void Store(const std::string& path, const std::string& bytes) {
    ASSERT_OK(backend_->Put({}, kDir + path, AsBytes(bytes), {}));
  }

  meta::BackupInfo Info() {
    Result<meta::BackupInfo> info = meta::ReadBackup({}, *backend_, kDir);
    EXPECT_OK(info);
    return *std::move(info);
  }

  BackupLocation Location() { return {.backend = backend_.get(), .dir = kDir}; }

  struct Verified {
    VerifyDeepReport report;
    std::map<std::string, ObjectDigest> objects;
    std::vector<VerifyFinding> findings;
  };

  Verified Verify(const meta::BackupInfo& info, const VerifyDeepOptions& options = {}) {
    Verified verified;
    Result<VerifyDeepReport> report =
        VerifyDeep({}, Location(), info, options,
                   {.on_object =
                        [&](const ObjectDigest& digest) {
                          EXPECT_TRUE(verified.objects.emplace(digest.path, digest).second);
                          return Status::Ok();
                        },
                    .on_finding =
                        [&](const VerifyFinding& finding) {
                          verified.findings.push_back(finding);
                          return Status::Ok();
                        }});
    EXPECT_OK(report);
    if (report.ok()) verified.report = *report;
    return verified;
  }

  std::unique_ptr<storage::Backend> backend_ = storage::MakeMemoryBackend();
  std::map<std::string, std::string> logs_;
};

TEST_F(GoldenBackupTest, LiveRowsAreExact) {
  const std::map<std::string, uint64_t> expected = {{"golden_types", 298},
                                                    {"golden_multi", 895},
                                                    {"golden_pkey", 400},
                                                    {"golden_empty", 0},
                                                    {"books", 150}};
  const meta::BackupInfo info = Info();
  ASSERT_EQ(info.collection_backups.size(), expected.size());
  for (const meta::CollectionBackup& collection : info.collection_backups) {
    ASSERT_OK_AND_ASSIGN(const uint64_t rows, CountLiveRows({}, Location(), collection));
    EXPECT_EQ(rows, expected.at(collection.collection_name)) << collection.collection_name;
  }
}

// Deletes of an L0 segment reach every segment below it, if they are later than the rows.
TEST_F(GoldenBackupTest, DeletesOfL0SegmentsCountForTheirPartitions) {
  meta::BackupInfo info = Info();
  meta::CollectionBackup* collection = nullptr;
  const meta::SegmentBackup* source = nullptr;
  for (meta::CollectionBackup& each : info.collection_backups) {
    if (each.collection_name == "golden_multi") collection = &each;
  }
  ASSERT_NE(collection, nullptr);
  for (meta::PartitionBackup& partition : collection->partition_backups) {
    for (meta::SegmentBackup& segment : partition.segment_backups) {
      if (segment.deltalogs.log_count() > 0 && source == nullptr) source = &segment;
    }
  }
  ASSERT_NE(source, nullptr);
  // The same log as an L0 segment of the whole collection, and no longer as the segment's own.
  meta::SegmentBackup l0 = {.segment_id = 77,
                            .collection_id = collection->collection_id,
                            .partition_id = meta::kAllPartitions,
                            .deltalogs = source->deltalogs,
                            .is_l0 = true};
  const int64_t log_id = source->deltalogs.Entries().front().log_id;
  const std::string from = meta::DeltaLogKey("", *source, log_id);
  Store(meta::DeltaLogKey("", l0, log_id), logs_.at(from));
  const_cast<meta::SegmentBackup*>(source)->deltalogs = {};
  ASSERT_OK_AND_ASSIGN(const uint64_t without, CountLiveRows({}, Location(), *collection));
  EXPECT_GT(without, 895U);
  collection->l0_segments.push_back(l0);
  ASSERT_OK_AND_ASSIGN(const uint64_t with, CountLiveRows({}, Location(), *collection));
  EXPECT_EQ(with, 895U);
}

TEST_F(GoldenBackupTest, SoundBackupsHaveNoFindings) {
  for (const size_t window : {size_t{300}, 4 * kMiB}) {
    const Verified verified = Verify(
        Info(), {.needs_md5 = [](const std::string&) { return true; }, .window_bytes = window});
    for (const VerifyFinding& finding : verified.findings) {
      ADD_FAILURE() << finding.path << ": " << finding.what << ": expected " << finding.expected
                    << ", found " << finding.found;
    }
    ASSERT_EQ(verified.objects.size(), logs_.size());
    for (const auto& [path, digest] : verified.objects) {
      EXPECT_EQ(digest.size, logs_.at(path).size()) << path;
      EXPECT_EQ(digest.crc32c, Crc32c(AsBytes(logs_.at(path)))) << path;
      EXPECT_EQ(digest.md5, Md5(AsBytes(logs_.at(path)))) << path;
    }
    EXPECT_EQ(verified.report.objects, logs_.size());
    EXPECT_EQ(verified.report.errors, 0U);
  }
}

TEST_F(GoldenBackupTest, DamageNamesTheObject) {
  const meta::BackupInfo info = Info();
  const auto expect_finding = [&](const std::string& path, const char* what) {
    const Verified verified = Verify(info);
    EXPECT_GT(verified.report.errors, 0U);
    bool is_named = false;
    for (const VerifyFinding& finding : verified.findings) {
      EXPECT_TRUE(finding.path == path || path.starts_with(finding.path)) << finding.path;
      is_named |= finding.path == path && finding.what == what && !finding.advice.empty();
    }
    EXPECT_TRUE(is_named) << path << ": " << what;
  };
  for (const char* prefix : {"binlogs/insert_log/", "binlogs/delta_log/"}) {
    const auto& [path, bytes] = *logs_.lower_bound(prefix);
    Store(path, bytes.substr(0, bytes.size() - 1));
    expect_finding(path, "size");
    // Inside a page, which Zstandard's checksum protects.
    const size_t frame = bytes.find("\x28\xb5\x2f\xfd");
    ASSERT_NE(frame, std::string::npos);
    std::string flipped = bytes;
    flipped[frame + 12] = static_cast<char>(flipped[frame + 12] ^ 0x10);
    Store(path, flipped);
    expect_finding(path, "content");
    ASSERT_OK(backend_->Delete({}, kDir + path));
    expect_finding(path, "object");
    Store(path, bytes);
  }
}

TEST_F(GoldenBackupTest, ExchangedSegmentsAreFound) {
  const auto& [first, first_bytes] = *logs_.lower_bound("binlogs/insert_log/");
  const auto& [last, last_bytes] = *logs_.rbegin();
  Store(first, last_bytes);
  const Verified verified = Verify(Info());
  bool is_found = false;
  for (const VerifyFinding& finding : verified.findings) {
    is_found |= finding.path == first && finding.what == "segment id";
  }
  EXPECT_TRUE(is_found);
}

// As two segments of one partition whose delta logs have the same size.
TEST_F(GoldenBackupTest, DeltaLogOfAnotherSegmentIsFound) {
  meta::BackupInfo info = Info();
  for (meta::CollectionBackup& collection : info.collection_backups) {
    for (meta::PartitionBackup& partition : collection.partition_backups) {
      auto& segments = partition.segment_backups;
      const auto with = std::ranges::find_if(segments, [](const meta::SegmentBackup& segment) {
        return segment.deltalogs.log_count() > 0;
      });
      const auto without = std::ranges::find_if(segments, [](const meta::SegmentBackup& segment) {
        return segment.deltalogs.log_count() == 0;
      });
      if (with == segments.end() || without == segments.end()) continue;
      const int64_t log_id = with->deltalogs.Entries().front().log_id;
      const std::string moved = meta::DeltaLogKey("", *without, log_id);
      Store(moved, logs_.at(meta::DeltaLogKey("", *with, log_id)));
      std::swap(with->deltalogs, without->deltalogs);
      const Verified verified = Verify(info);
      ASSERT_EQ(verified.findings.size(), 1U);
      EXPECT_EQ(verified.findings[0].path, moved);
      EXPECT_EQ(verified.findings[0].what, "segment id");
      EXPECT_TRUE(verified.findings[0].is_error);
      return;
    }
  }
  FAIL() << "no partition with a segment that has deletes and one that has none";
}

TEST_F(GoldenBackupTest, RowsThatTheMetaCountsOtherwiseAreFound) {
  meta::BackupInfo info = Info();
  for (meta::CollectionBackup& collection : info.collection_backups) {
    if (collection.collection_name != "books") continue;
    ++collection.partition_backups.front().segment_backups.front().num_of_rows;
  }
  const Verified verified = Verify(info);
  ASSERT_FALSE(verified.findings.empty());
  EXPECT_EQ(verified.findings.front().what, "rows of field 0");
  EXPECT_EQ(verified.findings.front().expected, "151");
  EXPECT_EQ(verified.findings.front().found, "150");
}

// A field that was added later: its one log belongs to the last rows, and a segment from before has
// none.
TEST_F(GoldenBackupTest, RowsOlderThanAFieldHaveItsDefaultValue) {
  const std::map<std::string, std::pair<std::string, std::string>> defaults = {
      {"b", {"CAE=", "true"}},        {"i8", {"EP///////////wE=", "-1"}},
      {"i16", {"EAc=", "7"}},         {"i32", {"EAk=", "9"}},
      {"i64", {"GAU=", "5"}},         {"f", {"JQAAwD8=", "1.5"}},
      {"d", {"KQAAAAAAAPg/", "1.5"}}, {"s", {"MgNhYmM=", "\"abc\""}},
      {"j", {"OgJ7fQ==", "{}"}},      {"arr", {"", "null"}}};
  for (const bool has_log : {true, false}) {
    meta::BackupInfo info = Info();
    const auto types = std::ranges::find(info.collection_backups, "golden_types",
                                         &meta::CollectionBackup::collection_name);
    ASSERT_NE(types, info.collection_backups.end());
    meta::SegmentBackup& segment = types->partition_backups.at(0).segment_backups.at(0);
    std::vector<meta::FieldBinlog> logs;
    for (meta::FieldBinlog& log : segment.binlogs.Unpack()) {
      const auto field =
          std::ranges::find(types->schema.fields, log.field_id, &meta::FieldSchema::field_id);
      if (field != types->schema.fields.end() && defaults.contains(field->name)) {
        field->default_value_base64 = defaults.at(field->name).first;
        if (has_log) logs.push_back(log);
        continue;
      }
      // The others have twice the rows.
      const int64_t id = log.binlogs.at(0).log_id;
      const int64_t copy = id - 1000000;
      Store(meta::InsertLogKey("", segment, log.field_id, copy),
            logs_.at(meta::InsertLogKey("", segment, log.field_id, id)));
      if (has_log) log.binlogs.insert(log.binlogs.begin(), {.log_size = 1, .log_id = copy});
      logs.push_back(log);
    }
    segment.binlogs = meta::LogList(logs);
    if (has_log) segment.num_of_rows *= 2;
    segment.size = types->partition_backups[0].size = types->size = info.size = 0;
    ASSERT_OK(meta::WriteBackup({}, *backend_, kDir, info));
    std::string text;
    ASSERT_OK(InspectRows({}, Location(), {.db = "default", .collection = "golden_types"}, 1,
                          RowFormat::kJson, [&](std::string_view piece) {
                            text += piece;
                            return Status::Ok();
                          }));
    for (const auto& [name, value] : defaults) {
      EXPECT_THAT(text, ::testing::HasSubstr("\"" + name + "\":" + value.second + ","));
    }
    // What is no value of the type is not made one.
    for (meta::FieldSchema& field : types->schema.fields) {
      if (field.name == "i8") field.default_value_base64 = "MgNhYmM=";
    }
    ASSERT_OK(meta::WriteBackup({}, *backend_, kDir, info));
    EXPECT_THAT(InspectRows({}, Location(), {.db = "default", .collection = "golden_types"}, 1,
                            RowFormat::kJson, [](std::string_view) { return Status::Ok(); })
                    .status(),
                testing::IsError(Code::kDataLoss, "default value of field i8 is no Int8"));
    SetUp();
  }
}

TEST_F(GoldenBackupTest, ASampleIsAllThatIsRead) {
  const Verified verified =
      Verify(Info(), {.wanted = [](const std::string& path) { return path.ends_with("1"); }});
  EXPECT_FALSE(verified.objects.empty());
  EXPECT_LT(verified.objects.size(), logs_.size());
  for (const auto& [path, digest] : verified.objects) EXPECT_TRUE(path.ends_with("1")) << path;
  EXPECT_TRUE(verified.findings.empty());
}

TEST(StorageSourceTest, ReadsOnceFromFrontToBackWhateverIsAskedFor) {
  std::string bytes;
  for (int i = 0; i < 300'000; ++i) bytes += static_cast<char>(i * 7 + i / 256);
  const auto backend = storage::MakeMemoryBackend();
  ASSERT_OK(backend->Put({}, "x", AsBytes(bytes), {}));
  std::string seen;
  ASSERT_OK_AND_ASSIGN(
      const auto source,
      StorageSource::Open({}, *backend, "x", {.window_bytes = 1000, .on_bytes = [&](ByteView part) {
                                                seen += AsText(part);
                                              }}));
  ASSERT_EQ(source->size(), bytes.size());
  const auto expect = [&](uint64_t offset, size_t length) {
    ASSERT_OK_AND_ASSIGN(const ByteView view, source->View(offset, length));
    EXPECT_EQ(AsText(view), bytes.substr(offset, length)) << offset;
  };
  expect(0, 10);
  expect(bytes.size() - 8, 8);
  expect(bytes.size() - 60'000, 59'000);
  expect(10, 990);
  expect(999, 1500);
  expect(2000, 1);
  expect(5000, 100'000);
  expect(100, 50);
  expect(200'000, 10);
  expect(bytes.size(), 0);
  ASSERT_OK(source->ReadRest());
  EXPECT_EQ(seen, bytes);
  ASSERT_OK(backend->Put({}, "x", AsBytes("other"), {}));
  EXPECT_THAT(source->View(50'000, 10), testing::IsError(Code::kAborted, ""));
}

TEST(StorageSourceTest, EmptyObjects) {
  const auto backend = storage::MakeMemoryBackend();
  ASSERT_OK(backend->Put({}, "x", {}, {}));
  ASSERT_OK_AND_ASSIGN(const auto source, StorageSource::Open({}, *backend, "x", {}));
  EXPECT_EQ(source->size(), 0U);
  EXPECT_OK(source->ReadRest());
  EXPECT_THAT(StorageSource::Open({}, *backend, "y", {}), testing::IsError(Code::kNotFound, ""));
}

}  // namespace
}  // namespace milvus_backup::backup
