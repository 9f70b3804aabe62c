#include "migration/segment_files.h"

#include "migration/segment_rows.h"
#include "segment_builder.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"

#include "milvus_backup/storage/local_backend.h"
#include "milvus_backup/storage/memory_backend.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::IsError;
using milvus_backup::testing::TempDir;
using testing::BytesOf;
using testing::Framed;
using testing::SegmentText;
using testing::WriteSegment;

class OldSegmentTest : public ::testing::Test {
 protected:
  /// Six rows of two floats.
  static SegmentText Plain() {
    return {.vectors = Framed(BytesOf<float>({0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5})),
            .ids = Framed(BytesOf<int64_t>({10, 11, 12, 13, 14, 15})),
            .deleted_docs = Framed("")};
  }

  /// From now on the segment lies on a disk.
  void UseDisk() {
    auto disk = storage::CreateLocalBackend({.root = directory_.path(), .fsync = false});
    ASSERT_OK(disk);
    backend_ = *std::move(disk);
    tables_ = {.backend = backend_.get(), .prefix = "db/tables/", .local_root = directory_.path()};
  }

  Result<SegmentFiles> Open(const SegmentText& text) {
    if (tables_.local_root.empty()) {
      backend_ = storage::MakeMemoryBackend();
      tables_ = {.backend = backend_.get(), .prefix = "db/tables/"};
    }
    MB_RETURN_IF_ERROR(WriteSegment(*backend_, tables_.prefix, text));
    return OpenSegment({}, tables_, table_, {.id = "7"});
  }

  Result<std::string> Live(const SegmentFiles& files, uint64_t block, uint64_t first,
                           uint64_t end) {
    std::string live;
    std::string room(1000, '\0');
    const RowStream stream{.row_bytes = kIdBytes,
                           .block_bytes = block,
                           .room = [&] { return std::as_writable_bytes(std::span<char>(room)); },
                           .filled =
                               [&](uint64_t count) {
                                 live += room.substr(0, count);
                                 return Status::Ok();
                               }};
    MB_RETURN_IF_ERROR(StreamRows({}, tables_, files.ids, files.deleted, first, end, stream));
    return live;
  }

  Table table_{.id = "t", .metric = Metric::kL2, .dim = 2};
  TempDir directory_;
  std::unique_ptr<storage::Backend> backend_;
  Store tables_;
};

TEST_F(OldSegmentTest, RowsAreDescribedAlsoWhereNoneIsAlive) {
  SegmentText text = Plain();
  text.deleted_docs = Framed(BytesOf<int32_t>({0, 1, 4, 5}));
  ASSERT_OK(Open(text));
  ASSERT_OK_AND_ASSIGN(const auto some, OpenSegmentRows({}, tables_, table_, {.id = "7"}));
  EXPECT_EQ(some->Describe(1), "row 3 of db/tables/t/7/7.rv");
  EXPECT_EQ(some->Describe(2), "db/tables/t/7/7.rv");
  text.deleted_docs = Framed(BytesOf<int32_t>({0, 1, 2, 3, 4, 5}));
  ASSERT_OK(Open(text));
  ASSERT_OK_AND_ASSIGN(const auto none, OpenSegmentRows({}, tables_, table_, {.id = "7"}));
  EXPECT_EQ(none->rows(), 0U);
  EXPECT_EQ(none->Describe(0), "db/tables/t/7/7.rv");
}

TEST_F(OldSegmentTest, DeletedOffsetsAreASet) {
  SegmentText text = Plain();
  text.deleted_docs = Framed(BytesOf<int32_t>({4, 0, 4, 5, 0}));
  ASSERT_OK_AND_ASSIGN(const SegmentFiles files, Open(text));
  EXPECT_EQ(files.rows(), 6U);
  EXPECT_EQ(files.live_rows(), 3U);
  for (const uint64_t block : {1U, 3U, 8U, 9U, 1000U}) {
    ASSERT_OK_AND_ASSIGN(const std::string live, Live(files, block, 0, 6));
    EXPECT_EQ(live, BytesOf<int64_t>({11, 12, 13})) << block;
    ASSERT_OK_AND_ASSIGN(const std::string part, Live(files, block, 2, 5));
    EXPECT_EQ(part, BytesOf<int64_t>({12, 13})) << block;
  }
}

TEST_F(OldSegmentTest, RowsOfADiskAreTheSameAsThoseOfAStorage) {
  UseDisk();
  SegmentText text = Plain();
  for (const auto& deleted : std::vector<std::vector<int32_t>>{
           {}, {0}, {5}, {4, 0, 4, 5, 0}, {1, 3}, {0, 1, 2, 3, 4, 5}}) {
    text.deleted_docs = Framed(BytesOf(deleted));
    ASSERT_OK_AND_ASSIGN(const SegmentFiles files, Open(text));
    std::vector<int64_t> alive;
    for (int32_t row = 0; row < 6; ++row) {
      if (std::ranges::find(deleted, row) == deleted.end()) alive.push_back(10 + row);
    }
    for (const uint64_t block : {1U, 3U, 8U, 9U, 20U, 1000U}) {
      ASSERT_OK_AND_ASSIGN(const std::string live, Live(files, block, 0, 6));
      EXPECT_EQ(live, BytesOf(alive)) << block;
    }
  }
}

TEST_F(OldSegmentTest, AFileOfADiskThatChangesIsNoticed) {
  UseDisk();
  ASSERT_OK_AND_ASSIGN(const SegmentFiles files, Open(Plain()));
  SegmentText other = Plain();
  other.ids = Framed(BytesOf<int64_t>({1, 2, 3, 4, 5, 6}));
  ASSERT_OK(WriteSegment(*backend_, tables_.prefix, other));
  EXPECT_THAT(Live(files, 8, 0, 6), IsError(Code::kAborted, "7.uid has changed"));
  const std::string path = directory_.path() + "/db/tables/t/7/7.uid";
  std::filesystem::remove(path);
  EXPECT_THAT(Live(files, 8, 0, 6), IsError(Code::kAborted, "7.uid has changed"));
}

TEST_F(OldSegmentTest, DeletedRowsAreNotReadInBitesOfTheRoomThatIsLeft) {
  SegmentText text = Plain();
  text.deleted_docs = Framed(BytesOf<int32_t>({1, 2, 3, 4}));
  for (const bool is_on_disk : {false, true}) {
    if (is_on_disk) UseDisk();
    ASSERT_OK_AND_ASSIGN(const SegmentFiles files, Open(text));
    std::string live;
    size_t filled = 0;
    std::string room(9, '\0');
    size_t asked = 0;
    const RowStream stream{.row_bytes = kIdBytes,
                           .block_bytes = 1000,
                           .room =
                               [&] {
                                 ++asked;
                                 // The second id is begun with one byte left in the part.
                                 const size_t size = filled == 8 ? 1 : room.size();
                                 return std::as_writable_bytes(std::span<char>(room).first(size));
                               },
                           .filled =
                               [&](uint64_t count) {
                                 live += room.substr(0, count);
                                 filled += count;
                                 return Status::Ok();
                               }};
    ASSERT_OK(StreamRows({}, tables_, files.ids, files.deleted, 0, 6, stream)) << is_on_disk;
    EXPECT_EQ(live, BytesOf<int64_t>({10, 15})) << is_on_disk;
    // Twice for each of three blocks; 32 dead bytes would take as many blocks more.
    EXPECT_LE(asked, 6U) << is_on_disk;
  }
}

TEST_F(OldSegmentTest, NoDeletedDocsMeansNothingDeleted) {
  SegmentText text = Plain();
  text.deleted_docs.clear();
  ASSERT_OK_AND_ASSIGN(const SegmentFiles files, Open(text));
  EXPECT_EQ(files.live_rows(), 6U);
}

TEST_F(OldSegmentTest, BinaryVectorsAreCountedInBits) {
  table_ = {.id = "t", .metric = Metric::kJaccard, .dim = 16};
  const SegmentText text{.vectors = Framed(std::string(6, '\0')),
                         .ids = Framed(BytesOf<int64_t>({1, 2, 3}))};
  ASSERT_OK_AND_ASSIGN(const SegmentFiles files, Open(text));
  EXPECT_EQ(files.rows(), 3U);
}

TEST_F(OldSegmentTest, AnEmptySegmentHasNoRows) {
  ASSERT_OK_AND_ASSIGN(const SegmentFiles files, Open({.vectors = Framed(""), .ids = Framed("")}));
  EXPECT_EQ(files.rows(), 0U);
  ASSERT_OK_AND_ASSIGN(const std::string live, Live(files, 8, 0, 0));
  EXPECT_EQ(live, "");
}

TEST_F(OldSegmentTest, DamageIsNamedByFile) {
  const auto expect = [&](Code code, const std::string& part,
                          const std::function<void(SegmentText&)>& damage) {
    SegmentText text = Plain();
    damage(text);
    EXPECT_THAT(Open(text), IsError(code, part));
  };
  const std::string dir = "db/tables/t/7/";
  expect(Code::kNotFound, dir + "7.rv", [](SegmentText& text) { text.vectors.clear(); });
  expect(Code::kNotFound, dir + "7.uid", [](SegmentText& text) { text.ids.clear(); });
  expect(Code::kDataLoss, "7.rv has 5 bytes", [](SegmentText& text) { text.vectors.resize(5); });
  expect(Code::kDataLoss, "7.rv says it holds 48 bytes and holds 47: it is cut off",
         [](SegmentText& text) { text.vectors.pop_back(); });
  expect(Code::kDataLoss, "7.uid says it holds 48 bytes and holds 49: it is damaged",
         [](SegmentText& text) { text.ids += 'x'; });
  expect(Code::kDataLoss, "no number of ids",
         [](SegmentText& text) { text.ids = Framed(std::string(47, 'x')); });
  expect(Code::kDataLoss, "the dimension of the meta is wrong", [](SegmentText& text) {
    text.vectors = Framed(BytesOf<float>({1, 2, 3}));
  });
  expect(Code::kDataLoss, "no whole number of offsets",
         [](SegmentText& text) { text.deleted_docs = Framed("abc"); });
  expect(Code::kDataLoss, "deleted_docs names row 6 of a segment that has 6",
         [](SegmentText& text) {
           text.deleted_docs = Framed(BytesOf<int32_t>({1, 6}));
         });
  expect(Code::kDataLoss, "names row -1",
         [](SegmentText& text) { text.deleted_docs = Framed(BytesOf<int32_t>({-1})); });
}

TEST_F(OldSegmentTest, AFileThatChangesIsNoticed) {
  ASSERT_OK_AND_ASSIGN(const SegmentFiles files, Open(Plain()));
  SegmentText other = Plain();
  other.ids = Framed(BytesOf<int64_t>({1, 2, 3, 4, 5, 6}));
  ASSERT_OK(WriteSegment(*backend_, tables_.prefix, other));
  EXPECT_THAT(Live(files, 8, 0, 6), IsError(Code::kAborted, "7.uid"));
}

}  // namespace
}  // namespace milvus_backup::migration
