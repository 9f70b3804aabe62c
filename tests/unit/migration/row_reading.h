/// Reading whole sources and files.
#pragma once

#include "migration/row_source.h"

#include "milvus_backup/base/bytes.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

namespace milvus_backup::migration::testing {

struct AllRows {
  std::vector<int64_t> ids;
  std::string vectors;
};

/// Everything, `batch` rows at a time.
inline Result<AllRows> ReadAllRows(RowSource& source, uint64_t vector_bytes, uint64_t batch) {
  AllRows all;
  all.ids.resize(source.rows());
  all.vectors.resize(source.rows() * vector_bytes);
  for (uint64_t row = 0; row < source.rows(); row += batch) {
    const uint64_t count = std::min(batch, source.rows() - row);
    const auto bytes = std::as_writable_bytes(std::span<char>(all.vectors));
    MB_RETURN_IF_ERROR(source.Read({}, std::span(all.ids).subspan(row, count),
                                   bytes.subspan(row * vector_bytes, count * vector_bytes)));
  }
  return all;
}

inline std::string Slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace milvus_backup::migration::testing
