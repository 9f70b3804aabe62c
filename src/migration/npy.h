/// Headers of NumPy files, version 1.0, as Milvus' bulk insert wants them
/// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). Pure functions.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::migration {

inline constexpr char kFloat32[] = "<f4";
inline constexpr char kInt64[] = "<i8";
inline constexpr char kUint8[] = "|u1";

struct NpyHeader {
  std::string descr;
  /// Row-major; `{}` is a scalar.
  std::vector<uint64_t> shape;
  /// Bytes before the data.
  uint64_t bytes = 0;
};

/// Magic, version, length and text, padded to a multiple of 64 bytes. Key order and spacing are
/// those that Milvus' reader, which parses the text, has been seen to accept.
std::string EncodeNpyHeader(std::string_view descr, const std::vector<uint64_t>& shape);

/// Longest header that is read, bytes; ours have 128.
inline constexpr uint64_t kMaxNpyHeaderBytes = 4096;

/// Of the first bytes of a file, at most kMaxNpyHeaderBytes. kDataLoss when they are no header, or
/// one in Fortran order or of another version.
Result<NpyHeader> DecodeNpyHeader(ByteView begin);

}  // namespace milvus_backup::migration
