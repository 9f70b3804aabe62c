#include "row_columns.h"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace milvus_backup::migration {
namespace {

using milvus::Column;

bool IsNull(const Column& column, size_t row) {
  return !column.nulls.empty() && column.nulls[row] != 0;
}

std::string_view ValueOf(const Column& column, size_t row) {
  if (column.width == 0) return column.texts[row];
  return std::string_view(column.fixed).substr(row * column.width, column.width);
}

}  // namespace

uint64_t BytesOf(const std::vector<Column>& columns) {
  uint64_t bytes = 0;
  for (const Column& column : columns) {
    bytes += column.fixed.size();
    for (const std::string& text : column.texts) bytes += text.size();
  }
  return bytes;
}

std::vector<Column> RowsOf(const std::vector<Column>& columns, size_t begin, size_t end) {
  std::vector<Column> rows;
  rows.reserve(columns.size());
  const auto first = static_cast<std::ptrdiff_t>(begin);
  const auto last = static_cast<std::ptrdiff_t>(end);
  for (const Column& column : columns) {
    Column part{.field_name = column.field_name,
                .data_type = column.data_type,
                .element_type = column.element_type,
                .is_dynamic = column.is_dynamic,
                .rows = end - begin,
                .width = column.width};
    part.fixed = column.fixed.substr(begin * column.width, (end - begin) * column.width);
    if (column.width == 0) {
      part.texts.assign(column.texts.begin() + first, column.texts.begin() + last);
    }
    if (!column.nulls.empty()) {
      part.nulls.assign(column.nulls.begin() + first, column.nulls.begin() + last);
    }
    rows.push_back(std::move(part));
  }
  return rows;
}

std::vector<Column> Joined(std::vector<Column> first, std::vector<Column> second) {
  if (first.empty() || first.front().rows == 0) return second;
  if (second.empty() || second.front().rows == 0) return first;
  for (size_t i = 0; i < first.size(); ++i) {
    Column& column = first[i];
    Column& more = second[i];
    if (!column.nulls.empty() || !more.nulls.empty()) {
      column.nulls.resize(column.rows, 0);
      more.nulls.resize(more.rows, 0);
      column.nulls.insert(column.nulls.end(), more.nulls.begin(), more.nulls.end());
    }
    column.fixed += more.fixed;
    std::ranges::move(more.texts, std::back_inserter(column.texts));
    column.rows += more.rows;
  }
  return first;
}

std::vector<std::pair<size_t, size_t>> CutByBytes(const std::vector<Column>& columns,
                                                  uint64_t max_bytes) {
  std::vector<std::pair<size_t, size_t>> stretches;
  const size_t rows = columns.empty() ? 0 : columns.front().rows;
  size_t begin = 0;
  uint64_t bytes = 0;
  for (size_t row = 0; row < rows; ++row) {
    uint64_t of_row = 0;
    for (const Column& column : columns) of_row += ValueOf(column, row).size();
    if (row > begin && bytes + of_row > max_bytes) {
      stretches.emplace_back(begin, row);
      begin = row;
      bytes = 0;
    }
    bytes += of_row;
  }
  if (begin < rows) stretches.emplace_back(begin, rows);
  return stretches;
}

bool SameValue(const Column& one, size_t row, const Column& other, size_t other_row) {
  if (IsNull(one, row) != IsNull(other, other_row)) return false;
  return ValueOf(one, row) == ValueOf(other, other_row);
}

}  // namespace milvus_backup::migration
