/// Copy backups, and trees of objects of any kind, from one storage to another.
///
/// A run is continued by the same call: what is at the destination with the source's bytes is kept.
/// Headers of backups (`meta/backup_meta.json`) come last, so a directory without one is
/// unfinished. docs/format.md tells what a run leaves while it works.
#pragma once

#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/transfer/copy_engine.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// Objects of a storage whose keys begin with `dir`. Does not own the backend.
struct Tree {
  storage::Backend* backend = nullptr;
  /// Empty for the whole storage, else with a slash at its end.
  std::string dir;
  /// Keys become files: objects that only stand for a directory are passed over, for there are
  /// directories.
  bool is_disk = false;

  /// `bucket-a/backup/x in s3://bucket-a at host:9000`, for people.
  std::string Describe() const;
};

struct CopyRules {
  /// Find out what would be copied; write nothing.
  bool dry_run = false;
  /// Replace objects, and backups, that are there and different. A backup that is replaced is no
  /// backup until it is whole again.
  bool overwrite = false;
  /// Remove objects and backups of the destination that the source does not have. Inside a backup
  /// that is written this is done in any case.
  bool delete_extra = false;
  /// Compare names and sizes at the end.
  bool check = true;
  /// Patterns for keys below the tree: a key is taken when one of `include` fits, or there is none,
  /// and none of `exclude` does. `*` and `?` stop at slashes, `**` does not; a pattern fits a key
  /// when it fits the key or a directory above it, one without a slash when it fits any element.
  std::vector<std::string> include;
  std::vector<std::string> exclude;
};

/// What became of one backup.
struct CopiedBackup {
  enum class Outcome { kCopied, kAlreadyThere, kFailed };
  /// Its directory relative to the tree, without a slash at its end; empty for the tree itself.
  std::string dir;
  Outcome outcome = Outcome::kCopied;
  /// OK unless it failed.
  Status status;
};

struct FailedObject {
  std::string key;
  Status status;
};

struct CopyReport {
  /// Copied, or in a dry run to be copied.
  uint64_t objects = 0;
  uint64_t bytes = 0;
  /// Of parts that an earlier run had sent; part of `bytes`.
  uint64_t reused_bytes = 0;
  /// Found at the destination with the source's bytes.
  uint64_t kept_objects = 0;
  /// Dry run only: of equal size at both sides, so that only reading could tell.
  uint64_t undecided_objects = 0;
  uint64_t deleted_objects = 0;
  uint64_t server_side_objects = 0;
  uint64_t second_reads = 0;
  /// What an earlier run had left was taken up.
  bool resumed = false;
  /// The missing bucket or directory of the destination was made.
  bool made_destination = false;
  std::vector<CopiedBackup> backups;
  /// By key of the source; those of the destination that could not be removed as well. At most
  /// transfer::kMostFailures.
  std::vector<FailedObject> failures;
  /// Of all.
  uint64_t failure_count = 0;
  /// What is no failure but worth knowing, one sentence each.
  std::vector<std::string> warnings;
  double seconds = 0;

  bool some_failed() const;
  void AddFailure(FailedObject failure);
};

/// Copy everything below `source.dir` to below `destination.dir`. Backups in the tree are
/// recognised by their headers and written one after the other, each locked at both sides
/// meanwhile; a source that cannot be written to is not locked.
///
/// Before anything is written: kNotFound when nothing is at the source, kFailedPrecondition when a
/// backup there is unfinished or partial or the patterns would tear one apart, kInvalidArgument
/// when both trees turn out to be one place. kAlreadyExists when another run is at work on the
/// destination. Single objects and backups that fail are in the report and do not stop the others;
/// errors that none can survive (a stop, a storage gone or full, credentials) end the run.
Result<CopyReport> CopyTree(const CallContext& ctx, transfer::CopyEngine& engine,
                            const Tree& source, const Tree& destination, const CopyRules& rules);

/// Copy one backup. As CopyTree, but the source must be a backup, and a different one of the same
/// name is kAlreadyExists unless it may be overwritten.
Result<CopyReport> CopyBackup(const CallContext& ctx, transfer::CopyEngine& engine,
                              const Tree& source, const Tree& destination, const CopyRules& rules);

/// What became of the backups of a storage, by name.
struct CopyAllReport {
  CopyReport total;
  /// At the source but not complete, with the reason.
  std::vector<CopiedBackup> left_out;
  /// Objects and parts that were on their way at once, at most.
  size_t workers = 0;
};

/// Told of every backup as soon as it is known what became of it.
using CopyObserver = std::function<void(const CopiedBackup&)>;

/// Copy every complete backup below `source` that is not at `destination`, one after the other, as
/// CopyBackup does: one of the same name is compared, and another one than the source's fails. The
/// rules' patterns are for names. `observer` may be empty, and is not told of what is left out.
Result<CopyAllReport> CopyAllBackups(const CallContext& ctx, transfer::CopyEngine& engine,
                                     const Tree& source, const Tree& destination,
                                     const CopyRules& rules, const CopyObserver& observer = {});

}  // namespace milvus_backup::backup
