#include "flush_cut.h"

#include "segment_rows.h"
#include "storage_source.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/binlog/delta_log.h"
#include "milvus_backup/binlog/delta_writer.h"
#include "milvus_backup/binlog/values.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/totals.h"
#include "milvus_backup/storage/tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// Segments looked at side by side, each with a window of one log.
constexpr size_t kParallelLooks = 8;
constexpr size_t kWindowBytes = 64 * kKiB;
/// Timestamps up to here mean that a writer did not know.
constexpr uint64_t kUnknownTime = 1;

/// What of a segment is later than the moment.
struct Look {
  /// Delta logs with later deletes.
  std::vector<int64_t> late_logs;
  uint64_t first_row = std::numeric_limits<uint64_t>::max();
  uint64_t last_row = 0;
};

/// What becomes of a delta log: other bytes, or none.
struct Change {
  std::string key;
  std::string bytes;
};

/// A primary key that stays when the log it was read from is gone.
struct OwnedKey {
  explicit OwnedKey(const binlog::Key& key)
      : is_text(key.is_text), number(key.number), text(key.text) {}
  binlog::Key View() const { return {.is_text = is_text, .number = number, .text = text}; }
  friend bool operator<(const OwnedKey& a, const OwnedKey& b) {
    return std::tie(a.is_text, a.number, a.text) < std::tie(b.is_text, b.number, b.text);
  }

  bool is_text;
  int64_t number;
  std::string text;
};

/// The later rows of one key in one segment.
struct LateRows {
  uint64_t last = 0;
  size_t count = 0;
  /// A version from before the moment is alive beside them.
  bool has_older = false;
};
using LateKeys = std::map<OwnedKey, LateRows>;

using DeleteVisitor = std::function<Status(const binlog::Delete&)>;

class Cutter {
 public:
  Cutter(const CallContext& ctx, const BackupLocation& backup, const FlushCut& cut,
         std::vector<meta::SegmentBackup>& segments)
      : ctx_(ctx), backup_(backup), cut_(cut), segments_(segments), looks_(segments.size()) {}

  Result<FlushCutReport> Run() {
    MB_RETURN_IF_ERROR(LookAtAll());
    for (size_t i = 0; i < segments_.size(); ++i) {
      const Look& look = looks_[i];
      if (IsLater(look)) {
        MB_RETURN_IF_ERROR(LeaveOut(segments_[i]));
      } else {
        MB_RETURN_IF_ERROR(Tolerate(CutSegment(segments_[i], look), segments_[i]));
      }
    }
    // Not before: the deletes of L0 segments are looked for wherever these stand.
    size_t kept = 0;
    for (size_t i = 0; i < segments_.size(); ++i) {
      if (IsLater(looks_[i])) continue;
      if (kept != i) segments_[kept] = std::move(segments_[i]);
      ++kept;
    }
    segments_.erase(segments_.begin() + static_cast<std::ptrdiff_t>(kept), segments_.end());
    return report_;
  }

 private:
  /// All of the segment's rows are.
  bool IsLater(const Look& look) const { return look.last_row > 0 && look.first_row > cut_.moment; }

  Status LookAtAll() {
    TaskGroup group(kParallelLooks, ctx_.stop);
    for (size_t i = 0; i < segments_.size(); ++i) {
      const bool has_rows = segments_[i].num_of_rows > 0 && !segments_[i].is_l0;
      const bool reads_rows = has_rows && cut_.may_be_younger(segments_[i].segment_id);
      if (!reads_rows && segments_[i].deltalogs.log_count() == 0) continue;
      const bool taken = group.Submit([this, i, reads_rows](const std::stop_token& stop) {
        const CallContext ctx{stop, ctx_.deadline};
        Status looked = LookAtDeletes(ctx, segments_[i], looks_[i]);
        if (looked.ok() && reads_rows) looked = LookAtRows(ctx, segments_[i], looks_[i]);
        if (!looked.ok()) looks_[i] = {};
        return Tolerate(std::move(looked), segments_[i]);
      });
      if (!taken) break;
    }
    return group.Wait();
  }

  /// Only what the bytes say is tolerated, not that they could not be had.
  static Status Tolerate(Status status, const meta::SegmentBackup& segment) {
    if (status.ok() || !IsAboutBytes(status)) return status;
    log::Warn(
        "segment={} is kept as it is, changes during the backup included: its logs cannot be "
        "read: {}",
        segment.segment_id, status.ToString());
    return Status::Ok();
  }

  Result<std::unique_ptr<StorageSource>> Open(const CallContext& ctx,
                                              const std::string& key) const {
    return StorageSource::Open(ctx, *backup_.backend, key, {.window_bytes = kWindowBytes});
  }

  Status ReadLog(const CallContext& ctx, const std::string& key, const DeleteVisitor& visit) const {
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<StorageSource> source, Open(ctx, key));
    const Status read = binlog::ReadDeltaLog(*source, {}, visit).status();
    return IsAboutBytes(read) ? read.Annotate(key) : read;
  }

  Status LookAtDeletes(const CallContext& ctx, const meta::SegmentBackup& segment,
                       Look& look) const {
    for (const meta::LogEntry& log : segment.deltalogs.Entries()) {
      const std::string key = meta::DeltaLogKey(backup_.dir, segment, log.log_id);
      bool is_late = false;
      MB_ASSIGN_OR_RETURN(const std::optional<uint64_t> last, LastDelete(ctx, key));
      if (last) {
        is_late = *last > cut_.moment;
      } else {
        MB_RETURN_IF_ERROR(ReadLog(ctx, key, [&](const binlog::Delete& record) {
          is_late |= record.timestamp > cut_.moment;
          return Status::Ok();
        }));
      }
      if (is_late) look.late_logs.push_back(log.log_id);
    }
    return Status::Ok();
  }

  /// As the headers of the log say it: writers know, or say that they do not.
  Result<std::optional<uint64_t>> LastDelete(const CallContext& ctx, const std::string& key) const {
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<StorageSource> source, Open(ctx, key));
    if (source->size() < 4) return DataLossError(key + " is too short for a log");
    MB_ASSIGN_OR_RETURN(const ByteView first_bytes, source->View(0, 4));
    if (!binlog::StartsAsContainer(first_bytes)) return std::optional<uint64_t>();
    const auto descriptor = binlog::ReadDescriptor(*source);
    if (!descriptor.ok()) return descriptor.status().Annotate(key);
    const auto events =
        binlog::ReadEvents(*source, *descriptor, binlog::EventType::kDelete, binlog::Limits());
    if (!events.ok()) return events.status().Annotate(key);
    uint64_t last = 0;
    for (const binlog::Event& event : *events) {
      if (event.end_timestamp <= kUnknownTime) return std::optional<uint64_t>();
      last = std::max(last, event.end_timestamp);
    }
    return std::optional(last);
  }

  /// Call `visit` with the timestamp of every row.
  template <typename Visit>
  Status ForEachTime(const CallContext& ctx, const meta::SegmentBackup& segment,
                     const Visit& visit) const {
    MB_ASSIGN_OR_RETURN(FieldReader times,
                        FieldReader::Open(ctx, backup_, segment, binlog::kTimestampField));
    for (int64_t row = 0; row < segment.num_of_rows; ++row) {
      MB_ASSIGN_OR_RETURN(const Cell cell, times.Next());
      MB_ASSIGN_OR_RETURN(const uint64_t time, TimeOf(cell));
      MB_RETURN_IF_ERROR(visit(time));
    }
    return Status::Ok();
  }

  Status LookAtRows(const CallContext& ctx, const meta::SegmentBackup& segment, Look& look) const {
    return ForEachTime(ctx, segment, [&](uint64_t time) {
      look.first_row = std::min(look.first_row, time);
      look.last_row = std::max(look.last_row, time);
      return Status::Ok();
    });
  }

  Status CutSegment(meta::SegmentBackup& segment, const Look& look) {
    LateKeys late;
    if (look.last_row > cut_.moment) MB_RETURN_IF_ERROR(FindLateRows(segment, late));
    if (late.empty() && look.late_logs.empty()) return Status::Ok();
    // All bytes are known before the first is written: a log may turn out to be unreadable.
    std::vector<Change> changes;
    std::vector<meta::FieldBinlog> fields = segment.deltalogs.Unpack();
    size_t deletes_left_out = 0;
    for (meta::FieldBinlog& field : fields) {
      MB_ASSIGN_OR_RETURN(const size_t count,
                          LeaveOutLateDeletes(segment, look.late_logs, field.binlogs, changes));
      deletes_left_out += count;
    }
    if (!late.empty()) {
      if (fields.empty()) fields.emplace_back();
      MB_RETURN_IF_ERROR(DeleteLateRows(segment, late, fields.front().binlogs, changes));
    }
    for (const Change& change : changes) MB_RETURN_IF_ERROR(Apply(change));
    segment.deltalogs = meta::LogList(std::span<const meta::FieldBinlog>(fields));
    segment.size = meta::SumLogSizes(segment);
    report_.deletes_left_out += deletes_left_out;
    for (const auto& [key, rows] : late) {
      report_.rows_deleted += rows.has_older ? rows.count - 1 : rows.count;
    }
    return Status::Ok();
  }

  Status Apply(const Change& change) const {
    if (change.bytes.empty()) return backup_.backend->Delete(ctx_, change.key);
    return backup_.backend->Put(ctx_, change.key, AsBytes(change.bytes), {}).status();
  }

  Status LeaveOut(const meta::SegmentBackup& segment) {
    for (const std::string& dir : {meta::InsertSegmentDir(backup_.dir, segment),
                                   meta::DeltaSegmentDir(backup_.dir, segment)}) {
      MB_RETURN_IF_ERROR(storage::DeleteTree(ctx_, *backup_.backend, dir).status());
    }
    ++report_.segments_left_out;
    return Status::Ok();
  }

  /// The logs in question anew without what is later; one that would be empty goes. Returns the
  /// number of deletes left out.
  Result<size_t> LeaveOutLateDeletes(const meta::SegmentBackup& segment,
                                     const std::vector<int64_t>& late_logs,
                                     std::vector<meta::Binlog>& logs,
                                     std::vector<Change>& changes) const {
    size_t left_out = 0;
    for (meta::Binlog& log : logs) {
      if (std::ranges::count(late_logs, log.log_id) == 0) continue;
      const std::string key = meta::DeltaLogKey(backup_.dir, segment, log.log_id);
      binlog::DeltaLogWriter writer = NewLog(segment);
      MB_RETURN_IF_ERROR(ReadLog(ctx_, key, [&](const binlog::Delete& record) {
        if (record.timestamp <= cut_.moment) {
          writer.Add(record);
        } else {
          ++left_out;
        }
        return Status::Ok();
      }));
      MB_RETURN_IF_ERROR(Replace(key, writer, log, changes));
    }
    std::erase_if(logs, [](const meta::Binlog& log) { return log.log_size == 0; });
    return left_out;
  }

  static binlog::DeltaLogWriter NewLog(const meta::SegmentBackup& segment) {
    return {segment.collection_id, segment.partition_id, segment.segment_id};
  }

  static Status Replace(const std::string& key, binlog::DeltaLogWriter& writer, meta::Binlog& log,
                        std::vector<Change>& changes) {
    Change change{.key = key, .bytes = {}};
    if (writer.row_count() > 0) {
      MB_ASSIGN_OR_RETURN(change.bytes, writer.Finish());
    }
    log.log_size = static_cast<int64_t>(change.bytes.size());
    changes.push_back(std::move(change));
    return Status::Ok();
  }

  Status FindLateRows(const meta::SegmentBackup& segment, LateKeys& late) {
    MB_RETURN_IF_ERROR(ForEachRow(segment, [&](const binlog::Key& key, uint64_t time) {
      if (time <= cut_.moment) return;
      LateRows& rows = late[OwnedKey(key)];
      rows.last = std::max(rows.last, time);
      ++rows.count;
    }));
    binlog::DeleteSet deletes;
    MB_RETURN_IF_ERROR(ReadDeletesOf(segment, deletes));
    return ForEachRow(segment, [&](const binlog::Key& key, uint64_t time) {
      if (time > cut_.moment || deletes.IsDead(key, time)) return;
      const auto found = late.find(OwnedKey(key));
      if (found != late.end()) found->second.has_older = true;
    });
  }

  template <typename Visit>
  Status ForEachRow(const meta::SegmentBackup& segment, const Visit& visit) const {
    MB_ASSIGN_OR_RETURN(FieldReader keys,
                        FieldReader::Open(ctx_, backup_, segment, cut_.key_field));
    return ForEachTime(ctx_, segment, [&](uint64_t time) -> Status {
      MB_ASSIGN_OR_RETURN(const Cell cell, keys.Next());
      MB_ASSIGN_OR_RETURN(const binlog::Key key, KeyOf(cell));
      visit(key, time);
      return Status::Ok();
    });
  }

  /// Deletes up to the moment that apply to a segment, those of L0 segments among them.
  Status ReadDeletesOf(const meta::SegmentBackup& segment, binlog::DeleteSet& deletes) const {
    for (const meta::SegmentBackup& other : segments_) {
      const bool applies = other.segment_id == segment.segment_id ||
                           (other.is_l0 && (other.partition_id == segment.partition_id ||
                                            other.partition_id == meta::kAllPartitions));
      if (!applies) continue;
      for (const meta::LogEntry& log : other.deltalogs.Entries()) {
        const std::string key = meta::DeltaLogKey(backup_.dir, other, log.log_id);
        MB_RETURN_IF_ERROR(ReadLog(ctx_, key, [&](const binlog::Delete& record) {
          if (record.timestamp <= cut_.moment) deletes.Add(record);
          return Status::Ok();
        }));
      }
    }
    return Status::Ok();
  }

  /// A delete takes what is strictly older than it.
  Status DeleteLateRows(const meta::SegmentBackup& segment, const LateKeys& late,
                        std::vector<meta::Binlog>& logs, std::vector<Change>& changes) const {
    binlog::DeltaLogWriter writer = NewLog(segment);
    for (const auto& [key, rows] : late) {
      writer.Add({.key = key.View(), .timestamp = rows.has_older ? rows.last : rows.last + 1});
    }
    meta::Binlog& log = logs.emplace_back();
    log.log_id = UnusedLogId(segment);
    log.log_path = fmt::format(
        "{}{}{}", cut_.source_prefix,
        meta::SourceDeltaDir("", segment.collection_id, segment.partition_id, segment.segment_id),
        log.log_id);
    return Replace(meta::DeltaLogKey(backup_.dir, segment, log.log_id), writer, log, changes);
  }

  /// Greater than those of the segment's logs, so that it is the same in every run.
  static int64_t UnusedLogId(const meta::SegmentBackup& segment) {
    int64_t last = 0;
    for (const meta::LogList* logs : {&segment.binlogs, &segment.deltalogs}) {
      for (const meta::LogEntry& log : logs->Entries()) last = std::max(last, log.log_id);
    }
    return last + 1;
  }

  const CallContext& ctx_;
  const BackupLocation& backup_;
  const FlushCut& cut_;
  std::vector<meta::SegmentBackup>& segments_;
  /// As many as segments.
  std::vector<Look> looks_;
  FlushCutReport report_;
};

}  // namespace

Result<FlushCutReport> CutAtFlush(const CallContext& ctx, const BackupLocation& backup,
                                  const FlushCut& cut, std::vector<meta::SegmentBackup>& segments) {
  return Cutter(ctx, backup, cut, segments).Run();
}

}  // namespace milvus_backup::backup
