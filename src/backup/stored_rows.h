/// Whether the logs of segments hold the rows that Milvus says the segments have.
#pragma once

#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/meta/backup_info.h"

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

namespace milvus_backup::backup {

/// Counts the rows of segments in Milvus' storage, several segments side by side, on threads of its
/// own, so that their logs can be copied meanwhile. Fields have the same number of logs, so those
/// of one field tell: their headers and footers are read, by one request for a small log and two
/// for others. One thread adds and waits.
class StoredRowsCheck {
 public:
  /// Segments with logs that cannot be read (of a form that is not known, encrypted, damaged), and
  /// what is the matter with one of them.
  struct Uncounted {
    size_t segments = 0;
    std::string first;
  };

  /// `milvus_storage` must outlive it. Looks at up to `width` segments at once, each with a window
  /// and the end of one log. A stop of the context ends the counting.
  StoredRowsCheck(const CallContext& ctx, const Place& milvus_storage, size_t width);

  /// Queue a segment, as ListSegmentFiles returns it, waiting while many are queued. It must stay
  /// as it is until Wait has returned. False once the counting has ended early; Wait tells why.
  bool Add(const meta::SegmentBackup& segment);

  /// Wait for everything added. kDataLoss naming the first segment that was found with another
  /// number of rows, both numbers and what to do: a restore of it would never come to the right
  /// count.
  Status Wait();
  /// Segments that were passed over. After Wait.
  const Uncounted& uncounted() const { return uncounted_; }

 private:
  Status Look(const CallContext& ctx, const meta::SegmentBackup& segment);
  Result<uint64_t> CountRows(const CallContext& ctx, const meta::SegmentBackup& segment) const;
  Status Compare(const meta::SegmentBackup& segment, int64_t rows) const;
  std::string DirOf(const meta::SegmentBackup& segment) const;

  const CallContext ctx_;
  const Place& storage_;
  std::mutex mutex_;
  Uncounted uncounted_;
  /// Goes first: its threads use the others.
  TaskGroup group_;
};

}  // namespace milvus_backup::backup
