/// Reading the meta of a Milvus 1.x from MySQL or MariaDB.
#pragma once

#include "meta_rows.h"
#include "mysql_dsn.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

namespace milvus_backup::migration {

/// The rows of the database as of one point in time; nothing is written. kUnauthenticated when the
/// server refuses user or password, kUnavailable when there is none, kFailedPrecondition when the
/// database belongs to another generation of Milvus. Blocks for at most 10 s to connect and, once
/// connected, 60 s for each answer.
Result<MetaRows> ReadMysqlMeta(const CallContext& ctx, const MysqlDsn& dsn);

}  // namespace milvus_backup::migration
