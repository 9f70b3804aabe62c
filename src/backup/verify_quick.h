/// The part of verify that reads metas, manifest and one listing.
#pragma once

#include "hash_index.h"

#include "milvus_backup/backup/verify.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/storage/backend.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::backup {

/// What is found of one backup goes through here into the report and to the caller. One thread at a
/// time.
class VerifyLog {
 public:
  VerifyLog(const std::string& backup_dir, const VerifyOptions& options)
      : backup_dir_(backup_dir), options_(options) {
    report.name = options.name;
  }

  void Problem(const std::string& path, std::string expected, std::string found,
               std::string advice) {
    ++report.problems;
    if (!options_.on_problem) return;
    options_.on_problem(
        {backup_dir_ + path, std::move(expected), std::move(found), std::move(advice)});
  }
  void Oddity(const std::string& path, std::string expected, std::string found) {
    ++report.oddities;
    if (options_.on_oddity) {
      options_.on_oddity({backup_dir_ + path, std::move(expected), std::move(found), ""});
    }
  }

  VerifyReport report;

 private:
  const std::string& backup_dir_;
  const VerifyOptions& options_;
};

inline constexpr const char* kAnotherCopy =
    "restore this object from another copy of the backup, or take a new backup";

/// What the deep part goes on with.
struct QuickResult {
  /// None when the metas cannot be read.
  std::optional<meta::BackupInfo> info;
  /// All entries of the manifest, sorted; empty without one, and unless asked for.
  HashIndex manifest;
  /// Listed objects that are no logs of `info`, but in the manifest. Filled unless not asked for;
  /// empty without `info`, when it would be every object.
  std::vector<storage::ObjectInfo> others;
  /// A run that was to write a manifest has left its marker.
  bool sealing_left = false;
};

/// `keep_entries`: fill `manifest` and `others`.
Result<QuickResult> VerifyQuick(const CallContext& ctx, storage::Backend& backend,
                                const std::string& backup_dir, bool keep_entries, VerifyLog& log);

}  // namespace milvus_backup::backup
