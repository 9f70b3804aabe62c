#include "migration/row_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace milvus_backup::migration {
namespace {

TEST(RowSetTest, AgreesWithAPlainSet) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (const uint64_t rows : {1U, 63U, 64U, 65U, 200U, 1000U}) {
    for (const int share : {0, 1, 30, 70, 100}) {
      RowSet set(rows);
      std::set<uint64_t> plain;
      for (uint64_t row = 0; row < rows; ++row) {
        if (random() % 100 >= static_cast<uint32_t>(share)) continue;
        set.Add(row);
        set.Add(row);
        plain.insert(row);
      }
      ASSERT_EQ(set.size(), plain.size());
      for (uint64_t row = 0; row < rows; ++row) {
        ASSERT_EQ(set.Has(row), plain.contains(row));
        const auto next = plain.lower_bound(row);
        ASSERT_EQ(set.NextIn(row), next == plain.end() ? rows : *next);
        uint64_t out = row;
        while (out < rows && plain.contains(out)) ++out;
        ASSERT_EQ(set.NextOut(row), out);
      }
    }
  }
}

}  // namespace
}  // namespace milvus_backup::migration
