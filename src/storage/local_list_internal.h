/// Pages of keys below a directory, in the order of the key's bytes.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <string>

namespace milvus_backup::storage {

/// One page of `request` below `root`; the token is the last name of the page before. Holds at most
/// one page of names per directory level in memory.
Result<ListPage> ListLocal(const CallContext& ctx, const std::string& root,
                           const ListRequest& request);

}  // namespace milvus_backup::storage
