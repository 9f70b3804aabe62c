/// The work of `create` on one collection, step by step; the run decides on order and failures.
#pragma once

#include "claim.h"
#include "phase_clock.h"
#include "seats.h"
#include "segment_files.h"
#include "warnings.h"

#include "milvus_backup/backup/create.h"
#include "milvus_backup/backup/selection.h"
#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/transfer/copy_engine.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// Ranges of keys listed at once, of all collections together.
inline constexpr size_t kParallelListings = 8;

/// What the collections of one run share. Thread-safe while its texts stand still.
struct CreateRun {
  Site& site;
  const CreateOptions& options;
  transfer::CopyEngine engine;
  PhaseClock clock;
  /// Of the run.
  std::string id;
  std::string backup_dir;
  /// Null in a dry run where the backup storage does not exist.
  std::unique_ptr<BackupClaim> claim;
  Warnings warnings;
  Seats listings{kParallelListings};

  CreateRun(Site& given, const CreateOptions& chosen)
      : site(given), options(chosen), engine(given.copy, given.progress) {}

  /// Say, once for all collections, that the backup shows no certain moment although it flushes.
  void WarnOfNoMoment();

  /// Show the phase and charge it the time until the returned object goes.
  PhaseClock::Scope Enter(const std::string& phase) {
    if (site.progress != nullptr) site.progress->SetPhase(phase);
    return {clock, phase};
  }

 private:
  std::once_flag no_moment_;
};

/// Not thread-safe; several of one run may work side by side.
class CollectionCreation {
 public:
  /// `run` must outlive it.
  CollectionCreation(CreateRun& run, const CollectionName& name);

  /// Everything but segments. Comes first.
  Status Describe(const CallContext& ctx);
  /// Choose the moment the backup will show, before a flush: what is older is then in storage.
  Status ChooseMoment(const CallContext& ctx);
  /// ChooseMoment, seal what is in memory, and wait until it is in storage.
  Status Flush(const CallContext& ctx);
  /// Find the files of the segments that are in storage, and count them.
  Status FindFiles(const CallContext& ctx);
  /// FindFiles, copy, and see meanwhile whether the logs hold the rows that Milvus tells of, or
  /// else remove what was copied; leave out what is later than the moment, and check what arrived.
  Status CopyData(const CallContext& ctx);
  /// Remove what CopyData may have written.
  Status RemoveData(const CallContext& ctx);

  /// Take it out of the backup.
  void Fail(Status status) { report_.status = std::move(status); }
  bool ok() const { return report_.status.ok(); }

  const CollectionReport& report() const { return report_; }
  /// 0 before Describe.
  int64_t collection_id() const { return backup_.collection_id; }
  const transfer::CopySummary& copied() const { return copied_; }
  /// What the metas say of it; leaves this object without.
  meta::CollectionBackup TakeBackup() { return std::move(backup_); }

 private:
  Result<std::vector<milvus::Segment>> ListStoredSegments(const CallContext& ctx);
  Result<std::vector<milvus::Segment>> FindSegments(const CallContext& ctx);
  /// Add to the segments at the moment; those in storage also to `stored` unless it is null.
  Status NoteSegments(const CallContext& ctx, std::set<int64_t>* stored);
  Result<std::vector<milvus::Segment>> FindSettledSegments(const CallContext& ctx);
  bool WasCompacted(const std::vector<milvus::Segment>& segments) const;
  bool KnowsPartition(int64_t id) const;
  Status Copy(const CallContext& ctx);
  /// RemoveData; a failure of it is logged.
  void DropCopied(const CallContext& ctx);
  Status AnnounceUploads(const CallContext& ctx, const transfer::CopyBatch& batch) const;
  /// False when the batch has ended early; it says why when it is waited for.
  Result<bool> AddFiles(const std::vector<SegmentFile>& files, transfer::CopyBatch& batch) const;
  Status LeaveOutLater(const CallContext& ctx);
  Status CheckArrived(const CallContext& ctx);
  void CountFiles();

  CreateRun& run_;
  const CollectionName name_;
  meta::CollectionBackup backup_;
  /// Hybrid; 0 when the backup shows no certain one: without a flush, or on an old server.
  uint64_t moment_ = 0;
  /// Whether a flush was asked for.
  bool is_flushed_ = false;
  /// Segments with rows at the moment, and those among them that were in storage by then.
  std::set<int64_t> segments_at_moment_;
  std::set<int64_t> stored_at_moment_;
  SegmentFiles files_;
  transfer::CopySummary copied_;
  CollectionReport report_;
};

}  // namespace milvus_backup::backup
