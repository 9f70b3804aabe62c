#include "milvus_backup/base/checksum.h"

#include "milvus_backup/base/encoding.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <array>
#include <limits>

namespace milvus_backup {
namespace {

// Reflected Castagnoli polynomial.
constexpr uint32_t kPolynomial = 0x82F63B78U;

// Multiplication of two polynomials modulo kPolynomial, bit-reflected (bit 31 is x^0).
uint32_t MultiplyModP(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (uint32_t bit = 1U << 31U; bit != 0; bit >>= 1U) {
    if ((a & bit) != 0) product ^= b;
    b = (b & 1U) != 0 ? (b >> 1U) ^ kPolynomial : b >> 1U;
  }
  return product;
}

// x^(8 * length) modulo kPolynomial, by squaring.
uint32_t ShiftOperator(uint64_t length) {
  uint32_t power = 1U << 23U;   // x^8
  uint32_t result = 1U << 31U;  // x^0
  for (; length != 0; length >>= 1U) {
    if ((length & 1U) != 0) result = MultiplyModP(result, power);
    power = MultiplyModP(power, power);
  }
  return result;
}

}  // namespace

uint32_t ExtendCrc32c(uint32_t crc, ByteView bytes) {
  // ISA-L takes an int length and leaves the final inversion to the caller.
  constexpr size_t kMaxStep = size_t{1} << 30U;
  uint32_t state = ~crc;
  while (!bytes.empty()) {
    const size_t step = std::min(bytes.size(), kMaxStep);
    auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
    state = crc32_iscsi(data, static_cast<int>(step), state);
    bytes = bytes.subspan(step);
  }
  return ~state;
}

uint32_t CombineCrc32c(uint32_t crc_a, uint32_t crc_b, uint64_t length_b) {
  return MultiplyModP(ShiftOperator(length_b), crc_a) ^ crc_b;
}

std::string EncodeCrc32c(uint32_t crc) {
  const std::array<std::byte, 4> bytes = {
      static_cast<std::byte>(crc >> 24U), static_cast<std::byte>((crc >> 16U) & 255U),
      static_cast<std::byte>((crc >> 8U) & 255U), static_cast<std::byte>(crc & 255U)};
  return Base64Encode(bytes);
}

std::optional<uint32_t> DecodeCrc32c(std::string_view text) {
  const Result<std::string> bytes = Base64Decode(text);
  if (!bytes.ok() || bytes->size() != 4) return std::nullopt;
  uint32_t crc = 0;
  for (const char c : *bytes) crc = (crc << 8U) | static_cast<unsigned char>(c);
  return crc;
}

}  // namespace milvus_backup
