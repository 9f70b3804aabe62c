/// Compares logs with what a backup says of them. Damage is told as findings, so that one bad value
/// does not hide another; a Status is returned only when the bytes could not be had.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/binlog/byte_source.h"
#include "milvus_backup/binlog/values.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::binlog {

/// Warnings are things that healthy logs of some writers have.
enum class Severity { kWarning, kError };

struct Finding {
  Severity severity = Severity::kError;
  /// What was looked at, such as `segment id`.
  std::string what{};
  std::string expected{};
  std::string found{};
};
using FindingSink = std::function<void(Finding)>;

/// A field of the collection.
struct FieldFacts {
  int64_t field_id = 0;
  std::string name{};
  DataType type = DataType::kInt64;
  DataType element_type = DataType::kInt64;
  /// 0 when unknown.
  uint64_t dim = 0;
  bool is_primary_key = false;
};

/// What the key of a log and the meta of its collection say.
struct LogFacts {
  int64_t collection_id = 0;
  int64_t partition_id = 0;
  int64_t segment_id = 0;
  /// The level of the key that is a field, or a column group in packed files.
  int64_t field_id = 0;
  /// Fields of the schema, without RowID and Timestamp.
  const std::vector<FieldFacts>* fields = nullptr;
  /// A field that the schema does not have may hold the dynamic columns.
  bool has_dynamic_field = false;
  /// Ids of all segments that the backup lists, sorted; null when they are not known.
  const std::vector<int64_t>* listed_segments = nullptr;
};

/// Rows of one field in a log.
struct ColumnFacts {
  int64_t field_id = 0;
  uint64_t rows = 0;
};

struct InsertLogReport {
  /// Empty when the log could not be opened, or is encrypted.
  std::vector<ColumnFacts> columns{};
  bool encrypted = false;
};

/// Read every byte of an insert log and look at every value.
Result<InsertLogReport> CheckInsertLog(ByteSource& source, const LogFacts& facts,
                                       const Limits& limits, const FindingSink& report);

struct DeltaLogReport {
  uint64_t rows = 0;
  bool encrypted = false;
};

/// The same for a delta log.
Result<DeltaLogReport> CheckDeltaLog(ByteSource& source, const LogFacts& facts,
                                     const Limits& limits, const FindingSink& report);

}  // namespace milvus_backup::binlog
