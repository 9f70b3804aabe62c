/// A set of rows of one segment, a bit each. Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

namespace milvus_backup::migration {

class RowSet {
 public:
  RowSet() = default;
  /// Of a segment of `rows` rows; empty.
  explicit RowSet(uint64_t rows) : rows_(rows), words_((rows + 63) / 64) {}

  uint64_t rows() const { return rows_; }
  /// How many rows are in the set.
  uint64_t size() const { return size_; }
  bool Has(uint64_t row) const { return (words_[row / 64] >> (row % 64) & 1) != 0; }
  /// `row` must be below rows(). Adding one twice changes nothing.
  void Add(uint64_t row);

  /// The first row from `row` on that is in the set; rows() when there is none.
  uint64_t NextIn(uint64_t row) const { return Next(row, 0); }
  /// The first row from `row` on that is not in the set; rows() when there is none.
  uint64_t NextOut(uint64_t row) const { return Next(row, ~uint64_t{0}); }

 private:
  uint64_t Next(uint64_t row, uint64_t flip) const;

  uint64_t rows_ = 0;
  uint64_t size_ = 0;
  std::vector<uint64_t> words_;
};

}  // namespace milvus_backup::migration
