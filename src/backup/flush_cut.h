/// Makes the copied files of a collection show it as it was at one moment.
///
/// A flush brings everything to storage that is older than it, and whatever else was in the same
/// buffers: of an upsert, which Milvus makes a delete and an insert of one time, the delete may be
/// there without the insert, or the insert without the delete.
#pragma once

#include "milvus_backup/backup/inspect.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace milvus_backup::backup {

struct FlushCut {
  /// Hybrid timestamp: rows and deletes of that time belong to the backup, later ones do not.
  uint64_t moment = 0;
  int64_t key_field = 0;
  /// In front of `delta_log/…` in Milvus' storage, for the paths that metas repeat.
  std::string source_prefix;
  /// Whether a segment may hold rows that are younger than the moment. Called from several threads.
  std::function<bool(int64_t segment_id)> may_be_younger;
};

/// What was done, for the log.
struct FlushCutReport {
  size_t deletes_left_out = 0;
  size_t rows_deleted = 0;
  size_t segments_left_out = 0;

  bool changed() const { return deletes_left_out + rows_deleted + segments_left_out > 0; }
};

/// Work on the logs of `segments`, all of one collection, below `backup.dir`: leave out later
/// deletes by writing their logs anew, delete later rows by a log of our own, drop segments that
/// hold nothing else. A row whose older version lies in the same segment keeps its later one
/// instead: a delete would take both. Sizes in `segments` follow. Reads the headers of delta logs,
/// more where there is something later, and the timestamps of segments that may be younger. What
/// cannot be read is left as it is, with a warning: whether it is damaged is for verify to say.
Result<FlushCutReport> CutAtFlush(const CallContext& ctx, const BackupLocation& backup,
                                  const FlushCut& cut, std::vector<meta::SegmentBackup>& segments);

}  // namespace milvus_backup::backup
