/// Whole sub-trees of a storage.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <string>

namespace milvus_backup::storage {

/// Delete every object whose key starts with `prefix`, page by page; returns how many. `prefix`
/// must end with a slash, so that a neighbour with a longer name is never touched. On a disk no
/// empty directory is left, and links are removed instead of what they lead to. Idempotent.
Result<uint64_t> DeleteTree(const CallContext& ctx, Backend& backend, const std::string& prefix);

}  // namespace milvus_backup::storage
