/// What the parts of one copy share.
#pragma once

#include "key_filter.h"

#include "milvus_backup/backup/copy.h"
#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/transfer/copy_engine.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::backup {

/// Used by the thread that runs the copy.
struct CopyJob {
  CallContext ctx;
  Tree source;
  Tree destination;
  const CopyRules& rules;
  KeyFilter filter;
  transfer::CopyEngine& engine;
  CopyReport report;
  /// A dry run whose destination does not exist yet.
  bool destination_is_missing = false;
  /// Directories that are no part of the trees: as TreeSurvey::pruned.
  std::vector<std::string> left_out{};

  /// Whether the key, relative to the trees, is copied at all: taken by the patterns, in no
  /// directory that is left out, and no object that stands for a directory where there are real
  /// ones.
  bool Takes(std::string_view key) const {
    if (key.empty() || key.ends_with('/')) {
      if (source.is_disk || destination.is_disk) return false;
    }
    const auto behind = std::upper_bound(left_out.begin(), left_out.end(), key);
    if (behind != left_out.begin() && key.starts_with(*std::prev(behind))) return false;
    return filter.Takes(key);
  }
  void AddFailure(std::string key, Status status) {
    report.AddFailure({std::move(key), std::move(status)});
  }
};

/// Errors after which nothing else between these storages can succeed.
bool EndsTheCopy(const Status& status);

/// Where runs that change `dir`, of a backup or a tree, meet.
std::string CopyLockDir(const std::string& dir);
/// Marker of a copy of a tree that is no backup: beside the locks, so that it is no part of the
/// tree.
std::string TreeMarkerKey(const std::string& dir);
/// What locks and markers call `dir`.
std::string CopyLockName(const std::string& dir);

/// Where the locks and markers of `dir` lie.
std::string LocksDirOf(const std::string& dir);
/// Runs that were killed leave on a disk what they were writing to: remove it from `dir` of the
/// destination. Where that fails the copy is none the worse, so it is a warning.
/// An error is that of the context alone.
Status RemoveDeadWrites(CopyJob& job, const std::string& dir);

/// Lock `dir` of the destination. kInvalidArgument when the lock turns up at the source in a way
/// that shows that both trees are one place, or one lies in the other.
Result<std::unique_ptr<RunLock>> LockDestination(const CopyJob& job, const std::string& dir);
/// The same for the whole tree of the destination, which the errors name.
Result<std::unique_ptr<RunLock>> LockTree(const CopyJob& job);
/// Two names, addresses or mounts may lead to one storage: kInvalidArgument when what is written
/// into the destination's tree for a moment turns up at the source, so that both are one place or
/// the source lies in the destination.
Status CheckTreesApart(const CopyJob& job);
/// The error of a destination that is the source.
Status SamePlace(const Tree& source, const Tree& destination);
/// Keep others from changing `dir` of a source, where it can be written to; else null.
Result<std::unique_ptr<RunLock>> LockForReading(const CallContext& ctx, storage::Backend& backend,
                                                const std::string& dir);

/// Compare names and sizes of what both trees have by now, and remove what the source does not
/// have.
struct Settlement {
  /// Relative to the trees; empty for everything.
  std::string below;
  bool compares = true;
  /// Something has failed already: nothing is removed, what the report names is not named again,
  /// and an error, which would hide the report, is a warning.
  bool after_failures = false;
  /// Whether the key is to be looked at; asked after CopyJob::Takes.
  std::function<bool(std::string_view key)> concerns;
  /// Whether a key of the source was not to be copied; empty for none.
  std::function<bool(std::string_view key)> leaves_out{};
  /// Whether the destination may lose the key.
  std::function<Result<bool>(std::string_view key)> may_remove;
};
/// What is not right goes into the report's failures. Errors end the copy; after failures those of
/// the context alone.
Status Settle(CopyJob& job, const Settlement& settlement);

}  // namespace milvus_backup::backup
