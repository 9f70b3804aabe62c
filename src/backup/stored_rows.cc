#include "stored_rows.h"

#include "segment_rows.h"
#include "storage_source.h"

#include "milvus_backup/binlog/insert_log.h"
#include "milvus_backup/binlog/values.h"
#include "milvus_backup/meta/layout.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

/// Timestamps of some thousand rows fit, so that most logs take one request.
constexpr size_t kWindowBytes = 32 * kKiB;

struct FieldLogs {
  int64_t field_id = 0;
  int64_t bytes = 0;
  std::vector<meta::LogEntry> logs;
};

/// Timestamps are in every segment and take little space. A packed segment has groups of fields,
/// whose ids say nothing; the smallest does as well.
FieldLogs ChooseField(const meta::SegmentBackup& segment) {
  std::map<int64_t, FieldLogs> fields;
  for (const meta::LogEntry& log : segment.binlogs.Entries()) {
    FieldLogs& field = fields[log.field_id];
    field.field_id = log.field_id;
    field.bytes += log.log_size;
    field.logs.push_back(log);
  }
  if (const auto times = fields.find(binlog::kTimestampField); times != fields.end()) {
    return std::move(times->second);
  }
  auto smallest = fields.begin();
  for (auto it = fields.begin(); it != fields.end(); ++it) {
    if (it->second.bytes < smallest->second.bytes) smallest = it;
  }
  return std::move(smallest->second);
}

}  // namespace

StoredRowsCheck::StoredRowsCheck(const CallContext& ctx, const Place& milvus_storage, size_t width)
    : ctx_(ctx), storage_(milvus_storage), group_(width, ctx.stop) {}

bool StoredRowsCheck::Add(const meta::SegmentBackup& segment) {
  if (segment.is_l0 || segment.binlogs.log_count() == 0) return true;
  return group_.Submit([this, &segment](const std::stop_token& stop) {
    return Look({stop, ctx_.deadline}, segment);
  });
}

Status StoredRowsCheck::Wait() { return group_.Wait(); }

Status StoredRowsCheck::Look(const CallContext& ctx, const meta::SegmentBackup& segment) {
  const Result<uint64_t> rows = CountRows(ctx, segment);
  if (!rows.ok() && !IsAboutBytes(rows.status())) return rows.status();
  if (!rows.ok()) {
    const std::scoped_lock lock(mutex_);
    if (uncounted_.segments++ == 0) uncounted_.first = rows.status().ToString();
    return Status::Ok();
  }
  return Compare(segment, static_cast<int64_t>(*rows));
}

Result<uint64_t> StoredRowsCheck::CountRows(const CallContext& ctx,
                                            const meta::SegmentBackup& segment) const {
  const FieldLogs field = ChooseField(segment);
  uint64_t rows = 0;
  for (const meta::LogEntry& log : field.logs) {
    const std::string key = fmt::format("{}{}/{}", DirOf(segment), field.field_id, log.log_id);
    if (log.log_size == 0) return DataLossError(key + " is empty");
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<StorageSource> source,
                        StorageSource::Open(ctx, *storage_.backend, key,
                                            {.window_bytes = kWindowBytes, .on_bytes = {}}));
    const Result<binlog::InsertLog> opened = binlog::OpenInsertLog(*source, {});
    if (!opened.ok()) {
      return IsAboutBytes(opened.status()) ? opened.status().Annotate(key) : opened.status();
    }
    rows += opened->row_count;
  }
  return rows;
}

Status StoredRowsCheck::Compare(const meta::SegmentBackup& segment, int64_t rows) const {
  if (rows == segment.num_of_rows) return Status::Ok();
  const std::string dir = DirOf(segment);
  return DataLossError(fmt::format("segment {} has {} rows by Milvus, but its logs under '{}' "
                                   "hold {}: no restore of it could be right",
                                   segment.segment_id, segment.num_of_rows, dir, rows))
      .WithAdvice(rows > segment.num_of_rows
                      ? "logs lie there that Milvus does not know, left by a node that died "
                        "while it wrote; Milvus' garbage collection removes them some time "
                        "later (dataCoord.gc.missingTolerance), so run the backup again then"
                      : "logs of it are gone; put them back from a copy of that storage, or "
                        "back up the other collections");
}

std::string StoredRowsCheck::DirOf(const meta::SegmentBackup& segment) const {
  return storage_.Key(
      meta::SourceInsertDir("", segment.collection_id, segment.partition_id, segment.segment_id));
}

}  // namespace milvus_backup::backup
