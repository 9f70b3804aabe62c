#include "inspect_value.h"
#include "segment_rows.h"

#include "milvus_backup/backup/inspect.h"
#include "milvus_backup/meta/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace milvus_backup::backup {
namespace {

constexpr char kDynamicName[] = "$meta";
constexpr size_t kTableWidth = 24;

/// Writes rows one after the other in one of the formats.
class RowWriter {
 public:
  RowWriter(RowFormat format, std::vector<ShownField> fields, const meta::TextSink& sink)
      : format_(format), fields_(std::move(fields)), sink_(sink) {}

  Status Begin() {
    if (format_ == RowFormat::kJson) return sink_("[");
    std::string line;
    for (const ShownField& field : fields_) AppendColumn(line, field.name, &field == &fields_[0]);
    return sink_(line + (format_ == RowFormat::kCsv ? "\r\n" : "\n"));
  }

  /// `cells` in the order of the fields.
  Status Write(const std::vector<Cell>& cells) {
    line_.clear();
    if (format_ == RowFormat::kJson) {
      line_ = rows_ == 0 ? "\n" : ",\n";
      MB_RETURN_IF_ERROR(AppendObject(cells));
    } else {
      for (size_t i = 0; i < cells.size(); ++i) {
        std::string text;
        MB_RETURN_IF_ERROR(AppendPlain(text, fields_[i], cells[i]));
        AppendColumn(line_, text, i == 0);
      }
      line_ += format_ == RowFormat::kCsv ? "\r\n" : "\n";
    }
    ++rows_;
    return sink_(line_);
  }

  Status End() {
    if (format_ != RowFormat::kJson) return Status::Ok();
    return sink_(rows_ == 0 ? "]\n" : "\n]\n");
  }
  uint64_t rows() const { return rows_; }

 private:
  Status AppendObject(const std::vector<Cell>& cells) {
    line_ += '{';
    for (size_t i = 0; i < cells.size(); ++i) {
      if (fields_[i].is_dynamic) {
        MB_RETURN_IF_ERROR(AppendDynamic(cells[i]));
        continue;
      }
      AppendName(fields_[i].name);
      MB_RETURN_IF_ERROR(AppendJson(line_, fields_[i], cells[i]));
    }
    line_ += '}';
    return Status::Ok();
  }

  void AppendName(std::string_view name) {
    if (line_.back() != '{') line_ += ',';
    AppendJsonString(line_, name);
    line_ += ':';
  }

  // A dynamic column with the name of a field would hide it.
  Status AppendDynamic(const Cell& cell) {
    if (cell.IsNull() || cell.batch->type != binlog::PhysicalType::kByteArray) return Status::Ok();
    const std::string_view object = cell.batch->texts[cell.row];
    if (object.empty()) return Status::Ok();
    return binlog::ForEachMember(object, [&](const std::string& name, std::string_view value) {
      if (std::ranges::find(fields_, name, &ShownField::name) == fields_.end()) {
        AppendName(name);
        line_ += value;
      }
      return Status::Ok();
    });
  }

  void AppendColumn(std::string& line, std::string_view text, bool is_first) const {
    if (format_ == RowFormat::kTable) {
      if (!is_first) line += "  ";
      line += FitToWidth(text);
      return;
    }
    if (!is_first) line += ',';
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
      line += text;
      return;
    }
    line += '"';
    for (const char c : text) line.append(c == '"' ? 2 : 1, c);
    line += '"';
  }

  /// Exactly kTableWidth characters, counted as code points.
  static std::string FitToWidth(std::string_view text) {
    std::string fitted;
    size_t width = 0;
    const auto is_start = [](char c) { return (static_cast<uint8_t>(c) & 0xC0U) != 0x80; };
    const auto characters = static_cast<size_t>(std::ranges::count_if(text, is_start));
    const size_t room = characters > kTableWidth ? kTableWidth - 3 : kTableWidth;
    for (const char c : text) {
      if (is_start(c) && ++width > room) break;
      fitted += static_cast<uint8_t>(c) < 0x20 ? ' ' : c;
    }
    if (characters > kTableWidth) return fitted + "...";
    return fitted.append(kTableWidth - characters, ' ');
  }

  RowFormat format_;
  std::vector<ShownField> fields_;
  const meta::TextSink& sink_;
  std::string line_;
  uint64_t rows_ = 0;
};

std::vector<ShownField> ShownFieldsOf(const meta::CollectionSchema& schema) {
  std::vector<ShownField> fields;
  bool has_dynamic = false;
  for (const meta::FieldSchema& field : schema.fields) {
    fields.push_back({.id = field.field_id,
                      .name = field.name,
                      .type = static_cast<binlog::DataType>(field.data_type),
                      .is_dynamic = field.is_dynamic});
    has_dynamic |= field.is_dynamic;
  }
  // Schemas of Milvus do not list the field that holds the dynamic columns; its id differs.
  if (schema.enable_dynamic_field && !has_dynamic) {
    fields.push_back(
        {.id = -1, .name = kDynamicName, .type = binlog::DataType::kJson, .is_dynamic = true});
  }
  return fields;
}

/// Goes through the segments of a collection.
class RowReader {
 public:
  RowReader(const CallContext& ctx, const BackupLocation& backup,
            const meta::CollectionBackup& collection, uint64_t max_rows, RowWriter& writer)
      : ctx_(ctx),
        backup_(backup),
        collection_(collection),
        fields_(ShownFieldsOf(collection.schema)),
        max_rows_(max_rows),
        writer_(writer) {}

  Status Run() {
    MB_ASSIGN_OR_RETURN(key_field_, KeyFieldOf(collection_));
    for (const meta::PartitionBackup& partition : collection_.partition_backups) {
      if (writer_.rows() >= max_rows_) break;
      MB_ASSIGN_OR_RETURN(binlog::DeleteSet l0,
                          ReadL0Deletes(ctx_, backup_, collection_, partition));
      for (const meta::SegmentBackup& segment : partition.segment_backups) {
        if (segment.is_l0) continue;
        MB_RETURN_IF_ERROR(
            ReadSegment(segment, l0).Annotate(fmt::format("segment {}", segment.segment_id)));
        if (writer_.rows() >= max_rows_) break;
      }
    }
    return Status::Ok();
  }

 private:
  Status ReadSegment(const meta::SegmentBackup& segment, binlog::DeleteSet& l0) {
    MB_ASSIGN_OR_RETURN(LiveRows live, LiveRows::Open(ctx_, backup_, segment, key_field_, &l0));
    std::vector<FieldReader> readers;
    for (const ShownField& field : fields_) {
      int64_t id = field.id;
      if (id < 0) {
        MB_ASSIGN_OR_RETURN(id, FindDynamicField(ctx_, backup_, segment, collection_.schema));
      }
      MB_ASSIGN_OR_RETURN(FieldReader reader, FieldReader::Open(ctx_, backup_, segment, id));
      readers.push_back(std::move(reader));
    }
    std::vector<Cell> cells(readers.size());
    for (int64_t row = 0; row < segment.num_of_rows && writer_.rows() < max_rows_; ++row) {
      MB_ASSIGN_OR_RETURN(const bool is_alive, live.Next());
      for (size_t i = 0; i < readers.size(); ++i) {
        MB_ASSIGN_OR_RETURN(cells[i], readers[i].Next());
      }
      if (is_alive) MB_RETURN_IF_ERROR(writer_.Write(cells));
    }
    return ctx_.Check();
  }

  CallContext ctx_;
  const BackupLocation& backup_;
  const meta::CollectionBackup& collection_;
  std::vector<ShownField> fields_;
  uint64_t max_rows_;
  RowWriter& writer_;
  int64_t key_field_ = 0;
};

}  // namespace

Result<uint64_t> InspectRows(const CallContext& ctx, const BackupLocation& backup,
                             const CollectionName& name, uint64_t max_rows, RowFormat format,
                             const meta::TextSink& sink) {
  MB_ASSIGN_OR_RETURN(const meta::BackupInfo info,
                      meta::ReadBackup(ctx, *backup.backend, backup.dir));
  MB_RETURN_IF_ERROR(meta::CheckRestorableFormat(info));
  const auto found = std::ranges::find_if(info.collection_backups, [&](const auto& each) {
    return each.db_name == name.db && each.collection_name == name.collection;
  });
  if (found == info.collection_backups.end()) {
    return NotFoundError(fmt::format("the backup has no collection {}", name.ToString()))
        .WithAdvice("inspect without --rows shows what it has");
  }
  RowWriter writer(format, ShownFieldsOf(found->schema), sink);
  MB_RETURN_IF_ERROR(writer.Begin());
  MB_RETURN_IF_ERROR(RowReader(ctx, backup, *found, max_rows, writer).Run());
  MB_RETURN_IF_ERROR(writer.End());
  return writer.rows();
}

}  // namespace milvus_backup::backup
