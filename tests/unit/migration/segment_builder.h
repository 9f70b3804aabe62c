/// Segments of Milvus 1.x, byte by byte.
#pragma once

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace milvus_backup::migration::testing {

/// The bytes of numbers, little-endian.
template <typename T>
std::string BytesOf(const std::vector<T>& numbers) {
  std::string bytes(numbers.size() * sizeof(T), '\0');
  if (!numbers.empty()) std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return bytes;
}

/// A count of bytes and the bytes.
inline std::string Framed(const std::string& payload) {
  return BytesOf(std::vector<uint64_t>{payload.size()}) + payload;
}

/// Where a segment's files are, and what is in them.
struct SegmentText {
  std::string table = "t";
  std::string id = "7";
  std::string vectors;
  std::string ids;
  std::string deleted_docs;
};

/// Write the three files below `prefix`; an empty text is no file.
inline Status WriteSegment(storage::Backend& backend, const std::string& prefix,
                           const SegmentText& segment) {
  const std::string dir = prefix + segment.table + "/" + segment.id + "/";
  const auto put = [&](const std::string& name, const std::string& text) {
    if (text.empty()) return Status::Ok();
    return backend.Put({}, dir + name, AsBytes(text), {}).status();
  };
  MB_RETURN_IF_ERROR(put(segment.id + ".rv", segment.vectors));
  MB_RETURN_IF_ERROR(put(segment.id + ".uid", segment.ids));
  return put("deleted_docs", segment.deleted_docs);
}

}  // namespace milvus_backup::migration::testing
