/// Users, roles and what they may do, between Milvus and backups.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/milvus/client.h"

namespace milvus_backup::backup {

/// kUnimplemented, with advice, on servers before 2.4.10.
Result<meta::RbacMeta> DescribeRbac(const CallContext& ctx, milvus::Client& client);

/// What the backup has and the server has not: users, roles and privilege groups by name, grants by
/// all they say. Nothing that exists is changed. kFailedPrecondition when the backup was made
/// without, kUnimplemented as DescribeRbac.
Result<milvus::Rbac> FindMissingRbac(const CallContext& ctx, milvus::Client& client,
                                     const meta::BackupInfo& info);

}  // namespace milvus_backup::backup
