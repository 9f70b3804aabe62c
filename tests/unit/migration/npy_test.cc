#include "migration/npy.h"

#include "support/status_matchers.h"

#include <string>

namespace milvus_backup::migration {
namespace {

using milvus_backup::testing::IsError;

TEST(NpyTest, HeadersAreThoseOfNumpyByteForByte) {
  // numpy.save of zeros((10000, 256), '<f4') and zeros(10000, '<i8'), version 1.0.
  const std::string vectors = std::string("\x93NUMPY\x01\x00\x76\x00", 10) +
                              "{'descr': '<f4', 'fortran_order': False, 'shape': (10000, 256), }" +
                              std::string(52, ' ') + "\n";
  const std::string ids = std::string("\x93NUMPY\x01\x00\x76\x00", 10) +
                          "{'descr': '<i8', 'fortran_order': False, 'shape': (10000,), }" +
                          std::string(56, ' ') + "\n";
  EXPECT_EQ(vectors.size(), 128U);
  EXPECT_EQ(EncodeNpyHeader(kFloat32, {10000, 256}), vectors);
  EXPECT_EQ(EncodeNpyHeader(kInt64, {10000}), ids);
}

TEST(NpyTest, HeadersAreReadBackWhateverTheirPadding) {
  const std::string text = EncodeNpyHeader(kUint8, {3, 8}) + "data";
  ASSERT_OK_AND_ASSIGN(const NpyHeader header, DecodeNpyHeader(AsBytes(text)));
  EXPECT_EQ(header.descr, "|u1");
  EXPECT_EQ(header.shape, (std::vector<uint64_t>{3, 8}));
  EXPECT_EQ(header.bytes, 128U);
  // The Go tool's, of a segment without rows.
  const std::string body = "{'descr': '<i8', 'fortran_order': False, 'shape': (), }\n";
  const std::string scalar = std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(body.size()) +
                             std::string(1, '\0') + body;
  ASSERT_OK_AND_ASSIGN(const NpyHeader empty, DecodeNpyHeader(AsBytes(scalar)));
  EXPECT_TRUE(empty.shape.empty());
}

TEST(NpyTest, EveryCutOfAHeaderIsRefused) {
  const std::string whole = EncodeNpyHeader(kFloat32, {5, 4});
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(DecodeNpyHeader(AsBytes(whole.substr(0, size))),
                IsError(Code::kDataLoss, "no header"))
        << size;
  }
  std::string fortran = whole;
  fortran.replace(fortran.find("False"), 5, "True ");
  EXPECT_THAT(DecodeNpyHeader(AsBytes(fortran)), IsError(Code::kDataLoss, "Fortran"));
}

}  // namespace
}  // namespace milvus_backup::migration
