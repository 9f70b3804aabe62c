#include "milvus_backup/binlog/delta_log.h"

#include "milvus_backup/binlog/column.h"
#include "milvus_backup/binlog/insert_log.h"
#include "milvus_backup/binlog/parquet.h"
#include "milvus_backup/binlog/values.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace milvus_backup::binlog {
namespace {

using Visitor = std::function<Status(const Delete&)>;

constexpr std::string_view kTwoColumns = "MULTI_FIELD";
/// Field ids of a bare Parquet file.
constexpr int64_t kKeyColumn = 0;
constexpr int64_t kTimestampColumn = 1;

template <typename T>
std::optional<T> ParseNumber(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// `<int64>,<uint64>`, as Milvus 2.0 wrote it.
Result<Delete> ParseText(std::string_view row) {
  const size_t comma = row.find(',');
  if (comma != std::string_view::npos) {
    const auto key = ParseNumber<int64_t>(row.substr(0, comma));
    const auto timestamp = ParseNumber<uint64_t>(row.substr(comma + 1));
    if (key && timestamp) return Delete{.key = {.number = *key}, .timestamp = *timestamp};
  }
  return DataLossError("a delete that is neither JSON nor key and timestamp");
}

/// `{"pk":…,"ts":…,"pkType":…}`. Texts are kept in `text`.
Result<Delete> ParseJson(std::string_view row, std::string& text) {
  std::optional<std::string_view> key;
  std::optional<uint64_t> timestamp;
  std::optional<int32_t> type;
  MB_RETURN_IF_ERROR(ForEachMember(row, [&](const std::string& name, std::string_view value) {
    if (name == "pk") key = value;
    if (name == "ts") timestamp = ParseNumber<uint64_t>(value);
    if (name == "pkType") type = ParseNumber<int32_t>(value);
    return Status::Ok();
  }));
  if (!key || !timestamp || !type) return DataLossError("a delete without pk, ts or pkType");
  Delete record = {.timestamp = *timestamp};
  if (*type == static_cast<int32_t>(DataType::kInt64)) {
    const auto number = ParseNumber<int64_t>(*key);
    if (!number) return DataLossError("a delete whose key is no 64-bit integer");
    record.key.number = *number;
    return record;
  }
  if (*type != static_cast<int32_t>(DataType::kVarChar) &&
      *type != static_cast<int32_t>(DataType::kString)) {
    return DataLossError(fmt::format("a delete with a key of type {}", *type));
  }
  MB_ASSIGN_OR_RETURN(text, DecodeJsonString(*key));
  record.key = {.is_text = true, .text = text};
  return record;
}

Status VisitTexts(ColumnReader& rows, const Visitor& visit) {
  std::string text;
  Batch batch;
  for (;;) {
    MB_ASSIGN_OR_RETURN(const bool has_rows, rows.Next(batch));
    if (!has_rows) return Status::Ok();
    for (size_t i = 0; i < batch.rows; ++i) {
      const std::string_view row = batch.texts[i];
      Result<Delete> record = row.starts_with('{') ? ParseJson(row, text) : ParseText(row);
      if (!record.ok()) return std::move(record).status();
      MB_RETURN_IF_ERROR(visit(*record));
    }
  }
}

Result<Key> KeyAt(const Batch& keys, size_t row) {
  if (keys.IsNull(row)) return DataLossError("a delete without a key");
  switch (keys.type) {
    case PhysicalType::kInt64:
      return Key{.number = keys.As<int64_t>()[row]};
    case PhysicalType::kByteArray:
      return Key{.is_text = true, .text = keys.texts[row]};
    default:
      return Key{.is_text = true, .text = AsText(keys.Value(row))};
  }
}

/// The timestamps of one row group, copied: pages of two columns cannot be read at once.
Result<std::vector<uint64_t>> ReadTimestamps(ByteSource& source, const ParquetFile& file,
                                             size_t group, size_t column, const Limits& limits) {
  std::vector<uint64_t> timestamps;
  MB_ASSIGN_OR_RETURN(ChunkReader chunk, ChunkReader::Open(source, file, group, column, limits));
  Batch batch;
  for (;;) {
    MB_ASSIGN_OR_RETURN(const bool has_rows, chunk.Next(batch));
    if (!has_rows) return timestamps;
    if (!batch.nulls.empty()) return DataLossError("a delete without a timestamp");
    if ((timestamps.size() + batch.rows) * sizeof(uint64_t) > limits.max_page_bytes) {
      return UnimplementedError("more deletes in a row group than are read");
    }
    const std::span<const uint64_t> values = batch.As<uint64_t>();
    timestamps.insert(timestamps.end(), values.begin(), values.end());
  }
}

struct KeyColumns {
  size_t key = 0;
  size_t timestamp = 1;
};

/// By field id where the file has them, else by position.
Result<KeyColumns> FindKeyColumns(const ParquetFile& file) {
  KeyColumns found;
  for (size_t i = 0; i < file.columns.size(); ++i) {
    if (file.columns[i].field_id == kKeyColumn) found.key = i;
    if (file.columns[i].field_id == kTimestampColumn) found.timestamp = i;
  }
  if (file.columns.size() < 2 || found.key == found.timestamp) {
    return DataLossError("deletes need a column of keys and one of timestamps");
  }
  const PhysicalType key = file.columns[found.key].type;
  if (file.columns[found.timestamp].type != PhysicalType::kInt64 ||
      (key != PhysicalType::kInt64 && key != PhysicalType::kByteArray &&
       key != PhysicalType::kFixedLenByteArray)) {
    return DataLossError(fmt::format("deletes with keys of type {} and timestamps of type {}",
                                     PhysicalTypeName(key),
                                     PhysicalTypeName(file.columns[found.timestamp].type)));
  }
  return found;
}

Status VisitKeyColumns(ByteSource& source, const ParquetFile& file, const Limits& limits,
                       const Visitor& visit) {
  MB_ASSIGN_OR_RETURN(const KeyColumns columns, FindKeyColumns(file));
  for (size_t group = 0; group < file.row_groups.size(); ++group) {
    MB_ASSIGN_OR_RETURN(const std::vector<uint64_t> timestamps,
                        ReadTimestamps(source, file, group, columns.timestamp, limits));
    MB_ASSIGN_OR_RETURN(ChunkReader chunk,
                        ChunkReader::Open(source, file, group, columns.key, limits));
    Batch batch;
    size_t next = 0;
    for (;;) {
      MB_ASSIGN_OR_RETURN(const bool has_rows, chunk.Next(batch));
      if (!has_rows) break;
      for (size_t i = 0; i < batch.rows; ++i) {
        MB_ASSIGN_OR_RETURN(const Key key, KeyAt(batch, i));
        MB_RETURN_IF_ERROR(visit({.key = key, .timestamp = timestamps[next++]}));
      }
    }
  }
  return Status::Ok();
}

Status VisitContainer(ByteSource& source, const Descriptor& descriptor, const Limits& limits,
                      DeltaLog& log, const Visitor& visit) {
  MB_ASSIGN_OR_RETURN(const std::vector<Event> events,
                      ReadEvents(source, descriptor, EventType::kDelete, limits));
  for (const Event& event : events) {
    InsertLog part;
    MB_ASSIGN_OR_RETURN(ParquetFile file,
                        OpenParquet(source, event.payload_offset, event.payload_size, limits));
    log.row_count += file.row_count;
    if (descriptor.version == kTwoColumns) {
      MB_RETURN_IF_ERROR(VisitKeyColumns(source, file, limits, visit));
      continue;
    }
    if (file.columns.size() != 1 || file.columns.front().type != PhysicalType::kByteArray) {
      return DataLossError("deletes that are not one column of texts");
    }
    part.files.push_back(std::move(file));
    ColumnReader rows(source, part, 0, limits);
    MB_RETURN_IF_ERROR(VisitTexts(rows, visit));
  }
  return Status::Ok();
}

}  // namespace

Result<DeltaLog> ReadDeltaLog(ByteSource& source, const Limits& limits, const Visitor& visit) {
  if (source.size() < 4) return DataLossError(fmt::format("{} bytes are no log", source.size()));
  DeltaLog log;
  MB_ASSIGN_OR_RETURN(const ByteView first_bytes, source.View(0, 4));
  if (StartsAsContainer(first_bytes)) {
    MB_ASSIGN_OR_RETURN(log.descriptor, ReadDescriptor(source));
    MB_RETURN_IF_ERROR(VisitContainer(source, *log.descriptor, limits, log, visit));
    return log;
  }
  MB_ASSIGN_OR_RETURN(const ParquetFile file, OpenParquet(source, 0, source.size(), limits));
  log.row_count = file.row_count;
  MB_RETURN_IF_ERROR(VisitKeyColumns(source, file, limits, visit));
  return log;
}

}  // namespace milvus_backup::binlog
