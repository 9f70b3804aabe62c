/// Backups of the destination that the source does not have.
#pragma once

#include "copy_job.h"
#include "copy_survey.h"

#include "milvus_backup/base/status.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::backup {

/// Backups at the destination are removed whole, under their lock and header first, or not at all:
/// not those of which the patterns leave something out, nor those that hold something of the
/// source, nor those that have appeared since Find. Used by one thread.
class ExtraBackups {
 public:
  /// Look through the destination. `sources` are the backups of the source.
  static Result<ExtraBackups> Find(const CopyJob& job, const std::vector<BackupInTree>& sources);

  /// The source has an object at this key, relative to the trees.
  void NoteSource(std::string_view key);
  /// Whether the key of the destination will be removed with its backup or as one of no backup, as
  /// far as Find has seen.
  bool WouldLose(std::string_view key) const;
  /// Remove them, inner ones first, and count in the job's report; what stays although the patterns
  /// take it is a failure there. An error ends the run.
  Status Remove(CopyJob& job) const;

 private:
  struct Extra {
    std::string dir;
    /// Patterns leave a part of it out.
    bool left_out = false;
    /// The source has something in it.
    bool shared = false;

    bool stays() const { return left_out || shared; }
  };

  std::vector<Extra> extras_;
};

/// Answers for keys of the destination, in their order, whether they may be removed one by one: not
/// when they lie in a directory that is a backup by now, unless it is `own`. Used by one thread.
class LooseKeys {
 public:
  LooseKeys(const CopyJob& job, std::optional<std::string> own) : job_(job), own_(std::move(own)) {}

  /// Relative to the tree. Errors are the storage's.
  Result<bool> Contain(std::string_view key);

 private:
  const CopyJob& job_;
  const std::optional<std::string> own_;
  std::optional<std::string> dir_;
  bool dir_is_backup_ = false;
};

}  // namespace milvus_backup::backup
