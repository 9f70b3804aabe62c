#include "segment_rows.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/binlog/values.h"
#include "milvus_backup/meta/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <variant>

namespace milvus_backup::backup {
namespace {

/// Segments of this version have a log per group of fields.
constexpr int64_t kPackedStorage = 2;
/// One per field is open at a time.
constexpr size_t kWindowBytes = 512 * kKiB;

using LogsByField = std::map<int64_t, std::vector<int64_t>>;

/// Log ids of every field, oldest first: they are handed out in time order.
LogsByField GroupLogs(const meta::LogList& logs) {
  LogsByField fields;
  for (const meta::LogEntry& log : logs.Entries()) fields[log.field_id].push_back(log.log_id);
  for (auto& [field, ids] : fields) std::ranges::sort(ids);
  return fields;
}

/// A log that is listed must be there.
Result<std::unique_ptr<StorageSource>> OpenListed(const CallContext& ctx,
                                                  const BackupLocation& source,
                                                  const std::string& key) {
  auto opened = StorageSource::Open(ctx, *source.backend, key, {.window_bytes = kWindowBytes});
  if (opened.ok() || opened.status().code() != Code::kNotFound) return opened;
  return DataLossError(key + " is missing");
}

bool IsInSchema(const meta::CollectionSchema& schema, int64_t field_id) {
  return field_id < binlog::kFirstUserField ||
         std::ranges::find(schema.fields, field_id, &meta::FieldSchema::field_id) !=
             schema.fields.end();
}

/// Dynamic columns are JSON; packed logs do not tell JSON from other bytes.
bool MayBeDynamic(const binlog::InsertLog& log, size_t column) {
  if (log.descriptor) {
    return log.descriptor->payload_type == static_cast<int32_t>(binlog::DataType::kJson);
  }
  return log.column(column).type == binlog::PhysicalType::kByteArray;
}

}  // namespace

bool IsAboutBytes(const Status& status) {
  return status.code() == Code::kDataLoss || status.code() == Code::kUnimplemented;
}

Result<binlog::Key> KeyOf(const Cell& cell) {
  if (cell.IsNull()) return DataLossError("a row without a primary key");
  switch (cell.batch->type) {
    case binlog::PhysicalType::kInt64:
      return binlog::Key{.number = cell.batch->As<int64_t>()[cell.row]};
    case binlog::PhysicalType::kByteArray:
      return binlog::Key{.is_text = true, .text = cell.batch->texts[cell.row]};
    default:
      return DataLossError("primary keys that are neither integers nor texts");
  }
}

Result<uint64_t> TimeOf(const Cell& cell) {
  if (cell.IsNull() || cell.batch->type != binlog::PhysicalType::kInt64) {
    return DataLossError("a row without a timestamp");
  }
  return static_cast<uint64_t>(cell.batch->As<int64_t>()[cell.row]);
}

template <typename T>
void DefaultValue::SetNumber(binlog::PhysicalType type, T number) {
  static_assert(sizeof(T) <= sizeof(number_));
  std::memcpy(number_.data(), &number, sizeof(T));
  batch_ = {.type = type, .rows = 1, .width = sizeof(T), .fixed = {number_.data(), sizeof(T)}};
}

void DefaultValue::SetText(std::string_view text) {
  text_ = text;
  view_ = text_;
  batch_ = {.type = binlog::PhysicalType::kByteArray, .rows = 1, .texts = {&view_, 1}};
}

Result<std::unique_ptr<const DefaultValue>> DefaultValue::Of(const meta::FieldSchema& field) {
  const auto damaged = [&](std::string_view problem) {
    return DataLossError(fmt::format("the default value of field {} {}", field.name, problem));
  };
  std::string bytes = field.default_value_proto;
  if (!field.default_value_base64.empty()) {
    auto raw = Base64Decode(field.default_value_base64);
    if (!raw.ok()) return damaged("is no base64");
    bytes = *std::move(raw);
  }
  const auto decoded = binlog::DecodeScalar(bytes);
  if (!decoded.ok()) return damaged("is cut off");
  const binlog::ScalarValue& value = *decoded;
  if (std::holds_alternative<std::monostate>(value)) return std::unique_ptr<const DefaultValue>();
  std::unique_ptr<DefaultValue> result(new DefaultValue());
  using binlog::DataType;
  using binlog::PhysicalType;
  const auto type = static_cast<DataType>(field.data_type);
  const auto* integer = std::get_if<int64_t>(&value);
  switch (type) {
    case DataType::kBool:
      if (const auto* flag = std::get_if<bool>(&value)) {
        result->SetNumber<uint8_t>(PhysicalType::kBoolean, *flag ? 1 : 0);
      }
      break;
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32:
      if (integer) result->SetNumber(PhysicalType::kInt32, static_cast<int32_t>(*integer));
      break;
    case DataType::kInt64:
    case DataType::kTimestamptz:
      if (integer) result->SetNumber(PhysicalType::kInt64, *integer);
      break;
    case DataType::kFloat:
      if (const auto* number = std::get_if<float>(&value)) {
        result->SetNumber(PhysicalType::kFloat, *number);
      }
      break;
    case DataType::kDouble:
      if (const auto* number = std::get_if<double>(&value)) {
        result->SetNumber(PhysicalType::kDouble, *number);
      }
      break;
    default:
      if (const auto* text = std::get_if<std::string_view>(&value)) result->SetText(*text);
  }
  if (result->batch_.rows == 0) return damaged("is no " + binlog::DataTypeName(type));
  return std::unique_ptr<const DefaultValue>(std::move(result));
}

Result<FieldReader> FieldReader::Open(const CallContext& ctx, const BackupLocation& source,
                                      const meta::SegmentBackup& segment, int64_t field_id,
                                      const meta::FieldSchema* schema) {
  FieldReader reader(ctx, source, field_id);
  MB_RETURN_IF_ERROR(reader.CollectKeys(segment));
  MB_RETURN_IF_ERROR(reader.SkipMissing(segment));
  if (schema != nullptr && (reader.keys_.empty() || reader.missing_ > 0)) {
    MB_ASSIGN_OR_RETURN(reader.default_, DefaultValue::Of(*schema));
  }
  return reader;
}

// A column group is found by the footer of its newest log; its id says nothing.
Status FieldReader::CollectKeys(const meta::SegmentBackup& segment) {
  for (const auto& [group, ids] : GroupLogs(segment.binlogs)) {
    const bool is_packed = segment.storage_version == kPackedStorage;
    if (!is_packed && group != field_id_) continue;
    std::vector<std::string> keys;
    for (const int64_t id : ids) {
      keys.push_back(meta::InsertLogKey(source_->dir, segment, group, id));
    }
    if (is_packed) {
      keys_ = {keys.back()};
      next_key_ = 0;
      MB_RETURN_IF_ERROR(OpenLog());
      if (!log_->FindColumn(field_id_)) continue;
    }
    keys_ = std::move(keys);
    next_key_ = 0;
    return Status::Ok();
  }
  keys_.clear();
  next_key_ = 0;
  return Status::Ok();
}

// A field that was added later has fewer logs than others; they belong to the last rows.
Status FieldReader::SkipMissing(const meta::SegmentBackup& segment) {
  size_t most = 0;
  for (const auto& [group, ids] : GroupLogs(segment.binlogs)) most = std::max(most, ids.size());
  if (keys_.empty() || keys_.size() == most) return Status::Ok();
  uint64_t rows = 0;
  while (next_key_ < keys_.size()) {
    MB_RETURN_IF_ERROR(OpenLog());
    rows += log_->row_count;
  }
  next_key_ = 0;
  const auto all = static_cast<uint64_t>(segment.num_of_rows);
  missing_ = all - std::min(all, rows);
  return Status::Ok();
}

Status FieldReader::InLog(const Status& status) const {
  if (!IsAboutBytes(status)) return status;
  return status.Annotate(keys_[next_key_ - 1]);
}

Status FieldReader::OpenLog() {
  rows_.reset();
  log_source_.reset();
  batch_ = std::make_unique<binlog::Batch>();
  row_ = 0;
  const std::string& key = keys_[next_key_++];
  MB_ASSIGN_OR_RETURN(log_source_, OpenListed(ctx_, *source_, key));
  Result<binlog::InsertLog> log = binlog::OpenInsertLog(*log_source_, {});
  if (!log.ok()) return InLog(log.status());
  log_ = std::make_unique<binlog::InsertLog>(*std::move(log));
  return Status::Ok();
}

Result<bool> FieldReader::NextBatch() {
  for (;;) {
    if (rows_) {
      const Result<bool> has_rows = rows_->Next(*batch_);
      if (!has_rows.ok()) return InLog(has_rows.status());
      row_ = 0;
      if (*has_rows) return true;
    }
    if (next_key_ == keys_.size()) return false;
    MB_RETURN_IF_ERROR(OpenLog());
    const std::optional<size_t> column = log_->FindColumn(field_id_);
    if (!column) {
      return InLog(DataLossError(fmt::format("the log does not hold field {}", field_id_)));
    }
    rows_ = std::make_unique<binlog::ColumnReader>(*log_source_, *log_, *column, binlog::Limits());
  }
}

Result<Cell> FieldReader::Next() {
  if (missing_ > 0) {
    --missing_;
    return Missing();
  }
  if (keys_.empty()) return Missing();
  if (!batch_ || row_ == batch_->rows) {
    MB_ASSIGN_OR_RETURN(const bool has_rows, NextBatch());
    if (!has_rows) {
      return InLog(DataLossError(fmt::format("field {} has too few rows", field_id_)));
    }
  }
  return Cell{.batch = batch_.get(), .row = row_++};
}

Result<int64_t> FindDynamicField(const CallContext& ctx, const BackupLocation& source,
                                 const meta::SegmentBackup& segment,
                                 const meta::CollectionSchema& schema) {
  int64_t found = -1;
  for (const auto& [group, ids] : GroupLogs(segment.binlogs)) {
    // Logs of one field of the schema need not be opened.
    if (segment.storage_version != kPackedStorage && IsInSchema(schema, group)) continue;
    const std::string key = meta::InsertLogKey(source.dir, segment, group, ids.back());
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<StorageSource> bytes, OpenListed(ctx, source, key));
    const Result<binlog::InsertLog> log = binlog::OpenInsertLog(*bytes, {});
    if (!log.ok()) {
      return IsAboutBytes(log.status()) ? log.status().Annotate(key) : log.status();
    }
    for (size_t i = 0; i < log->column_count(); ++i) {
      const int64_t id = log->field_id(i).value_or(-1);
      if (!IsInSchema(schema, id) && MayBeDynamic(*log, i)) found = std::max(found, id);
    }
  }
  return found;
}

Status ReadDeletes(const CallContext& ctx, const BackupLocation& source,
                   const meta::SegmentBackup& segment, binlog::DeleteSet& deletes) {
  for (const meta::LogEntry& log : segment.deltalogs.Entries()) {
    const std::string key = meta::DeltaLogKey(source.dir, segment, log.log_id);
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<StorageSource> bytes, OpenListed(ctx, source, key));
    const Status read = binlog::ReadDeltaLog(*bytes, {}, [&](const binlog::Delete& record) {
                          deletes.Add(record);
                          return Status::Ok();
                        }).status();
    if (!read.ok()) return IsAboutBytes(read) ? read.Annotate(key) : read;
  }
  return Status::Ok();
}

Result<int64_t> KeyFieldOf(const meta::CollectionBackup& collection) {
  const auto& fields = collection.schema.fields;
  const auto key = std::ranges::find(fields, true, &meta::FieldSchema::is_primary_key);
  if (key != fields.end()) return key->field_id;
  return DataLossError(
      fmt::format("the schema of {} has no primary key", collection.collection_name));
}

Result<binlog::DeleteSet> ReadL0Deletes(const CallContext& ctx, const BackupLocation& source,
                                        const meta::CollectionBackup& collection,
                                        const meta::PartitionBackup& partition) {
  binlog::DeleteSet deletes;
  for (const meta::SegmentBackup& segment : collection.l0_segments) {
    MB_RETURN_IF_ERROR(ReadDeletes(ctx, source, segment, deletes));
  }
  for (const meta::SegmentBackup& segment : partition.segment_backups) {
    if (segment.is_l0) MB_RETURN_IF_ERROR(ReadDeletes(ctx, source, segment, deletes));
  }
  return deletes;
}

Result<LiveRows> LiveRows::Open(const CallContext& ctx, const BackupLocation& source,
                                const meta::SegmentBackup& segment, int64_t key_field,
                                binlog::DeleteSet* l0_deletes) {
  MB_ASSIGN_OR_RETURN(FieldReader keys, FieldReader::Open(ctx, source, segment, key_field));
  MB_ASSIGN_OR_RETURN(FieldReader timestamps,
                      FieldReader::Open(ctx, source, segment, binlog::kTimestampField));
  LiveRows rows(std::move(keys), std::move(timestamps), l0_deletes);
  rows.deletes_ = std::make_unique<binlog::DeleteSet>();
  MB_RETURN_IF_ERROR(ReadDeletes(ctx, source, segment, *rows.deletes_));
  return rows;
}

Result<bool> LiveRows::Next() {
  MB_ASSIGN_OR_RETURN(const Cell key, keys_.Next());
  MB_ASSIGN_OR_RETURN(const Cell timestamp, timestamps_.Next());
  MB_ASSIGN_OR_RETURN(const uint64_t time, TimeOf(timestamp));
  MB_ASSIGN_OR_RETURN(const binlog::Key row_key, KeyOf(key));
  if (deletes_->IsDead(row_key, time)) return false;
  return l0_deletes_ == nullptr || !l0_deletes_->IsDead(row_key, time);
}

}  // namespace milvus_backup::backup
