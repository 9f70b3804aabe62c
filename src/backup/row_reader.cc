#include "row_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// Goes through the segments of a collection.
class RowReader {
 public:
  RowReader(const CallContext& ctx, const BackupLocation& backup,
            const meta::CollectionBackup& collection, const RowVisitor& visit)
      : ctx_(ctx),
        backup_(backup),
        collection_(collection),
        fields_(ShownFieldsOf(collection.schema)),
        visit_(visit) {}

  Status Run() {
    MB_ASSIGN_OR_RETURN(key_field_, KeyFieldOf(collection_));
    for (const meta::PartitionBackup& partition : collection_.partition_backups) {
      MB_ASSIGN_OR_RETURN(binlog::DeleteSet l0,
                          ReadL0Deletes(ctx_, backup_, collection_, partition));
      for (const meta::SegmentBackup& segment : partition.segment_backups) {
        if (segment.is_l0) continue;
        const Result<bool> goes_on = ReadSegment(segment, l0);
        if (!goes_on.ok()) {
          return goes_on.status().Annotate(fmt::format("segment {}", segment.segment_id));
        }
        if (!*goes_on) return Status::Ok();
      }
    }
    return Status::Ok();
  }

 private:
  /// Null for dynamic columns that the schema does not list.
  const meta::FieldSchema* SchemaOf(const ShownField& shown) const {
    const auto& fields = collection_.schema.fields;
    const auto found = std::ranges::find(fields, shown.id, &meta::FieldSchema::field_id);
    return found == fields.end() ? nullptr : &*found;
  }

  Result<bool> ReadSegment(const meta::SegmentBackup& segment, binlog::DeleteSet& l0) {
    MB_ASSIGN_OR_RETURN(LiveRows live, LiveRows::Open(ctx_, backup_, segment, key_field_, &l0));
    std::vector<FieldReader> readers;
    for (const ShownField& field : fields_) {
      int64_t id = field.id;
      if (id < 0) {
        MB_ASSIGN_OR_RETURN(id, FindDynamicField(ctx_, backup_, segment, collection_.schema));
      }
      MB_ASSIGN_OR_RETURN(FieldReader reader,
                          FieldReader::Open(ctx_, backup_, segment, id, SchemaOf(field)));
      readers.push_back(std::move(reader));
    }
    std::vector<Cell> cells(readers.size());
    for (int64_t row = 0; row < segment.num_of_rows; ++row) {
      MB_ASSIGN_OR_RETURN(const bool is_alive, live.Next());
      for (size_t i = 0; i < readers.size(); ++i) {
        MB_ASSIGN_OR_RETURN(cells[i], readers[i].Next());
      }
      if (!is_alive) continue;
      MB_ASSIGN_OR_RETURN(const bool goes_on, visit_(cells));
      if (!goes_on) return false;
    }
    MB_RETURN_IF_ERROR(ctx_.Check());
    return true;
  }

  const CallContext& ctx_;
  const BackupLocation& backup_;
  const meta::CollectionBackup& collection_;
  const std::vector<ShownField> fields_;
  const RowVisitor& visit_;
  int64_t key_field_ = 0;
};

}  // namespace

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

Status ForEachLiveRow(const CallContext& ctx, const BackupLocation& backup,
                      const meta::CollectionBackup& collection, const RowVisitor& visit) {
  return RowReader(ctx, backup, collection, visit).Run();
}

}  // namespace milvus_backup::backup
