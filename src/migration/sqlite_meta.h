/// Reading `meta.sqlite` of a Milvus 1.x.
#pragma once

#include "meta_rows.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <string>

namespace milvus_backup::migration {

/// The rows of the database in the file `path`, with what its write-ahead log holds. The file is
/// not changed, nothing is created beside it, and its locks do not matter: a private copy of it and
/// of its log is read. kAborted when it keeps changing while it is copied, kDataLoss when it is
/// damaged, kFailedPrecondition when it belongs to another generation of Milvus.
Result<MetaRows> ReadSqliteMeta(const CallContext& ctx, const std::string& path);

}  // namespace milvus_backup::migration
