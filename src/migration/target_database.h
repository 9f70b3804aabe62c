/// The database that collections are brought into.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/client.h"

#include <string>

namespace milvus_backup::migration {

/// Create the database if it is missing, unless `dry_run`. kFailedPrecondition when the server
/// knows no databases.
Status EnsureDatabase(const CallContext& ctx, milvus::Client& client, const std::string& db,
                      bool dry_run);

}  // namespace milvus_backup::migration
