/// What the logs of one segment say together.
#pragma once

#include "milvus_backup/backup/verify_deep.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/binlog/check.h"
#include "milvus_backup/meta/backup_info.h"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// Facts of a collection that the checks of its logs share.
struct CollectionFacts {
  explicit CollectionFacts(const meta::CollectionBackup& collection);

  std::vector<binlog::FieldFacts> fields;
  bool has_dynamic_field = false;
};

/// One log of a segment.
struct SegmentLog {
  int64_t field_id = 0;
  int64_t log_id = 0;
  /// Bytes by the meta; 0 when it does not say.
  int64_t size = 0;
  bool is_delta = false;
};

/// Collects the row counts of the logs of a segment, from any thread, and compares them once all
/// are there.
class SegmentCheck {
 public:
  /// `segment` must outlive the object.
  SegmentCheck(const meta::SegmentBackup& segment, std::shared_ptr<const CollectionFacts> facts);

  const meta::SegmentBackup& segment() const { return segment_; }
  binlog::LogFacts FactsOf(const SegmentLog& log) const;
  std::vector<SegmentLog> Logs() const;

  /// Rows of a log, by field; none when it could not be read.
  void AddRows(const SegmentLog& log, const std::vector<binlog::ColumnFacts>& columns);
  /// The log was not looked at, or its rows are not known: the sums mean nothing.
  void MarkIncomplete();
  /// One log less to wait for; true for the last one.
  bool FinishLog();
  /// After the last log.
  std::vector<binlog::Finding> Compare() const;

 private:
  using RowsByLog = std::map<int64_t, uint64_t>;

  void CompareSums(std::vector<binlog::Finding>& findings) const;
  void CompareFiles(std::vector<binlog::Finding>& findings) const;

  const meta::SegmentBackup& segment_;
  const std::shared_ptr<const CollectionFacts> facts_;
  mutable std::mutex mutex_;
  size_t logs_left_ = 0;
  bool is_complete_ = true;
  /// Field → log id → rows.
  std::map<int64_t, RowsByLog> rows_;
};

}  // namespace milvus_backup::backup
