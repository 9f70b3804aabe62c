/// Views of memory that somebody else owns.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace milvus_backup {

using ByteView = std::span<const std::byte>;

inline ByteView AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string_view AsText(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline constexpr size_t kKiB = 1024;
inline constexpr size_t kMiB = 1024 * kKiB;
inline constexpr size_t kGiB = 1024 * kMiB;

}  // namespace milvus_backup
