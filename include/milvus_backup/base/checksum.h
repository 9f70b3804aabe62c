/// CRC32C (Castagnoli), the checksum that S3 servers verify for us. Pure functions, thread-safe.
#pragma once

#include "milvus_backup/base/bytes.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace milvus_backup {

/// Extend `crc` (of the bytes before; 0 at the start) by `bytes`.
uint32_t ExtendCrc32c(uint32_t crc, ByteView bytes);
inline uint32_t Crc32c(ByteView bytes) { return ExtendCrc32c(0, bytes); }

/// CRC32C of A followed by B from the values of both and the length of B in bytes.
uint32_t CombineCrc32c(uint32_t crc_a, uint32_t crc_b, uint64_t length_b);

/// As in `x-amz-checksum-crc32c`: base64 of the four bytes, big-endian.
std::string EncodeCrc32c(uint32_t crc);
std::optional<uint32_t> DecodeCrc32c(std::string_view text);

}  // namespace milvus_backup
