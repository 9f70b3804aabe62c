/// Going on with what an unfinished restore has left of a target.
#pragma once

#include "restore_ledger.h"
#include "restore_plan.h"
#include "restore_preflight.h"

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/meta/restore_progress.h"
#include "milvus_backup/milvus/client.h"

#include <cstdint>
#include <string>

namespace milvus_backup::backup {

/// Rows of all segments that are in storage.
Result<int64_t> CountRows(const CallContext& ctx, milvus::Client& client, const std::string& db,
                          const std::string& collection);

/// What a run restores into one target and how, for people and to be compared: what is left of
/// another run may be used only by one that wants the same.
std::string DescribeRequest(const meta::BackupInfo& info, const CollectionPlan& plan,
                            const RestoreOptions& options);

/// Look what is left of the target of `plan` and decide. `destination` has the request already and
/// gets the rest when there is something to go on with; true then. Otherwise the target is to be
/// looked at as if there had been no run; `destination.discarded` is set when something has to be
/// removed first, `destination.left` when there is only staged data. Nothing is changed.
///
/// kAlreadyExists when another backup, or the same with other options, was being restored there and
/// the target is not to be replaced; and when it cannot be proved whose the target is.
Result<bool> TakeUp(const CallContext& ctx, milvus::Client& client, const RestoreOptions& options,
                    const RestoreLedger& ledger, const CollectionPlan& plan,
                    Destination& destination);

}  // namespace milvus_backup::backup
