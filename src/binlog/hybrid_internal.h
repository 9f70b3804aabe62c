/// Parquet's mix of run-length and bit-packed integers, used for dictionary indices and definition
/// levels.
#pragma once

#include "milvus_backup/base/bytes.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace milvus_backup::binlog {

class HybridDecoder {
 public:
  static constexpr unsigned kMaxWidth = 32;

  HybridDecoder() = default;
  /// `width` bits per number, at most kMaxWidth. `bytes` must outlive the decoder.
  HybridDecoder(ByteView bytes, unsigned width) : bytes_(bytes), width_(width) {}

  /// Fill `out`; false when the bytes do not hold as many numbers.
  bool Read(std::span<uint32_t> out);

 private:
  bool NextRun();
  bool ReadVarint(uint64_t& value);
  void Unpack(std::span<uint32_t> out);

  ByteView bytes_;
  unsigned width_ = 0;
  /// Numbers left in the current run.
  uint64_t left_ = 0;
  bool packed_ = false;
  /// Of a repeated run.
  uint32_t value_ = 0;
  /// Of a packed run: its bytes, and the next bit in them.
  ByteView run_;
  uint64_t bit_ = 0;
};

}  // namespace milvus_backup::binlog
