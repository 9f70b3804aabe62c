/// What lies in a tree that is to be copied, found out before anything is written.
#pragma once

#include "key_filter.h"

#include "milvus_backup/backup/copy.h"
#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::backup {

/// A directory with a header in it. Relative to its tree.
struct BackupInTree {
  /// Empty for the tree itself, else with a slash at its end.
  std::string dir;
  /// Headers below `dir`; more than one where a backup lies inside another.
  std::vector<std::string> headers;
  /// What each of them says its manifest's SHA-256 is; empty where it speaks of none.
  std::vector<std::string> manifests;
  /// What CheckSource said, when it was asked.
  std::optional<Status> checked{};
};

struct TreeSurvey {
  /// None of them lies in another; in the order of their keys.
  std::vector<BackupInTree> backups;
  /// Directories, relative to the tree, in which nothing but a tombstone says what they are; none
  /// lies in another. They are being deleted, so they are no part of the tree.
  std::vector<std::string> pruned;
  /// All objects, in the order of their keys, of a small tree without backups: what holds one is
  /// listed under its lock. None for others, and where something in the tree is no object.
  std::optional<std::vector<storage::ObjectInfo>> objects{};
};

/// Look through a whole tree, page by page, for the backups in it. kNotFound when nothing is there
/// or the tree itself was pruned, kFailedPrecondition for unfinished and partial backups and for
/// patterns that take only part of a backup.
Result<TreeSurvey> SurveyTree(const CallContext& ctx, const Tree& source, const KeyFilter& filter);
/// The same for a tree that must be a backup; reads the header only.
Result<std::vector<BackupInTree>> SurveyBackup(const CallContext& ctx, const Tree& source);

/// That the backup, and those inside it, are whole: errors as CheckSourceBackup.
Status CheckSource(const CallContext& ctx, const Tree& source, const BackupInTree& backup);
/// Whether the key is of a manifest that no header speaks of, as a run leaves it that dies while it
/// adds one: a copy of it would look damaged, because the run's marker is not copied.
bool IsStrayManifest(const BackupInTree& backup, std::string_view key);

struct FoundBackup {
  /// Relative to its tree.
  std::string dir;
  /// The patterns leave some of it out.
  bool left_out = false;
};

/// Directories with a header or a marker of which the patterns take something, in the order of
/// their keys.
Result<std::vector<FoundBackup>> FindBackups(const CallContext& ctx, const Tree& tree,
                                             const KeyFilter& filter);

/// What would be the backup's directory if this is a key of one: what is before the first element
/// that only a backup has.
std::optional<std::string_view> BackupDirOf(std::string_view key);

/// `x/` for `x/meta/backup_meta.json`. False for other keys.
bool IsHeaderKey(std::string_view key, std::string_view& dir);
/// The same for `x/meta/run.json`.
bool IsMarkerKey(std::string_view key, std::string_view& dir);
/// The same for `x/meta/tags.json` and `x/meta/tombstone.json`.
bool IsTagsKey(std::string_view key, std::string_view& dir);
bool IsTombstoneKey(std::string_view key, std::string_view& dir);
/// Whether the key is that of a lock or marker in a directory `.locks/`: what a run leaves while it
/// works, and no part of a tree.
bool IsLockKey(std::string_view key);

}  // namespace milvus_backup::backup
