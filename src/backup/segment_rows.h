/// The rows of a segment, put together from its logs, and which of them are deleted.
#pragma once

#include "storage_source.h"

#include "milvus_backup/backup/inspect.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/binlog/column.h"
#include "milvus_backup/binlog/delta_log.h"
#include "milvus_backup/binlog/insert_log.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/storage/backend.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::backup {

/// One value. Its batch lasts until the reader moves on.
struct Cell {
  /// Null: the segment has no value of this field in this row, because the field is younger, and
  /// the field has no default value.
  const binlog::Batch* batch = nullptr;
  size_t row = 0;

  bool IsNull() const { return batch == nullptr || batch->IsNull(row); }
};

/// Whether a status says something of a log's bytes, not that they could not be had.
bool IsAboutBytes(const Status& status);

/// The value as a primary key, which lasts as long as the cell; kDataLoss when it is none.
Result<binlog::Key> KeyOf(const Cell& cell);
/// The value as a hybrid timestamp; kDataLoss when it is none.
Result<uint64_t> TimeOf(const Cell& cell);

/// The default value of a field, which its rows have that are older than the field.
class DefaultValue {
 public:
  /// Null when the field has none. kDataLoss when its bytes are no value of the field's type.
  static Result<std::unique_ptr<const DefaultValue>> Of(const meta::FieldSchema& field);

  const binlog::Batch& batch() const { return batch_; }

 private:
  DefaultValue() = default;
  template <typename T>
  void SetNumber(binlog::PhysicalType type, T number);
  void SetText(std::string_view text);

  std::string text_;
  std::string_view view_;
  alignas(8) std::array<std::byte, 8> number_{};
  /// Of one row; points into the object.
  binlog::Batch batch_;
};

/// All values of one field of a segment, in the order of rows. Holds one log open.
class FieldReader {
 public:
  /// `field_id` is found by its own logs, or in the column groups of a packed segment. `schema`
  /// (null: not known) says what rows have that are older than the field.
  static Result<FieldReader> Open(const CallContext& ctx, const BackupLocation& source,
                                  const meta::SegmentBackup& segment, int64_t field_id,
                                  const meta::FieldSchema* schema = nullptr);

  /// The value of the next row; kDataLoss when the logs hold fewer.
  Result<Cell> Next();

 private:
  FieldReader(const CallContext& ctx, const BackupLocation& source, int64_t field_id)
      : ctx_(ctx), source_(&source), field_id_(field_id) {}

  Status CollectKeys(const meta::SegmentBackup& segment);
  Status SkipMissing(const meta::SegmentBackup& segment);
  Status OpenLog();
  Cell Missing() const { return default_ ? Cell{.batch = &default_->batch(), .row = 0} : Cell{}; }
  Result<bool> NextBatch();
  /// Put the log's key in front of what went wrong with its bytes.
  Status InLog(const Status& status) const;

  CallContext ctx_;
  const BackupLocation* source_;
  int64_t field_id_;
  /// Keys of the logs that hold the field, oldest first.
  std::vector<std::string> keys_;
  size_t next_key_ = 0;
  /// Rows at the beginning of the segment that are older than the field.
  uint64_t missing_ = 0;
  std::unique_ptr<const DefaultValue> default_;
  // On the heap, so that readers of a log stay valid when this object moves.
  std::unique_ptr<StorageSource> log_source_;
  std::unique_ptr<binlog::InsertLog> log_;
  std::unique_ptr<binlog::ColumnReader> rows_;
  std::unique_ptr<binlog::Batch> batch_;
  size_t row_ = 0;
};

/// Id of the field that holds the dynamic columns: it has logs, but is not in the schema. One that
/// no field has when the segment does not hold any.
Result<int64_t> FindDynamicField(const CallContext& ctx, const BackupLocation& source,
                                 const meta::SegmentBackup& segment,
                                 const meta::CollectionSchema& schema);

/// The logs of `segment` that hold deletes, read into `deletes`.
Status ReadDeletes(const CallContext& ctx, const BackupLocation& source,
                   const meta::SegmentBackup& segment, binlog::DeleteSet& deletes);

/// Says of every row of a segment whether it is alive.
class LiveRows {
 public:
  /// `l0_deletes` (null: none) apply besides the segment's own and must outlive the object.
  static Result<LiveRows> Open(const CallContext& ctx, const BackupLocation& source,
                               const meta::SegmentBackup& segment, int64_t key_field,
                               binlog::DeleteSet* l0_deletes);

  /// Whether the next row is alive.
  Result<bool> Next();

 private:
  LiveRows(FieldReader keys, FieldReader timestamps, binlog::DeleteSet* l0_deletes)
      : keys_(std::move(keys)), timestamps_(std::move(timestamps)), l0_deletes_(l0_deletes) {}

  FieldReader keys_;
  FieldReader timestamps_;
  std::unique_ptr<binlog::DeleteSet> deletes_;
  binlog::DeleteSet* l0_deletes_;
};

/// Id of the primary key; kDataLoss when the schema has none.
Result<int64_t> KeyFieldOf(const meta::CollectionBackup& collection);

/// The deletes that apply to every segment of `partition` besides the segments' own.
Result<binlog::DeleteSet> ReadL0Deletes(const CallContext& ctx, const BackupLocation& source,
                                        const meta::CollectionBackup& collection,
                                        const meta::PartitionBackup& partition);

}  // namespace milvus_backup::backup
