/// Objects of an earlier run that a continued backup no longer has.
#pragma once

#include "expected_files.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <set>
#include <string>

namespace milvus_backup::backup {

/// Delete the logs of a collection below `backup_dir` that are not `expected`: segments that were
/// compacted away since the earlier run.
Status RemoveStaleFiles(const CallContext& ctx, storage::Backend& backend,
                        const std::string& backup_dir, int64_t collection_id,
                        const ExpectedFiles& expected);

/// Delete the logs of every collection but these.
Status RemoveStaleCollections(const CallContext& ctx, storage::Backend& backend,
                              const std::string& backup_dir, const std::set<int64_t>& kept);

}  // namespace milvus_backup::backup
