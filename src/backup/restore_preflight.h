/// Everything a restore can know before it changes anything.
#pragma once

#include "restore_plan.h"

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/milvus/types.h"

#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// Where and how the collection of a plan comes into being.
struct Destination {
  /// What becomes of the collection that is there; kRefuse when the name is free.
  ExistingTarget existing = ExistingTarget::kRefuse;
  /// Name under which the collection is filled: the target's, or one beside it until the collection
  /// there is replaced.
  std::string working_name;
  /// Name the collection to be replaced gets until it is dropped.
  std::string retired_name;
  /// The collection that is there.
  std::optional<milvus::Collection> found;
  /// Creates the collection under `working_name`.
  milvus::CreateCollectionRequest request;
  /// To be built; empty without --rebuild_index.
  std::vector<milvus::Index> indexes;
};

struct Preflight {
  /// Databases to create.
  std::vector<std::string> new_databases;
  /// One for each plan, in the same order.
  std::vector<Destination> destinations;
};

/// Check what `plans` need: names, databases, targets and their schemas, the files of the backup,
/// access to the storage. Nothing is changed. Errors as RestoreBackup.
Result<Preflight> CheckBeforeRestore(const CallContext& ctx, Site& site,
                                     const RestoreOptions& options, const meta::BackupInfo& info,
                                     const std::string& backup_dir,
                                     const std::vector<CollectionPlan>& plans);

}  // namespace milvus_backup::backup
