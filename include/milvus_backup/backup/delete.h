/// Remove a backup.
#pragma once

#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/writer.h"

#include <string>

namespace milvus_backup::backup {

/// Remove a backup, an unfinished one too, with the multipart uploads that a killed run left open.
/// Refused while another run works on it. Where there is no space for a lock it goes on without
/// one. Errors as meta::DeleteBackup; kAlreadyExists when it is locked. May be repeated.
Result<meta::DeletedBackup> DeleteBackup(const CallContext& ctx, const Place& place,
                                         const std::string& name);

}  // namespace milvus_backup::backup
