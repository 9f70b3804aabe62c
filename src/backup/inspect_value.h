/// Values of rows as text.
#pragma once

#include "segment_rows.h"

#include "milvus_backup/base/status.h"
#include "milvus_backup/binlog/values.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace milvus_backup::backup {

/// A field whose values are shown.
struct ShownField {
  int64_t id = 0;
  std::string name;
  binlog::DataType type = binlog::DataType::kInt64;
  /// The dynamic columns: its values are objects with the columns of the row.
  bool is_dynamic = false;
};

/// Append a JSON string. What is not UTF-8 becomes U+FFFD.
void AppendJsonString(std::string& out, std::string_view text);

/// Append a value as JSON. kDataLoss when its bytes are not what the type says.
Status AppendJson(std::string& out, const ShownField& field, const Cell& cell);

/// As AppendJson, but texts without quotes and nulls as nothing.
Status AppendPlain(std::string& out, const ShownField& field, const Cell& cell);

}  // namespace milvus_backup::backup
