#include "check_internal.h"

#include "milvus_backup/binlog/insert_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace milvus_backup::binlog {
namespace {

/// Milvus calls texts String or VarChar, depending on the version.
bool IsSameType(DataType a, DataType b) {
  const auto is_text = [](DataType type) {
    return type == DataType::kString || type == DataType::kVarChar;
  };
  return a == b || (is_text(a) && is_text(b));
}

const FieldFacts* FindField(const LogFacts& facts, int64_t field_id) {
  const auto found = std::ranges::find(*facts.fields, field_id, &FieldFacts::field_id);
  return found == facts.fields->end() ? nullptr : &*found;
}

/// What a column should hold. `payload_type` is what the log itself says, where it does.
FieldFacts ExpectedField(const LogFacts& facts, int64_t field_id,
                         std::optional<DataType> payload_type) {
  if (field_id == kRowIdField || field_id == kTimestampField) {
    return {.field_id = field_id, .type = DataType::kInt64};
  }
  if (const FieldFacts* field = FindField(facts, field_id)) return *field;
  // The dynamic columns, or a field that was dropped: the schema does not tell.
  return {.field_id = field_id, .type = payload_type.value_or(DataType{0})};
}

class InsertLogCheck {
 public:
  InsertLogCheck(ByteSource& source, const LogFacts& facts, const Limits& limits,
                 const FindingSink& report)
      : source_(source), facts_(facts), limits_(limits), report_(report) {}

  Result<InsertLogReport> Run() {
    Result<InsertLog> opened = OpenInsertLog(source_, limits_);
    if (!opened.ok()) return Unreadable(opened.status());
    log_ = *std::move(opened);
    if (log_.descriptor) {
      CheckIds(*log_.descriptor, facts_, report_);
      CheckPayloadType();
    }
    for (const ParquetFile& file : log_.files) {
      CheckLayout(file, log_.descriptor ? Severity::kError : Severity::kWarning, report_);
    }
    MB_RETURN_IF_ERROR(CheckColumns());
    return std::move(result_);
  }

 private:
  Result<InsertLogReport> Unreadable(const Status& status) {
    if (status.code() == Code::kUnimplemented && IsEncrypted()) {
      report_({Severity::kWarning, "content", "rows", "encrypted, not checked"});
      result_.encrypted = true;
    } else {
      MB_RETURN_IF_ERROR(ReportDamage(status, report_));
    }
    return std::move(result_);
  }

  bool IsEncrypted() {
    const Result<ByteView> first = source_.View(0, 4);
    if (!first.ok() || AsText(*first) == "PARE") return first.ok();
    const Result<Descriptor> descriptor = ReadDescriptor(source_);
    if (!descriptor.ok()) return false;
    CheckIds(*descriptor, facts_, report_);
    return descriptor->encrypted;
  }

  void CheckPayloadType() {
    const auto payload_type = static_cast<DataType>(log_.descriptor->payload_type);
    const FieldFacts expected = ExpectedField(facts_, log_.descriptor->field_id, payload_type);
    if (IsSameType(expected.type, payload_type)) return;
    report_({Severity::kError, "type of field " + expected.name, DataTypeName(expected.type),
             DataTypeName(payload_type)});
  }

  ColumnCheck MakeCheck(size_t column) const {
    const std::optional<int64_t> field_id = log_.field_id(column);
    std::optional<DataType> payload_type;
    if (log_.descriptor) payload_type = static_cast<DataType>(log_.descriptor->payload_type);
    FieldFacts field = ExpectedField(facts_, field_id.value_or(-1), payload_type);
    std::string name = field.name.empty()
                           ? fmt::format("field {}", field.field_id)
                           : fmt::format("field {} ({})", field.field_id, field.name);
    return {std::move(field), std::move(name), report_};
  }

  /// Columns whose pages make sense; the others have been reported.
  std::vector<bool> FindReadable(std::vector<ColumnCheck>& checks) {
    std::vector<bool> readable;
    for (size_t i = 0; i < checks.size(); ++i) {
      const ParquetColumn& column = log_.column(i);
      const std::optional<int64_t> field_id = log_.field_id(i);
      const FieldFacts* field = field_id ? FindField(facts_, *field_id) : nullptr;
      if (!field_id) {
        report_({Severity::kWarning, "column " + column.name, "the id of its field", "none"});
      }
      if (column.nested && field != nullptr && field->type == DataType::kArrayOfVector) {
        report_({Severity::kWarning, "field " + field->name, "a flat column",
                 "lists of vectors, not checked"});
        readable.push_back(false);
      } else {
        readable.push_back(checks[i].CheckType(column));
      }
    }
    return readable;
  }

  Status CheckColumns() {
    std::vector<ColumnCheck> checks;
    checks.reserve(log_.column_count());
    for (size_t i = 0; i < log_.column_count(); ++i) checks.push_back(MakeCheck(i));
    std::vector<bool> readable = FindReadable(checks);
    for (const ParquetFile& file : log_.files) {
      MB_RETURN_IF_ERROR(ReadRowGroups(file, checks, readable));
    }
    for (size_t i = 0; i < checks.size(); ++i) {
      checks[i].Finish();
      const int64_t field_id = log_.field_id(i).value_or(-1);
      // What the footer says counts where pages could not be read.
      result_.columns.push_back({.field_id = field_id, .rows = log_.row_count});
      if (field_id == kTimestampField) CheckTimestamps(checks[i]);
    }
    return Status::Ok();
  }

  /// In the order of the pages, so that the bytes are read once.
  Status ReadRowGroups(const ParquetFile& file, std::vector<ColumnCheck>& checks,
                       std::vector<bool>& readable) {
    for (size_t group = 0; group < file.row_groups.size(); ++group) {
      const std::vector<ColumnChunk>& chunks = file.row_groups[group].chunks;
      std::vector<size_t> order(chunks.size());
      for (size_t i = 0; i < order.size(); ++i) order[i] = i;
      std::ranges::sort(order, {}, [&](size_t i) { return chunks[i].offset; });
      for (const size_t column : order) {
        if (!readable[column]) continue;
        MB_ASSIGN_OR_RETURN(const bool is_sound,
                            checks[column].ReadChunk(source_, file, group, column, limits_));
        if (!is_sound) readable[column] = false;
      }
    }
    return Status::Ok();
  }

  // Writers that do not know the times say 0 in the descriptor and 1 in the event; Milvus 2.3 takes
  // the times of the first and the last row.
  void CheckTimestamps(const ColumnCheck& rows) {
    if (!log_.descriptor || !rows.min()) return;
    const auto begin = static_cast<int64_t>(log_.descriptor->start_timestamp);
    const auto end = static_cast<int64_t>(log_.descriptor->end_timestamp);
    if ((begin == 0 && end == 0) || (begin <= *rows.min() && *rows.max() <= end)) return;
    report_({Severity::kWarning, "timestamps", fmt::format("{} to {}", begin, end),
             fmt::format("{} to {}", *rows.min(), *rows.max())});
  }

  ByteSource& source_;
  const LogFacts& facts_;
  const Limits& limits_;
  const FindingSink& report_;
  InsertLog log_;
  InsertLogReport result_;
};

}  // namespace

bool IsDamage(const Status& status) {
  return status.origin() == Origin::kSelf &&
         (status.code() == Code::kDataLoss || status.code() == Code::kUnimplemented);
}

Status ReportDamage(const Status& status, const FindingSink& report) {
  if (!IsDamage(status)) return status;
  report({Severity::kError, "content", "a log that can be read", status.ToString()});
  return Status::Ok();
}

void CheckIds(const Descriptor& descriptor, const LogFacts& facts, const FindingSink& report) {
  const auto compare = [&](const char* what, int64_t expected, int64_t found) {
    if (expected == found) return;
    report({Severity::kError, what, std::to_string(expected), std::to_string(found)});
  };
  compare("collection id", facts.collection_id, descriptor.collection_id);
  compare("partition id", facts.partition_id, descriptor.partition_id);
  compare("segment id", facts.segment_id, descriptor.segment_id);
  compare("field id", facts.field_id, descriptor.field_id);
}

void CheckLayout(const ParquetFile& file, Severity severity, const FindingSink& report) {
  std::vector<std::pair<uint64_t, uint64_t>> spans;
  for (const RowGroup& group : file.row_groups) {
    for (const ColumnChunk& chunk : group.chunks) {
      spans.emplace_back(chunk.offset, chunk.offset + chunk.size);
    }
  }
  std::ranges::sort(spans);
  uint64_t end = file.pages_begin;
  for (const auto& [begin, chunk_end] : spans) {
    if (begin != end) break;
    end = chunk_end;
  }
  if (end == file.pages_end) return;
  report({severity, "pages", fmt::format("from {} to {}", file.pages_begin, file.pages_end),
          fmt::format("a gap or an overlap at {}", end)});
}

Result<InsertLogReport> CheckInsertLog(ByteSource& source, const LogFacts& facts,
                                       const Limits& limits, const FindingSink& report) {
  return InsertLogCheck(source, facts, limits, report).Run();
}

}  // namespace milvus_backup::binlog
