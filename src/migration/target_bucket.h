/// Whether a bucket is the one that a Milvus keeps its data in.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/store.h"
#include "milvus_backup/milvus/client.h"

#include <string>

namespace milvus_backup::migration {

/// A warning when Milvus has stored rows and no logs of them are in the bucket of `target`. Empty
/// when they are there, and where nobody can tell: Milvus has stored nothing yet or does not say
/// what, the bucket must not be listed, or `target` is a directory. The end of `ctx` is the only
/// error.
Result<std::string> WarnOfOtherBucket(const CallContext& ctx, milvus::Client& client,
                                      const std::string& db, const Store& target);

}  // namespace milvus_backup::migration
