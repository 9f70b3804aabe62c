/// What is known of a backup: from its storage, and from the task that made it or tried to.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/service/job_runner.h"

#include <string>

namespace milvus_backup::service {

inline constexpr char kCreateKind[] = "create";
inline constexpr char kRestoreKind[] = "restore";
inline constexpr char kPruneKind[] = "prune";
/// A kind of its own, for nothing is pruned by one.
inline constexpr char kPruneDryRunKind[] = "prune_dry_run";
inline constexpr char kCopyKind[] = "copy";
/// Likewise.
inline constexpr char kCopyDryRunKind[] = "copy_dry_run";
inline constexpr char kVerifyKind[] = "verify";

/// kNotFound (`backup X not found`) when there is no such backup, finished or partial.
Status CheckBackupExists(const CallContext& ctx, const config::Config& config,
                         const std::string& name);

/// Finds the `data` of get_backup. Refers to objects that outlive it; thread-safe.
class BackupLookup {
 public:
  BackupLookup(const CallContext& ctx, const config::Config& config, const JobRunner& jobs)
      : ctx_(ctx), config_(config), jobs_(jobs) {}

  /// JSON text. While a task works on the backup it is the task's; afterwards the storage decides,
  /// and the task of a backup that is not there says why. kNotFound without either.
  Result<std::string> ByName(const std::string& name) const;
  /// By the id of the task or of the backup, which is that of the task that made it.
  Result<std::string> ById(const std::string& id) const;

 private:
  const CallContext& ctx_;
  const config::Config& config_;
  const JobRunner& jobs_;
};

}  // namespace milvus_backup::service
