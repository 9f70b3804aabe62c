#include "milvus_backup/binlog/insert_log.h"

#include <fmt/format.h>

namespace milvus_backup::binlog {
namespace {

// Every event must repeat the column of the first, or rows would change their meaning on the way.
Status CheckSameColumn(const ParquetFile& first, const ParquetFile& file) {
  if (file.columns.size() != 1) {
    return DataLossError(fmt::format("an event with {} columns", file.columns.size()));
  }
  const ParquetColumn& column = file.columns.front();
  const ParquetColumn& expected = first.columns.front();
  if (column.type == expected.type && column.type_length == expected.type_length) {
    return Status::Ok();
  }
  return DataLossError("the events of the log have different types");
}

}  // namespace

std::optional<int64_t> InsertLog::field_id(size_t column_index) const {
  if (descriptor) return descriptor->field_id;
  return column(column_index).field_id;
}

std::optional<size_t> InsertLog::FindColumn(int64_t wanted) const {
  for (size_t i = 0; i < column_count(); ++i) {
    if (field_id(i) == wanted) return i;
  }
  return std::nullopt;
}

Result<InsertLog> OpenInsertLog(ByteSource& source, const Limits& limits) {
  if (source.size() < 4) return DataLossError(fmt::format("{} bytes are no log", source.size()));
  InsertLog log;
  MB_ASSIGN_OR_RETURN(const ByteView first_bytes, source.View(0, 4));
  if (StartsAsContainer(first_bytes)) {
    MB_ASSIGN_OR_RETURN(log.descriptor, ReadDescriptor(source));
    MB_ASSIGN_OR_RETURN(log.events,
                        ReadEvents(source, *log.descriptor, EventType::kInsert, limits));
    for (const Event& event : log.events) {
      MB_ASSIGN_OR_RETURN(ParquetFile file,
                          OpenParquet(source, event.payload_offset, event.payload_size, limits));
      log.files.push_back(std::move(file));
      MB_RETURN_IF_ERROR(CheckSameColumn(log.files.front(), log.files.back()));
    }
  } else {
    MB_ASSIGN_OR_RETURN(ParquetFile file, OpenParquet(source, 0, source.size(), limits));
    log.files.push_back(std::move(file));
  }
  for (const ParquetFile& file : log.files) log.row_count += file.row_count;
  return log;
}

Result<bool> ColumnReader::Next(Batch& batch) {
  while (file_ < log_->files.size()) {
    const ParquetFile& file = log_->files[file_];
    if (row_group_ == file.row_groups.size()) {
      ++file_;
      row_group_ = 0;
      continue;
    }
    if (!chunk_) {
      MB_ASSIGN_OR_RETURN(chunk_, ChunkReader::Open(*source_, file, row_group_, column_, limits_));
    }
    MB_ASSIGN_OR_RETURN(const bool has_rows, chunk_->Next(batch));
    if (has_rows) return true;
    chunk_.reset();
    ++row_group_;
  }
  return false;
}

}  // namespace milvus_backup::binlog
