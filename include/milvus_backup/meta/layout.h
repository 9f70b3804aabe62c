/// Where everything of a backup lies: names, keys of the meta files and keys of the logs. A backup
/// directory is the string that BackupDir returns, always with a slash at its end, so that keys are
/// made by appending to it. Pure functions, thread-safe.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace milvus_backup::meta {

inline constexpr size_t kMaxNameLength = 128;

/// Whether a new backup may be called `name`: a letter or `_`, then letters, digits and `_`, at
/// most kMaxNameLength. kInvalidArgument names the flag and the rule.
Status ValidateBackupName(std::string_view name);

/// `backup_YYYY_MM_DD_HH_MM_SS_<nanoseconds>` in UTC, the nanoseconds of the second unpadded.
std::string DefaultBackupName(std::chrono::system_clock::time_point now);

/// Join with a slash and clean: no empty, `.` or `..` elements where they can be resolved, no slash
/// at the end. An empty part disappears.
std::string JoinPath(std::string_view parent, std::string_view child);

/// `<root>/<name>/`, cleaned. An existing backup need not obey ValidateBackupName, but a name that
/// is not one element of a path (empty, `.`, `..`, with a slash, backslash or control character) is
/// kInvalidArgument.
Result<std::string> BackupDir(std::string_view root, std::string_view name);

/// Last element of a backup directory.
std::string BackupName(std::string_view backup_dir);

enum class MetaFile { kHeader, kCollections, kPartitions, kSegments, kFull };

/// Key of a meta file; kHeader is the one whose presence makes the backup exist.
std::string MetaKey(std::string_view backup_dir, MetaFile file);
/// `<backup_dir>meta/`.
std::string MetaDir(std::string_view backup_dir);
/// `<backup_dir>binlogs/`.
std::string BinlogsDir(std::string_view backup_dir);

/// `<backup_dir>binlogs/insert_log/<collection>/<partition>/[<group>/]`: the directory an import is
/// given. A group of 0 means there is no such level.
std::string InsertGroupDir(std::string_view backup_dir, int64_t collection_id, int64_t partition_id,
                           int64_t group_id);
/// As InsertGroupDir, below `delta_log`.
std::string DeltaGroupDir(std::string_view backup_dir, int64_t collection_id, int64_t partition_id,
                          int64_t group_id);

/// The segment's directory inside its group, by the segment's own ids; with a slash at its end.
std::string InsertSegmentDir(std::string_view backup_dir, const SegmentBackup& segment);
std::string DeltaSegmentDir(std::string_view backup_dir, const SegmentBackup& segment);

/// Keys of single logs in the backup.
std::string InsertLogKey(std::string_view backup_dir, const SegmentBackup& segment,
                         int64_t field_id, int64_t log_id);
std::string DeltaLogKey(std::string_view backup_dir, const SegmentBackup& segment, int64_t log_id);

/// What a key of Milvus' own bucket says.
struct SourceLog {
  bool is_delta = false;
  int64_t collection_id = 0;
  /// kAllPartitions is possible for deletes.
  int64_t partition_id = 0;
  int64_t segment_id = 0;
  /// 0 for deletes.
  int64_t field_id = 0;
  int64_t log_id = 0;
  friend bool operator==(const SourceLog&, const SourceLog&) = default;
};

/// Read `[<milvus_root>/]insert_log/<collection>/<partition>/<segment>/<field>/<log>` or
/// `[<milvus_root>/]delta_log/<collection>/<partition>/<segment>/<log>`; kInvalidArgument for any
/// other key.
Result<SourceLog> ParseSourceKey(std::string_view key, std::string_view milvus_root);

/// Directories of a segment in Milvus' bucket, with a slash at their end.
std::string SourceInsertDir(std::string_view milvus_root, int64_t collection_id,
                            int64_t partition_id, int64_t segment_id);
std::string SourceDeltaDir(std::string_view milvus_root, int64_t collection_id,
                           int64_t partition_id, int64_t segment_id);

/// How keys order two ids that stand at the same place in them: by their digits, so that 10 comes
/// before 9.
std::strong_ordering CompareAsText(int64_t a, int64_t b);

/// The group a segment gets in a new backup: itself, and none for kAllPartitions.
constexpr int64_t GroupOf(int64_t partition_id, int64_t segment_id) {
  return partition_id == kAllPartitions ? 0 : segment_id;
}

}  // namespace milvus_backup::meta
