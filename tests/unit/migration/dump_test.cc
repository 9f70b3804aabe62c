#include "milvus_backup/migration/dump.h"

#include "migration/dump_layout.h"
#include "migration/npy.h"
#include "segment_builder.h"
#include "support/faulty_backend.h"
#include "support/status_matchers.h"
#include "support/temp_dir.h"
#include "support/test_paths.h"

#include "milvus_backup/migration/export.h"
#include "milvus_backup/storage/local_backend.h"
#include "milvus_backup/storage/memory_backend.h"

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::FaultyBackend;
using milvus_backup::testing::IsError;
using milvus_backup::testing::TempDir;
using milvus_backup::testing::TestDataDir;
using testing::BytesOf;
using ::testing::ElementsAre;
using testing::Framed;
using ::testing::HasSubstr;
using testing::SegmentText;
using testing::WriteSegment;

class DumpTest : public ::testing::Test {
 protected:
  DumpTest() { Reset(); }

  void Reset() {
    source_backend_ = storage::MakeMemoryBackend();
    target_backend_ = storage::MakeMemoryBackend();
    source_ = {.backend = source_backend_.get(), .prefix = "tables/"};
    target_ = {.backend = target_backend_.get(), .prefix = "out/migration/"};
  }

  /// A segment of `rows` rows of two floats (row, -row) with ids 100 + row.
  Segment Add(const std::string& id, int rows, const std::vector<int32_t>& deleted,
              const std::vector<int>& bad = {}) {
    std::vector<float> vectors;
    std::vector<int64_t> ids;
    for (int row = 0; row < rows; ++row) {
      vectors.push_back(static_cast<float>(row));
      vectors.push_back(static_cast<float>(-row));
      ids.push_back(100 + row);
    }
    for (size_t i = 0; i < bad.size(); ++i) {
      vectors[static_cast<size_t>(bad[i]) * 2 + i % 2] =
          i % 2 == 0 ? std::nanf("") : -std::numeric_limits<float>::infinity();
    }
    EXPECT_OK(WriteSegment(*source_backend_, source_.prefix,
                           {.table = "c",
                            .id = id,
                            .vectors = Framed(BytesOf(vectors)),
                            .ids = Framed(BytesOf(ids)),
                            .deleted_docs = Framed(BytesOf(deleted))}));
    return {.id = id};
  }

  Result<DumpReport> Run(const DumpRules& rules = {}) {
    return Dump({}, meta_, source_, target_, rules);
  }

  std::string Get(const std::string& relative) {
    auto text = storage::ReadAll({}, *target_backend_, target_.prefix + relative, kGiB);
    EXPECT_OK(text);
    return text.ok() ? *text : "";
  }
  std::vector<std::string> Keys() {
    std::vector<std::string> keys;
    EXPECT_OK(
        storage::ForEachObject({}, *target_backend_, "", [&](const storage::ObjectInfo& object) {
          keys.push_back(object.key);
          return Status::Ok();
        }));
    return keys;
  }
  /// The data of a NumPy file whose header says that it is `rows` rows.
  std::string Data(const std::string& relative, uint64_t rows) {
    const std::string text = Get(relative);
    const auto header = DecodeNpyHeader(AsBytes(text));
    EXPECT_OK(header);
    if (!header.ok()) return "";
    EXPECT_EQ(header->bytes % 64, 0U);
    EXPECT_EQ(header->shape.at(0), rows);
    return text.substr(header->bytes);
  }

  Meta meta_{.tables = {{.id = "c", .metric = Metric::kL2, .dim = 2}}};
  std::unique_ptr<storage::Backend> source_backend_;
  std::unique_ptr<storage::Backend> target_backend_;
  Store source_;
  Store target_;
};

TEST_F(DumpTest, DeletedRowsAreLeftOutWhereverTheyAre) {
  // The cases in which the Go tool revives deleted rows and loses others.
  const std::vector<std::vector<int32_t>> cases = {{},   {0, 1, 2}, {50},        {5, 7, 59, 0, 7},
                                                   {99}, {0, 99},   {63, 64, 65}};
  for (size_t i = 0; i < cases.size(); ++i) {
    meta_.tables[0].segments.push_back(Add(std::to_string(i), 100, cases[i]));
  }
  ASSERT_OK_AND_ASSIGN(const DumpReport report, Run());
  EXPECT_EQ(report.segments, cases.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    std::vector<float> vectors;
    std::vector<int64_t> ids;
    for (int row = 0; row < 100; ++row) {
      if (std::ranges::find(cases[i], row) != cases[i].end()) continue;
      vectors.push_back(static_cast<float>(row));
      vectors.push_back(static_cast<float>(-row));
      ids.push_back(100 + row);
    }
    const std::string dir = "tables/c/" + std::to_string(i) + "/";
    EXPECT_EQ(Data(dir + "data.npy", ids.size()), BytesOf(vectors)) << i;
    EXPECT_EQ(Data(dir + "id.npy", ids.size()), BytesOf(ids)) << i;
  }
}

TEST_F(DumpTest, FilesAreThoseOfNumpyByteForByte) {
  meta_.tables[0].segments = {Add("7", 2, {0})};
  ASSERT_OK(Run());
  EXPECT_EQ(Get("tables/c/7/data.npy"), EncodeNpyHeader("<f4", {1, 2}) + BytesOf<float>({1, -1}));
  EXPECT_EQ(Get("tables/c/7/id.npy"), EncodeNpyHeader("<i8", {1}) + BytesOf<int64_t>({101}));
  EXPECT_EQ(Get("meta.json"), EncodeMeta(meta_));
}

TEST_F(DumpTest, ASegmentWithoutLiveRowsHasNoFiles) {
  meta_.tables[0].segments = {Add("7", 3, {2, 1, 0, 0})};
  ASSERT_OK_AND_ASSIGN(const DumpReport report, Run());
  EXPECT_EQ(report.rows(), 0U);
  EXPECT_EQ(report.tables[0].deleted_rows, 3U);
  EXPECT_THAT(Keys(), ElementsAre("out/migration/meta.json", "out/migration/tables/c/7/dump.json"));
}

TEST_F(DumpTest, BinaryVectorsStayBytes) {
  meta_.tables = {{.id = "c", .metric = Metric::kHamming, .dim = 16, .segments = {{.id = "7"}}}};
  ASSERT_OK(WriteSegment(*source_backend_, source_.prefix,
                         {.table = "c",
                          .vectors = Framed(std::string("\x7f\x00\xff\xff\x00\x00", 6)),
                          .ids = Framed(BytesOf<int64_t>({1, 2, 3})),
                          .deleted_docs = Framed(BytesOf<int32_t>({1}))}));
  ASSERT_OK(Run());
  EXPECT_EQ(Get("tables/c/7/data.npy"),
            EncodeNpyHeader("|u1", {2, 2}) + std::string("\x7f\x00\x00\x00", 4));
}

TEST_F(DumpTest, TheSyntheticDatabaseGivesWhatIsExpected) {
  const std::string root = TestDataDir() + "/milvus1x";
  ASSERT_OK_AND_ASSIGN(const auto backend,
                       storage::CreateLocalBackend({.root = root + "/db/tables"}));
  ASSERT_OK_AND_ASSIGN(const auto expected,
                       storage::CreateLocalBackend({.root = root + "/expected"}));
  source_ = {.backend = backend.get(), .local_root = root + "/db/tables"};
  ASSERT_OK_AND_ASSIGN(ReadMeta read, ReadMetaFromSqlite({}, root + "/db/meta.sqlite"));
  meta_ = read.meta;
  ASSERT_OK_AND_ASSIGN(const DumpReport report, Run({.parallel_segments = 3, .block_bytes = 100}));
  EXPECT_EQ(report.rows(), 251U);
  EXPECT_TRUE(report.warnings.empty());
  for (const Table& table : meta_.tables) {
    std::string vectors;
    std::string ids;
    for (const Segment& segment : table.segments) {
      ASSERT_OK_AND_ASSIGN(const DumpRecord record,
                           DecodeDumpRecord(Get(RecordKey(SegmentDir(table, segment))), "record"));
      if (record.rows() == 0) continue;
      vectors += Data(SegmentDir(table, segment) + "data.npy", record.rows());
      ids += Data(SegmentDir(table, segment) + "id.npy", record.rows());
    }
    const std::string name =
        table.collection() + "." + (table.owner.empty() ? "_default" : table.partition_tag);
    const auto data_of = [&](const std::string& key) -> std::string {
      const auto text = storage::ReadAll({}, *expected, key, kGiB);
      EXPECT_OK(text);
      return text->substr(DecodeNpyHeader(AsBytes(*text))->bytes);
    };
    EXPECT_EQ(vectors, data_of(name + ".vectors.npy")) << name;
    EXPECT_EQ(ids, data_of(name + ".ids.npy")) << name;
  }
}

TEST_F(DumpTest, LargeSegmentsAreCutIntoPieces) {
  meta_.tables[0].segments = {Add("7", 100, {0, 10, 11, 98, 99})};
  // 16 bytes a row: at most 30 rows.
  ASSERT_OK(Run({.piece_bytes = 480}));
  std::string ids;
  for (const auto& [piece, rows] :
       std::vector<std::pair<int, uint64_t>>{{1, 24}, {2, 24}, {3, 24}, {4, 23}}) {
    ids += Data("tables/c/7/" + std::to_string(piece) + "/id.npy", rows);
    Data("tables/c/7/" + std::to_string(piece) + "/data.npy", rows);
  }
  std::vector<int64_t> expected;
  for (int row = 0; row < 98; ++row) {
    if (row != 0 && row != 10 && row != 11) expected.push_back(100 + row);
  }
  EXPECT_EQ(ids, BytesOf(expected));
}

TEST_F(DumpTest, LargeFilesGoInPartsOfBoundedMemory) {
  // 24 MB of vectors with parts of 8 MiB.
  constexpr int kRows = 3'000'000;
  meta_.tables[0].segments = {Add("7", kRows, {0, 1'500'000}, {})};
  ASSERT_OK(Run());
  const std::string ids = Data("tables/c/7/id.npy", kRows - 2);
  const std::string vectors = Data("tables/c/7/data.npy", kRows - 2);
  for (const int row : {0, 1'499'998, 1'499'999, kRows - 3}) {
    const int source_row = row < 1'499'999 ? row + 1 : row + 2;
    EXPECT_EQ(ids.substr(static_cast<size_t>(row) * 8, 8), BytesOf<int64_t>({100 + source_row}));
    EXPECT_EQ(vectors.substr(static_cast<size_t>(row) * 8, 8),
              BytesOf<float>({static_cast<float>(source_row), static_cast<float>(-source_row)}));
  }
}

TEST_F(DumpTest, LargeFilesOfADiskBecomeTheSame) {
  // 12 MB of vectors; blocks end within rows.
  constexpr int kRows = 1'500'000;
  std::vector<int32_t> deleted;
  for (int32_t row = 3; row < kRows; row += 7) deleted.push_back(row);
  meta_.tables[0].segments = {Add("7", kRows, deleted)};
  ASSERT_OK(Run());
  const std::string vectors = Get("tables/c/7/data.npy");
  const std::string ids = Get("tables/c/7/id.npy");
  const TempDir directory;
  auto disk = storage::CreateLocalBackend({.root = directory.path(), .fsync = false});
  ASSERT_OK(disk);
  source_backend_ = *std::move(disk);
  source_ = {.backend = source_backend_.get(), .prefix = "tables/", .local_root = directory.path()};
  target_backend_ = storage::MakeMemoryBackend();
  target_.backend = target_backend_.get();
  Add("7", kRows, deleted);
  ASSERT_OK(Run({.block_bytes = 100'004}));
  EXPECT_TRUE(Get("tables/c/7/data.npy") == vectors);
  EXPECT_TRUE(Get("tables/c/7/id.npy") == ids);
}

TEST_F(DumpTest, RowsThatMilvusRefusesAreNamed) {
  meta_.tables[0].segments = {Add("7", 1000, {3, 4}, {0, 5, 700, 999})};
  EXPECT_THAT(Run(), IsError(Code::kDataLoss,
                             "collection 'c' segment 7: 4 rows with NaN or infinity: row 0, 5, "
                             "700, 999, which Milvus 2.x refuses"));
  EXPECT_THAT(Keys(), ElementsAre("out/migration/meta.json"));
  // Deleted ones do no harm.
  Reset();
  meta_.tables[0].segments = {Add("7", 1000, {3, 4}, {3, 4})};
  ASSERT_OK_AND_ASSIGN(const DumpReport report, Run());
  EXPECT_EQ(report.rows(), 998U);
}

TEST_F(DumpTest, RowsThatMilvusRefusesCanBeLeftOut) {
  for (const uint64_t piece_bytes : {uint64_t{kGiB}, uint64_t{4800}}) {
    Reset();
    meta_.tables[0].segments = {Add("7", 1000, {3, 4}, {0, 5, 700, 999})};
    ASSERT_OK_AND_ASSIGN(const DumpReport report,
                         Run({.skip_bad_rows = true, .piece_bytes = piece_bytes}));
    EXPECT_EQ(report.rows(), 994U);
    EXPECT_EQ(report.tables[0].bad_rows, 4U);
    EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("segment 7: 4 rows")));
    ASSERT_OK_AND_ASSIGN(const DumpRecord record,
                         DecodeDumpRecord(Get("tables/c/7/dump.json"), "record"));
    std::string ids;
    for (size_t i = 0; i < record.piece_rows.size(); ++i) {
      const std::string dir = PieceDir("tables/c/7/", i, record.piece_rows.size());
      ids += Data(dir + "id.npy", record.piece_rows[i]);
    }
    std::vector<int64_t> expected;
    for (int row = 1; row < 999; ++row) {
      if (row != 3 && row != 4 && row != 5 && row != 700) expected.push_back(100 + row);
    }
    EXPECT_EQ(ids, BytesOf(expected));
  }
}

TEST_F(DumpTest, NothingIsWrittenWhenASegmentIsDamaged) {
  meta_.tables[0].segments = {Add("1", 3, {}), Add("2", 3, {3}), Add("3", 3, {-1}), {.id = "4"}};
  const auto report = Run();
  EXPECT_THAT(report.status().ToString(), HasSubstr("3 of 4 segments cannot be dumped"));
  EXPECT_TRUE(Keys().empty());
}

TEST_F(DumpTest, AFileThatCannotBeReadIsNamedAndNothingIsWritten) {
  meta_.tables[0].segments = {Add("1", 3, {})};
  auto faulty = std::make_unique<FaultyBackend>(std::move(source_backend_));
  faulty->Plan(storage::Method::kRead,
               {.error = Status(Code::kPermissionDenied, "Permission denied")});
  source_.backend = faulty.get();
  EXPECT_THAT(Run(), IsError(Code::kPermissionDenied, "reading tables/c/1/1.rv"));
  EXPECT_TRUE(Keys().empty());
  // Once it can be read, the same command does its work.
  ASSERT_OK_AND_ASSIGN(const DumpReport report, Run());
  EXPECT_EQ(report.rows(), 3U);
}

TEST_F(DumpTest, RowsThatMilvusRefusesAreFoundInEveryStretchOfALargeFile) {
  // 24 MB of vectors: looked at in stretches of 256 KiB, sent in parts of 8 MiB.
  constexpr int kRows = 3'000'000;
  const std::vector<int> bad = {0, 32'767, 32'768, 1'048'559, 1'048'560, 2'500'000, kRows - 1};
  meta_.tables[0].segments = {Add("7", kRows, {1, 2'000'000}, bad)};
  EXPECT_THAT(Run(), IsError(Code::kDataLoss,
                             "7 rows with NaN or infinity: row 0, 32767, 32768, 1048559, 1048560"));
  ASSERT_OK_AND_ASSIGN(const DumpReport report, Run({.skip_bad_rows = true}));
  EXPECT_EQ(report.rows(), static_cast<uint64_t>(kRows) - 9);
}

TEST_F(DumpTest, ADryRunCountsAndWritesNothing) {
  meta_.tables[0].segments = {Add("1", 10, {1}), Add("2", 5, {})};
  meta_.tables[0].segments[1].rows = 6;
  ASSERT_OK_AND_ASSIGN(const DumpReport report, Run({.dry_run = true}));
  EXPECT_EQ(report.rows(), 14U);
  EXPECT_EQ(report.bytes(), 4 * 128U + 14 * 16);
  EXPECT_THAT(report.warnings, ElementsAre(HasSubstr("the meta counts 6 rows, the files hold 5")));
  EXPECT_TRUE(Keys().empty());
}

TEST_F(DumpTest, WhatIsLookedAtBeforeWritingEndsIt) {
  meta_.tables[0].segments = {Add("1", 3, {})};
  int calls = 0;
  DumpRules rules{.before_writing = [&calls](const CallContext&) {
    ++calls;
    return FailedPreconditionError("not now");
  }};
  EXPECT_THAT(Run(rules), IsError(Code::kFailedPrecondition, "not now"));
  EXPECT_TRUE(Keys().empty());
  EXPECT_EQ(calls, 1);
  // Damage is told of first, and a dry run asks nobody.
  meta_.tables[0].segments.push_back({.id = "2"});
  EXPECT_THAT(Run(rules), IsError(Code::kNotFound, "2.rv"));
  meta_.tables[0].segments.pop_back();
  rules.dry_run = true;
  EXPECT_OK(Run(rules));
  EXPECT_EQ(calls, 1);
}

TEST_F(DumpTest, ADumpGoesOnWhereTheLastOneEnded) {
  meta_.tables[0].segments = {Add("1", 10, {1}), Add("2", 5, {}), Add("3", 5, {0, 1, 2, 3, 4})};
  std::vector<std::string> whole;
  ASSERT_OK(Run());
  whole = Keys();
  // Whatever call to the target fails, the same command finishes the work.
  for (uint64_t call = 0;; ++call) {
    target_backend_ = storage::MakeMemoryBackend();
    auto faulty = std::make_unique<FaultyBackend>(std::move(target_backend_));
    faulty->FailCallNumber(call, InternalError("planned"));
    target_.backend = faulty.get();
    const auto first = Run({.parallel_segments = 1});
    if (first.ok()) break;
    ASSERT_LT(call, 1000U);
    EXPECT_THAT(first, IsError(Code::kInternal, "planned"));
    ASSERT_OK_AND_ASSIGN(const DumpReport second, Run({.parallel_segments = 1}));
    ASSERT_OK_AND_ASSIGN(const DumpReport third, Run());
    EXPECT_EQ(third.kept_segments, 3U);
    EXPECT_EQ(second.rows(), 14U);
    target_backend_ = std::move(faulty);
    EXPECT_EQ(Keys(), whole) << call;
    EXPECT_EQ(Data("tables/c/1/id.npy", 9),
              BytesOf<int64_t>({100, 102, 103, 104, 105, 106, 107, 108, 109}));
  }
}

TEST_F(DumpTest, ChangedFilesAreDumpedAgain) {
  meta_.tables[0].segments = {Add("1", 10, {1}), Add("2", 5, {})};
  ASSERT_OK(Run());
  Add("1", 10, {2});
  ASSERT_OK_AND_ASSIGN(const DumpReport again, Run());
  EXPECT_EQ(again.kept_segments, 1U);
  EXPECT_EQ(Data("tables/c/1/id.npy", 9),
            BytesOf<int64_t>({100, 101, 103, 104, 105, 106, 107, 108, 109}));
  // A file that somebody has cut.
  ASSERT_OK(target_backend_->Put({}, "out/migration/tables/c/2/data.npy", AsBytes("x"), {}));
  ASSERT_OK_AND_ASSIGN(const DumpReport third, Run());
  EXPECT_EQ(third.kept_segments, 1U);
  Data("tables/c/2/data.npy", 5);
}

TEST_F(DumpTest, WhatIsBeingLoadedDoesNotChange) {
  meta_.tables[0].segments = {Add("1", 10, {1})};
  ASSERT_OK(Run());
  ASSERT_OK(target_backend_->Put({}, "out/migration/load/000000.json", AsBytes("{}"), {}));
  ASSERT_OK(Run());
  Add("1", 10, {2});
  EXPECT_THAT(Run(), IsError(Code::kFailedPrecondition, "differs from the dump that is being"));
  meta_.tables[0].dim = 1;
  EXPECT_FALSE(Run().ok());
  EXPECT_EQ(Get("tables/c/1/id.npy").substr(128, 16), BytesOf<int64_t>({100, 102}));
}

}  // namespace
}  // namespace milvus_backup::migration
