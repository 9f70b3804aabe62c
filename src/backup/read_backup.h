/// A backup as the commands read it that make use of its rows.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/storage/backend.h"

#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::backup {

/// Milvus 2.4.0 to 2.4.6 has segments of deletes alone (L0) whose level it does not tell; those of
/// all partitions are no other in any version. Taken for segments without rows, they would not be
/// restored, and deleted rows would be back. A version that is not known may be one of these.
void MarkDeletesAlone(std::string_view milvus_version, std::vector<meta::SegmentBackup>& segments);

/// meta::ReadBackup of a backup that can be restored, its segments of deletes alone marked: tools
/// of their time did not tell them apart. Further errors: as meta::CheckRestorableFormat.
Result<meta::BackupInfo> ReadRestorable(const CallContext& ctx, storage::Backend& backend,
                                        const std::string& backup_dir);

}  // namespace milvus_backup::backup
