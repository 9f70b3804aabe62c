#include "hybrid_internal.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace milvus_backup::binlog {
namespace {

std::vector<uint32_t> Read(std::string_view bytes, unsigned width, size_t count) {
  std::vector<uint32_t> numbers(count);
  HybridDecoder decoder(AsBytes(bytes), width);
  if (!decoder.Read(numbers)) numbers.clear();
  return numbers;
}

using Numbers = std::vector<uint32_t>;

// The example of the format's description: 0 to 7, three bits each.
TEST(HybridTest, ReadsPackedNumbers) {
  EXPECT_EQ(Read("\x03\x88\xc6\xfa", 3, 8), (Numbers{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(Read("\x03\x88\xc6\xfa", 3, 5), (Numbers{0, 1, 2, 3, 4}));
}

TEST(HybridTest, ReadsRepeatedNumbers) {
  EXPECT_EQ(Read(std::string_view("\x06\x2a", 2), 7, 3), (Numbers{42, 42, 42}));
  EXPECT_EQ(Read(std::string_view("\x04\x01\x02", 3), 12, 2), (Numbers{513, 513}));
  EXPECT_EQ(Read("\x08", 0, 4), (Numbers{0, 0, 0, 0}));
}

TEST(HybridTest, ReadsRunsOfBothKinds) {
  EXPECT_EQ(Read(std::string_view("\x04\x01\x03\x05", 4), 1, 6), (Numbers{1, 1, 1, 0, 1, 0}));
}

TEST(HybridTest, SaysWhenNumbersAreMissing) {
  EXPECT_TRUE(Read("", 1, 1).empty());
  EXPECT_TRUE(Read("\x06", 7, 3).empty());
  EXPECT_TRUE(Read("\x03\x88\xc6\xfa", 3, 9).empty());
  EXPECT_TRUE(Read("\xff\xff\xff\xff\xff\xff", 1, 1).empty());
}

TEST(HybridTest, ReadsNumbersOf32Bits) {
  EXPECT_EQ(Read(std::string_view("\x02\xff\xff\xff\xff", 5), 32, 1), (Numbers{0xffffffff}));
}

}  // namespace
}  // namespace milvus_backup::binlog
