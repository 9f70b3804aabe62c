/// Reads backup directories of any age and shows them in today's terms. A `backup_dir` is what
/// BackupDir returns. Functions without state: safe from any thread; they write nothing.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/tombstone.h"
#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <string>
#include <vector>

namespace milvus_backup::meta {

/// backup_meta.json alone: name, size, version. kNotFound (`backup X not found`) when the backup
/// does not exist or is unfinished, and (WasPruned) when it was pruned, also when its tombstone is
/// damaged; kDataLoss when the header is broken or has neither id nor name.
Result<BackupInfo> ReadHeader(const CallContext& ctx, storage::Backend& backend,
                              const std::string& backup_dir);

/// The whole tree, from full_meta.json or, where that is missing, rebuilt from the leveled files
/// with its sizes recomputed. Gaps of old writers are filled:
///   - the database `default` where none is named, and an entry for every database in use;
///   - ids of segments and partitions from what holds them, log ids from the ends of log paths;
///   - delta entries without logs are dropped, `is_l0` is set on L0 segments.
/// The name is that of the directory, whatever the files say. Errors as ReadHeader; kDataLoss also
/// for a missing leveled file, for a segment whose partition is unknown, and at Depth::kLogs for
/// metas that contradict each other (docs/format.md). Memory is what the result takes: at
/// Depth::kLogs about 30 bytes per log.
Result<BackupInfo> ReadBackup(const CallContext& ctx, storage::Backend& backend,
                              const std::string& backup_dir, Depth depth = Depth::kLogs);

/// The collections without partitions' segments, from collection_meta.json or, where that is
/// missing, from full_meta.json, whether there is a header or not; a collection without a database
/// is one of `default`. kDataLoss when neither can be read.
Result<std::vector<CollectionBackup>> ReadCollections(const CallContext& ctx,
                                                      storage::Backend& backend,
                                                      const std::string& backup_dir);

/// The tree of full_meta.json alone, with gaps filled, whether there is a header or not: what a run
/// that goes on with the backup may believe of it. kDataLoss when it is missing, broken or
/// contradicts itself.
Result<BackupInfo> ReadFullMeta(const CallContext& ctx, storage::Backend& backend,
                                const std::string& backup_dir);

/// kUnimplemented unless the backup's format is one that restore understands.
Status CheckRestorableFormat(const BackupInfo& info);

/// Bytes of all objects under `meta/`.
Result<int64_t> ReadMetaSize(const CallContext& ctx, storage::Backend& backend,
                             const std::string& backup_dir);

enum class DirectoryKind {
  /// No object.
  kNothing,
  /// Something that no backup has.
  kForeign,
  /// A backup, complete or not.
  kBackupParts,
};

struct DirectoryContent {
  DirectoryKind kind = DirectoryKind::kNothing;
  /// With kForeign: the first object or directory that no backup has, or the prefix of the first.
  std::string foreign_key;
};

/// What a directory that may be a backup's holds, found by a few listings. It is one when it has
/// `meta/` or `binlogs/` and nothing beside them and `bundle/`; without a header, a run's
/// marker or a tombstone also `meta/` must hold nothing but meta files and `binlogs/` nothing but
/// logs' directories.
Result<DirectoryContent> InspectDirectory(const CallContext& ctx, storage::Backend& backend,
                                          const std::string& backup_dir);

struct ListedBackup {
  /// Of the directory; this is what other commands take, whatever the header says.
  std::string name;
  BackupInfo header;
  /// Only when they were asked for.
  std::vector<std::string> tags;
};

struct UnfinishedBackup {
  std::string name;
  /// Why it does not count as a backup.
  std::string reason;
  /// Its directory may not be read, so it may well be one.
  bool is_unreadable = false;
};

/// A backup that a tombstone stands for.
struct ListedTombstone {
  std::string name;
  Tombstone tombstone;
};

struct BackupList {
  /// By name, as the other two.
  std::vector<ListedBackup> backups;
  /// Directories with parts of a backup but without a header that can be read, and those that must
  /// not be looked into.
  std::vector<UnfinishedBackup> unfinished;
  std::vector<ListedTombstone> pruned;
};

/// The directories directly below `root`; several are looked into at once. Others than backups
/// (InspectDirectory) are passed over. `with_tags` reads one object more of each; damaged ones are
/// logged.
Result<BackupList> ListBackups(const CallContext& ctx, storage::Backend& backend,
                               const std::string& root, bool with_tags = false);

}  // namespace milvus_backup::meta
