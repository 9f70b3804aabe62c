#include "float_check.h"

#include <cstdint>
#include <cstring>

namespace milvus_backup::migration {
namespace {

constexpr uint32_t kExponent = 0x7f800000;
/// Floats looked at together: a loop of constant length without branches is done many at a time.
constexpr size_t kBlock = 256;

bool AnyNonFinite(const std::byte* bytes) {
  uint32_t found = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    uint32_t bits = 0;
    std::memcpy(&bits, bytes + i * sizeof(bits), sizeof(bits));
    // The exponent is all ones exactly when this carries into the sign bit.
    found |= (bits & kExponent) + (kExponent & (~kExponent + 1));
  }
  return (found >> 31) != 0;
}

}  // namespace

size_t FindNonFinite(ByteView bytes, size_t from) {
  const size_t count = bytes.size() / sizeof(uint32_t);
  while (from < count) {
    const std::byte* at = bytes.data() + from * sizeof(uint32_t);
    if (count - from >= kBlock && !AnyNonFinite(at)) {
      from += kBlock;
      continue;
    }
    const size_t end = count - from >= kBlock ? from + kBlock : count;
    for (; from < end; ++from) {
      uint32_t bits = 0;
      std::memcpy(&bits, bytes.data() + from * sizeof(uint32_t), sizeof(bits));
      if ((bits & kExponent) == kExponent) return from;
    }
  }
  return count;
}

}  // namespace milvus_backup::migration
