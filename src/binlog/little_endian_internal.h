/// Numbers as they stand in files, whatever their alignment.
#pragma once

#include "milvus_backup/base/bytes.h"

#include <bit>
#include <cstddef>
#include <cstring>

namespace milvus_backup::binlog {

static_assert(std::endian::native == std::endian::little, "values are used where they lie");

/// The caller has checked that `bytes` holds sizeof(T) from `offset` on.
template <typename T>
T LoadLe(ByteView bytes, size_t offset = 0) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

}  // namespace milvus_backup::binlog
