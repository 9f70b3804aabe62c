/// Everything a restore can know before it changes anything.
#pragma once

#include "restore_ledger.h"
#include "restore_plan.h"
#include "restore_proof.h"

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
  /// What is restored and how, as records say it.
  std::string request_text;
  /// What an unfinished run has done of this already. Its `collection_id` is 0 when that is not
  /// more than, perhaps, staging files.
  std::optional<meta::RestoreProgress> left;
  /// What an unfinished run has left that has to go before this one begins; a collection under the
  /// target's own name is not among it, for that is to be replaced or refused like any other.
  std::optional<meta::RestoreProgress> discarded;

  bool goes_on() const { return left && left->collection_id != 0; }
};

struct Preflight {
  /// Databases to create.
  std::vector<std::string> new_databases;
  /// Users, roles and what they may do, to be added.
  milvus::Rbac rbac;
  /// One for each plan, in the same order.
  std::vector<Destination> destinations;
  /// Of the files that are restored.
  RestoreProof proof;
};

/// Check what `plans` need: names, databases, targets and their schemas, the files of the backup,
/// access to the storage; and decide what becomes of targets that unfinished runs have left.
/// Nothing is changed. Errors as RestoreBackup.
Result<Preflight> CheckBeforeRestore(const CallContext& ctx, Site& site,
                                     const RestoreOptions& options, const meta::BackupInfo& info,
                                     const std::string& backup_dir,
                                     const std::vector<CollectionPlan>& plans,
                                     const RestoreLedger& ledger);

}  // namespace milvus_backup::backup
