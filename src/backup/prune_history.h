/// What prune knows of the backups of a place before it decides.
#pragma once

#include "retention.h"

#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/meta/run_record.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// Entries and headers are of the same backups at the same index.
struct History {
  std::vector<HistoryEntry> entries;
  /// As listed; none for backups without one that can be read.
  std::vector<std::optional<meta::BackupInfo>> headers;
  /// Beside a header: a run that was about to prune the backup has left a tombstone.
  std::vector<bool> has_stale_tombstone;
  /// `database.collection` of the numbers in HistoryEntry::collections.
  std::vector<std::string> collections;
  std::map<std::string, meta::RunRecord> locked;
  /// One sentence each.
  std::vector<std::string> warnings;
};

/// Look at every backup below `place`, several at once; nothing is changed. `schedule` as in
/// PruneRequest. A backup that is damaged is in the result as unreadable; other errors end it.
Result<History> ReadHistory(const CallContext& ctx, const Place& place, const std::string& schedule,
                            std::chrono::system_clock::time_point now);

}  // namespace milvus_backup::backup
