#include "row_set.h"

#include <algorithm>
#include <bit>

namespace milvus_backup::migration {

void RowSet::Add(uint64_t row) {
  uint64_t& word = words_[row / 64];
  const uint64_t bit = uint64_t{1} << (row % 64);
  if ((word & bit) == 0) ++size_;
  word |= bit;
}

uint64_t RowSet::Next(uint64_t row, uint64_t flip) const {
  while (row < rows_) {
    const uint64_t rest = (words_[row / 64] ^ flip) >> (row % 64);
    if (rest != 0) return std::min(rows_, row + static_cast<uint64_t>(std::countr_zero(rest)));
    row = (row / 64 + 1) * 64;
  }
  return rows_;
}

}  // namespace milvus_backup::migration
