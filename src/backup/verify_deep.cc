#include "milvus_backup/backup/verify_deep.h"

#include "failed_reads.h"
#include "storage_source.h"
#include "verify_segment.h"

#include "milvus_backup/base/checksum.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/binlog/check.h"
#include "milvus_backup/meta/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace milvus_backup::backup {
namespace {

constexpr char kCopyAgain[] =
    "copy this object again from another copy of the backup, or make a new backup";

/// Hashes in passing.
class Digester {
 public:
  explicit Digester(bool md5) {
    if (md5) md5_.emplace();
  }
  void Add(ByteView bytes) {
    crc32c_ = ExtendCrc32c(crc32c_, bytes);
    if (md5_) md5_->Add(bytes);
  }
  ObjectDigest Finish(std::string path, uint64_t size) {
    ObjectDigest digest = {.path = std::move(path), .size = size, .crc32c = crc32c_};
    if (md5_) digest.md5 = md5_->Finish();
    return digest;
  }

 private:
  uint32_t crc32c_ = 0;
  std::optional<Md5Hasher> md5_;
};

class DeepVerifier {
 public:
  DeepVerifier(const CallContext& ctx, const BackupLocation& backup,
               const VerifyDeepOptions& options, const VerifyDeepSinks& sinks)
      : ctx_(ctx),
        backup_(backup),
        options_(options),
        sinks_(sinks),
        failed_reads_(*backup.backend) {}

  Result<VerifyDeepReport> Run(const meta::BackupInfo& info) {
    listed_segments_ = SegmentsOf(info);
    TaskGroup tasks(options_.parallel, ctx_.stop);
    for (const meta::CollectionBackup& collection : info.collection_backups) {
      const auto facts = std::make_shared<const CollectionFacts>(collection);
      for (const meta::PartitionBackup& partition : collection.partition_backups) {
        for (const meta::SegmentBackup& segment : partition.segment_backups) {
          if (!SubmitSegment(tasks, segment, facts)) break;
        }
      }
      for (const meta::SegmentBackup& segment : collection.l0_segments) {
        if (!SubmitSegment(tasks, segment, facts)) break;
      }
    }
    MB_RETURN_IF_ERROR(tasks.Wait());
    return report_;
  }

 private:
  /// Ids of all segments, sorted.
  static std::vector<int64_t> SegmentsOf(const meta::BackupInfo& info) {
    std::vector<int64_t> ids;
    const auto add = [&](const std::vector<meta::SegmentBackup>& segments) {
      for (const meta::SegmentBackup& segment : segments) ids.push_back(segment.segment_id);
    };
    for (const meta::CollectionBackup& collection : info.collection_backups) {
      for (const auto& partition : collection.partition_backups) add(partition.segment_backups);
      add(collection.l0_segments);
    }
    std::ranges::sort(ids);
    return ids;
  }

  /// Shared by the tasks of its logs.
  using SegmentPointer = std::shared_ptr<SegmentCheck>;

  bool SubmitSegment(TaskGroup& tasks, const meta::SegmentBackup& segment,
                     const std::shared_ptr<const CollectionFacts>& facts) {
    const auto check = std::make_shared<SegmentCheck>(segment, facts);
    const std::vector<SegmentLog> logs = check->Logs();
    if (logs.empty()) {
      return tasks.Submit([this, check](const std::stop_token&) { return FinishSegment(*check); });
    }
    for (const SegmentLog& log : logs) {
      const bool submitted = tasks.Submit([this, check, log](const std::stop_token& stop) {
        return VerifyLog({.stop = stop, .deadline = ctx_.deadline}, *check, log);
      });
      if (!submitted) return false;
    }
    return true;
  }

  std::string PathOf(const SegmentCheck& check, const SegmentLog& log) const {
    return log.is_delta ? meta::DeltaLogKey("", check.segment(), log.log_id)
                        : meta::InsertLogKey("", check.segment(), log.field_id, log.log_id);
  }

  Status VerifyLog(const CallContext& ctx, SegmentCheck& check, const SegmentLog& log) {
    const std::string path = PathOf(check, log);
    if (options_.wanted && !options_.wanted(path)) {
      check.MarkIncomplete();
    } else {
      const Status read = ReadLog(ctx, check, log, path);
      if (!read.ok()) MB_RETURN_IF_ERROR(PassOver(ctx, check, path, read));
    }
    return check.FinishLog() ? FinishSegment(check) : Status::Ok();
  }

  /// Go on after an object that cannot be read, unless it is not the object that is to blame.
  Status PassOver(const CallContext& ctx, SegmentCheck& check, const std::string& path,
                  const Status& failure) {
    {
      const std::scoped_lock lock(mutex_);
      if (sink_failed_) return failure;
    }
    MB_RETURN_IF_ERROR(failed_reads_.Judge(ctx, failure));
    check.MarkIncomplete();
    return Tell({.path = path,
                 .what = "object",
                 .expected = "that can be read",
                 .found = failure.ToString(),
                 .advice = "verify again; if it stays so, copy this object again from another copy "
                           "of the backup, or make a new backup"});
  }

  Status ReadLog(const CallContext& ctx, SegmentCheck& check, const SegmentLog& log,
                 const std::string& path) {
    Digester digester(options_.needs_md5 && options_.needs_md5(path));
    Result<std::unique_ptr<StorageSource>> source =
        StorageSource::Open(ctx, *backup_.backend, backup_.dir + path,
                            {.window_bytes = options_.window_bytes,
                             .on_bytes = [&digester](ByteView bytes) { digester.Add(bytes); }});
    if (source.status().code() == Code::kNotFound) {
      check.MarkIncomplete();
      return Tell({.path = path,
                   .what = "object",
                   .expected = fmt::format("{} bytes", log.size),
                   .found = "nothing",
                   .advice = kCopyAgain});
    }
    MB_RETURN_IF_ERROR(source.status());
    if (log.size > 0 && static_cast<uint64_t>(log.size) != (*source)->size()) {
      MB_RETURN_IF_ERROR(Tell({.path = path,
                               .what = "size",
                               .expected = fmt::format("{} bytes", log.size),
                               .found = fmt::format("{} bytes", (*source)->size()),
                               .advice = kCopyAgain}));
    }
    MB_RETURN_IF_ERROR(CheckContent(**source, check, log, path));
    MB_RETURN_IF_ERROR((*source)->ReadRest());
    return TellObject(digester.Finish(path, (*source)->size()));
  }

  Status CheckContent(StorageSource& source, SegmentCheck& check, const SegmentLog& log,
                      const std::string& path) {
    Status told;
    const binlog::FindingSink sink = [&](const binlog::Finding& finding) {
      if (told.ok()) told = Tell(ToVerifyFinding(path, finding));
    };
    binlog::LogFacts facts = check.FactsOf(log);
    facts.listed_segments = &listed_segments_;
    if (log.is_delta) {
      MB_RETURN_IF_ERROR(binlog::CheckDeltaLog(source, facts, {}, sink).status());
      return told;
    }
    MB_ASSIGN_OR_RETURN(const binlog::InsertLogReport report,
                        binlog::CheckInsertLog(source, facts, {}, sink));
    if (report.columns.empty()) check.MarkIncomplete();
    check.AddRows(log, report.columns);
    return told;
  }

  Status FinishSegment(const SegmentCheck& check) {
    const std::string path = meta::InsertSegmentDir("", check.segment());
    for (const binlog::Finding& finding : check.Compare()) {
      MB_RETURN_IF_ERROR(Tell(ToVerifyFinding(path, finding)));
    }
    return Status::Ok();
  }

  static VerifyFinding ToVerifyFinding(const std::string& path, const binlog::Finding& finding) {
    const bool is_error = finding.severity == binlog::Severity::kError;
    return {.is_error = is_error,
            .path = path,
            .what = finding.what,
            .expected = finding.expected,
            .found = finding.found,
            .advice = is_error ? kCopyAgain : ""};
  }

  Status Tell(const VerifyFinding& finding) {
    const std::scoped_lock lock(mutex_);
    ++(finding.is_error ? report_.errors : report_.warnings);
    if (!sinks_.on_finding) return Status::Ok();
    Status told = sinks_.on_finding(finding);
    sink_failed_ = sink_failed_ || !told.ok();
    return told;
  }

  Status TellObject(const ObjectDigest& digest) {
    const std::scoped_lock lock(mutex_);
    ++report_.objects;
    report_.bytes += digest.size;
    failed_reads_.NoteSuccess();
    if (!sinks_.on_object) return Status::Ok();
    Status told = sinks_.on_object(digest);
    sink_failed_ = sink_failed_ || !told.ok();
    return told;
  }

  const CallContext& ctx_;
  const BackupLocation& backup_;
  const VerifyDeepOptions& options_;
  const VerifyDeepSinks& sinks_;
  std::vector<int64_t> listed_segments_;
  FailedReads failed_reads_;
  /// Guards the sinks and what follows.
  std::mutex mutex_;
  bool sink_failed_ = false;
  VerifyDeepReport report_;
};

}  // namespace

Result<VerifyDeepReport> VerifyDeep(const CallContext& ctx, const BackupLocation& backup,
                                    const meta::BackupInfo& info, const VerifyDeepOptions& options,
                                    const VerifyDeepSinks& sinks) {
  return DeepVerifier(ctx, backup, options, sinks).Run(info);
}

}  // namespace milvus_backup::backup
