#include "hybrid_internal.h"

#include <algorithm>
#include <cstring>

namespace milvus_backup::binlog {

bool HybridDecoder::ReadVarint(uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 35 && !bytes_.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(bytes_.front());
    bytes_ = bytes_.subspan(1);
    value |= uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool HybridDecoder::NextRun() {
  uint64_t header = 0;
  if (!ReadVarint(header)) return false;
  packed_ = (header & 1U) != 0;
  if (packed_) {
    const uint64_t groups = header >> 1U;
    // The last run of a page may be cut short behind the last number that is needed.
    const uint64_t size = std::min<uint64_t>(groups * width_, bytes_.size());
    left_ = width_ == 0 ? groups * 8 : std::min(groups * 8, size * 8 / width_);
    run_ = bytes_.first(size);
    bit_ = 0;
    bytes_ = bytes_.subspan(size);
    return true;
  }
  left_ = header >> 1U;
  const size_t size = (width_ + 7) / 8;
  if (bytes_.size() < size) return false;
  value_ = 0;
  std::memcpy(&value_, bytes_.data(), size);
  bytes_ = bytes_.subspan(size);
  return true;
}

void HybridDecoder::Unpack(std::span<uint32_t> out) {
  const uint64_t mask = (uint64_t{1} << width_) - 1;
  for (uint32_t& number : out) {
    const uint64_t byte = bit_ / 8;
    uint64_t word = 0;
    std::memcpy(&word, run_.data() + byte, std::min<uint64_t>(sizeof(word), run_.size() - byte));
    number = static_cast<uint32_t>((word >> (bit_ % 8)) & mask);
    bit_ += width_;
  }
}

bool HybridDecoder::Read(std::span<uint32_t> out) {
  while (!out.empty()) {
    if (left_ == 0) {
      if (!NextRun()) return false;
      continue;
    }
    const auto count = static_cast<size_t>(std::min<uint64_t>(left_, out.size()));
    const std::span<uint32_t> now = out.first(count);
    if (packed_ && width_ > 0) {
      Unpack(now);
    } else {
      std::ranges::fill(now, packed_ ? 0 : value_);
    }
    left_ -= count;
    out = out.subspan(count);
  }
  return true;
}

}  // namespace milvus_backup::binlog
