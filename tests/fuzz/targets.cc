#include "targets.h"

#include "milvus_backup/binlog/check.h"
#include "milvus_backup/binlog/column.h"
#include "milvus_backup/binlog/delta_log.h"
#include "milvus_backup/binlog/insert_log.h"
#include "milvus_backup/binlog/values.h"

#include <string>
#include <vector>

namespace milvus_backup::fuzz {
namespace {

/// Small, so that a fuzzer does not spend its time on large buffers.
constexpr binlog::Limits kLimits = {
    .max_page_bytes = kMiB, .max_footer_bytes = kMiB, .max_events = 64};

/// Errors of parsers say that the bytes are damaged or not supported, nothing else.
void CheckStatus(const Status& status) {
  MB_CHECK(status.ok() || status.code() == Code::kDataLoss ||
           status.code() == Code::kUnimplemented);
}

/// Reading every byte lets a sanitizer see views of memory that is not theirs.
unsigned SumOf(ByteView bytes) {
  unsigned sum = 0;
  for (const std::byte byte : bytes) sum += static_cast<unsigned>(byte);
  return sum;
}

void ReadColumns(binlog::MemorySource& source, const binlog::InsertLog& log) {
  volatile unsigned sum = 0;
  for (size_t column = 0; column < log.column_count(); ++column) {
    binlog::ColumnReader reader(source, log, column, kLimits);
    uint64_t rows = 0;
    binlog::Batch batch;
    // A few bytes may stand for very many equal rows.
    while (rows < 1'000'000) {
      const Result<bool> has_rows = reader.Next(batch);
      CheckStatus(has_rows.status());
      if (!has_rows.ok() || !*has_rows) break;
      MB_CHECK(batch.rows > 0 && batch.rows <= binlog::ChunkReader::kBatchRows);
      MB_CHECK(batch.fixed.size() == batch.rows * batch.width);
      MB_CHECK(batch.width != 0 || batch.texts.size() == batch.rows);
      sum = sum + SumOf(batch.fixed);
      for (const std::string_view text : batch.texts) sum = sum + SumOf(AsBytes(text));
      rows += batch.rows;
    }
    MB_CHECK(rows <= log.row_count);
  }
}

/// Some types, so that the checks of values are reached.
const std::vector<binlog::FieldFacts>& Fields() {
  static const std::vector<binlog::FieldFacts> fields = {
      {.field_id = 100, .type = binlog::DataType::kVarChar, .is_primary_key = true},
      {.field_id = 109, .type = binlog::DataType::kJson},
      {.field_id = 110, .type = binlog::DataType::kArray},
      {.field_id = 114, .type = binlog::DataType::kSparseFloatVector},
  };
  return fields;
}

}  // namespace

void InsertLog(ByteView bytes) {
  binlog::MemorySource source(bytes);
  const Result<binlog::InsertLog> log = binlog::OpenInsertLog(source, kLimits);
  CheckStatus(log.status());
  if (!log.ok() || log->row_count > 10'000'000) return;
  ReadColumns(source, *log);
  const binlog::LogFacts facts = {.fields = &Fields(), .has_dynamic_field = true};
  MB_CHECK(binlog::CheckInsertLog(source, facts, kLimits, [](const binlog::Finding&) {}).ok());
}

void DeltaLog(ByteView bytes) {
  binlog::MemorySource source(bytes);
  binlog::DeleteSet deletes;
  uint64_t left = 100'000;
  const Result<binlog::DeltaLog> log =
      binlog::ReadDeltaLog(source, kLimits, [&](const binlog::Delete& record) {
        deletes.Add(record);
        return --left == 0 ? DataLossError("enough") : Status::Ok();
      });
  CheckStatus(log.status());
  deletes.IsDead({.number = 1}, 1);
  deletes.IsDead({.is_text = true, .text = "k"}, 1);
}

void Parquet(ByteView bytes) {
  binlog::MemorySource source(bytes);
  binlog::InsertLog log;
  Result<binlog::ParquetFile> file = binlog::OpenParquet(source, 0, bytes.size(), kLimits);
  CheckStatus(file.status());
  if (!file.ok()) return;
  log.row_count = file->row_count;
  log.files.push_back(*std::move(file));
  ReadColumns(source, log);
}

void Values(ByteView bytes) {
  if (bytes.empty()) return;
  const std::string_view text = AsText(bytes.subspan(1));
  switch (static_cast<uint8_t>(bytes.front()) % 4) {
    case 0:
      CheckStatus(binlog::DecodeArray(text).status());
      return;
    case 1:
      CheckStatus(binlog::DecodeSparse(text).status());
      return;
    case 2:
      // What is an object member by member is JSON as a whole, if its texts are UTF-8.
      if (binlog::ForEachMember(text, [](const std::string&, std::string_view value) {
            CheckStatus(binlog::DecodeJsonString(value).status());
            return Status::Ok();
          }).ok()) {
        MB_CHECK(binlog::IsJson(text) || !binlog::IsUtf8(text));
      }
      return;
    default:
      if (binlog::IsJson(text)) MB_CHECK(binlog::IsUtf8(text));
      CheckStatus(binlog::DecodeJsonString(text).status());
  }
}

}  // namespace milvus_backup::fuzz
