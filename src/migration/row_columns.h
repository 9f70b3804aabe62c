/// Rows as columns: how large they are, and parts of them. Pure functions, thread-safe.
#pragma once

#include "milvus_backup/milvus/types.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace milvus_backup::migration {

/// Bytes of the values of all rows.
uint64_t BytesOf(const std::vector<milvus::Column>& columns);

/// Rows [begin, end) of the columns.
std::vector<milvus::Column> RowsOf(const std::vector<milvus::Column>& columns, size_t begin,
                                   size_t end);

/// The rows of one after those of the other. Both have the same columns, unless one has no rows.
std::vector<milvus::Column> Joined(std::vector<milvus::Column> first,
                                   std::vector<milvus::Column> second);

/// Cut the rows into stretches [begin, end) whose values are at most `max_bytes`, or one row that
/// is larger.
std::vector<std::pair<size_t, size_t>> CutByBytes(const std::vector<milvus::Column>& columns,
                                                  uint64_t max_bytes);

/// Whether the columns have the same value in these rows.
bool SameValue(const milvus::Column& one, size_t row, const milvus::Column& other,
               size_t other_row);

}  // namespace milvus_backup::migration
