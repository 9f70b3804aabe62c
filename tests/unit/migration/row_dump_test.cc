#include "migration/row_dump.h"

#include "migration/row_source.h"
#include "support/status_matchers.h"

#include "milvus_backup/storage/memory_backend.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::IsError;

/// Vectors of floats that count on through all rows; ids that count down.
class CountingRows final : public RowSource {
 public:
  CountingRows(uint64_t count, uint64_t dim, uint64_t bad_row = kNone)
      : rows_(count), dim_(dim), bad_row_(bad_row) {}

  uint64_t rows() const override { return rows_; }
  const std::string& mark() const override { return mark_; }
  std::string Describe(uint64_t row) const override { return "row " + std::to_string(row); }

  Status Read(const CallContext& /*ctx*/, std::span<int64_t> ids,
              std::span<std::byte> vectors) override {
    for (int64_t& id : ids) {
      id = -static_cast<int64_t>(next_);
      for (uint64_t i = 0; i < dim_; ++i) {
        auto value = static_cast<float>(next_ * dim_ + i);
        if (bad_row_ == next_) value = std::numeric_limits<float>::infinity();
        std::memcpy(vectors.data(), &value, sizeof(value));
        vectors = vectors.subspan(sizeof(value));
      }
      ++next_;
    }
    return Status::Ok();
  }

 private:
  static constexpr uint64_t kNone = std::numeric_limits<uint64_t>::max();

  const uint64_t rows_;
  const uint64_t dim_;
  const uint64_t bad_row_;
  const std::string mark_ = "counting";
  uint64_t next_ = 0;
};

/// Rows of 8000 bytes, which parts of 8 MiB do not hold a whole number of: behind the header of 128
/// bytes row 1048 is the first that lies in two parts.
class RowDumpTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kDim = 2000;
  static constexpr uint64_t kRows = 2300;
  static constexpr uint64_t kSplitRow = 1048;

  RowDumpTest() : backend_(storage::MakeMemoryBackend()) { store_.backend = backend_.get(); }

  Result<RowDump> Dump(RowSource& source, uint64_t piece_bytes = 2 * kGiB) {
    MemoryBudget budget(24 * kMiB);
    return DumpRows(
        {}, {.target = store_, .table = table_, .piece_bytes = piece_bytes, .budget = budget}, "d/",
        source);
  }

  std::string Get(const std::string& key) {
    const auto text = storage::ReadAll({}, *backend_, key, 64 * kMiB);
    EXPECT_OK(text);
    return text.ok() ? *text : "";
  }

  /// The files of a piece hold `rows` rows from `first` on.
  void ExpectPiece(const std::string& dir, uint64_t first, uint64_t rows) {
    std::vector<float> floats(rows * kDim);
    std::iota(floats.begin(), floats.end(), static_cast<float>(first * kDim));
    std::string expected = VectorsHeader(table_, rows);
    expected.append(reinterpret_cast<const char*>(floats.data()), floats.size() * sizeof(float));
    EXPECT_TRUE(Get(dir + kVectorsName) == expected) << dir;
    std::vector<int64_t> ids;
    for (uint64_t row = first; row < first + rows; ++row) ids.push_back(-static_cast<int64_t>(row));
    expected = IdsHeader(rows);
    expected.append(reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int64_t));
    EXPECT_TRUE(Get(dir + kIdsName) == expected) << dir;
  }

  const Table table_{.metric = Metric::kL2, .dim = kDim};
  std::unique_ptr<storage::Backend> backend_;
  Store store_;
};

TEST_F(RowDumpTest, RowsThatLieInTwoPartsArriveWhole) {
  CountingRows source(kRows, kDim);
  ASSERT_OK_AND_ASSIGN(const RowDump dumped, Dump(source));
  EXPECT_FALSE(dumped.kept);
  ExpectPiece("d/", 0, kRows);
  CountingRows again(kRows, kDim);
  ASSERT_OK_AND_ASSIGN(const RowDump kept, Dump(again));
  EXPECT_TRUE(kept.kept);
}

TEST_F(RowDumpTest, PiecesFollowEachOther) {
  CountingRows source(kRows, kDim);
  ASSERT_OK_AND_ASSIGN(const RowDump dumped, Dump(source, 10 * kMiB));
  ASSERT_EQ(dumped.record.piece_rows, (std::vector<uint64_t>{1150, 1150}));
  ExpectPiece("d/1/", 0, 1150);
  ExpectPiece("d/2/", 1150, 1150);
}

TEST_F(RowDumpTest, AnInfinityIsFoundInEveryRow) {
  for (const uint64_t row : {uint64_t{0}, kSplitRow - 1, kSplitRow, kSplitRow + 1, kRows - 1}) {
    CountingRows source(kRows, kDim, row);
    EXPECT_THAT(Dump(source),
                IsError(Code::kDataLoss, "row " + std::to_string(row) + " holds a NaN"));
    EXPECT_EQ(backend_->Stat({}, "d/dump.json").status().code(), Code::kNotFound);
  }
}

}  // namespace
}  // namespace milvus_backup::migration
