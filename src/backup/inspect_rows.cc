#include "inspect_value.h"
#include "read_backup.h"
#include "row_reader.h"

#include "milvus_backup/backup/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace milvus_backup::backup {
namespace {

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

}  // namespace

Result<uint64_t> InspectRows(const CallContext& ctx, const BackupLocation& backup,
                             const CollectionName& name, uint64_t max_rows, RowFormat format,
                             const meta::TextSink& sink) {
  MB_ASSIGN_OR_RETURN(const meta::BackupInfo info,
                      ReadRestorable(ctx, *backup.backend, backup.dir));
  const auto found = std::ranges::find_if(info.collection_backups, [&](const auto& each) {
    return each.db_name == name.db && each.collection_name == name.collection;
  });
  if (found == info.collection_backups.end()) {
    return NotFoundError(fmt::format("the backup has no collection {}", name.ToString()))
        .WithAdvice("inspect without --rows shows what it has");
  }
  RowWriter writer(format, ShownFieldsOf(found->schema), sink);
  MB_RETURN_IF_ERROR(writer.Begin());
  if (max_rows > 0) {
    const RowVisitor write = [&](const std::vector<Cell>& cells) -> Result<bool> {
      MB_RETURN_IF_ERROR(writer.Write(cells));
      return writer.rows() < max_rows;
    };
    MB_RETURN_IF_ERROR(ForEachLiveRow(ctx, backup, *found, write));
  }
  MB_RETURN_IF_ERROR(writer.End());
  return writer.rows();
}

}  // namespace milvus_backup::backup
