/// What `prune` answers, on the command line and over HTTP alike. Pure functions.
#pragma once

#include "milvus_backup/backup/prune.h"

#include <string>

namespace milvus_backup::service {

/// What became of it: `kept`, `marked` and so on, and after a dry run `would be marked`, `would be
/// removed`.
std::string OutcomeText(const backup::PrunedBackup& backup, bool dry_run);

/// One JSON object on one line: `status` (`ok`, or `partial` when a backup failed), `dry_run`,
/// `backups` and `warnings` (docs/cli.md).
std::string EncodePruneReport(const backup::PruneReport& report, bool dry_run);

}  // namespace milvus_backup::service
