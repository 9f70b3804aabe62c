#include "little_endian_internal.h"

#include "milvus_backup/binlog/values.h"

namespace milvus_backup::binlog {
namespace {

constexpr uint64_t kHighBits = 0x8080808080808080;

/// Bytes of the sequence at the front of `text`, which is not empty; 0 when there is none.
size_t SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const auto is_tail = [&](size_t i) { return i < text.size() && (byte(i) & 0xC0U) == 0x80; };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4 || !is_tail(1)) return 0;
  if (first < 0xE0) return 2;
  const uint8_t second = byte(1);
  if (first < 0xF0) {
    // No overlong forms, no surrogates.
    const bool is_sound = (first != 0xE0 || second >= 0xA0) && (first != 0xED || second < 0xA0);
    return is_sound && is_tail(2) ? 3 : 0;
  }
  const bool is_sound = (first != 0xF0 || second >= 0x90) && (first != 0xF4 || second < 0x90);
  return is_sound && is_tail(2) && is_tail(3) ? 4 : 0;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    if (text.size() >= sizeof(uint64_t) && (LoadLe<uint64_t>(AsBytes(text)) & kHighBits) == 0) {
      text.remove_prefix(sizeof(uint64_t));
      continue;
    }
    const size_t length = SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace milvus_backup::binlog
