#include "read_backup.h"

#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/milvus/version.h"

namespace milvus_backup::backup {
namespace {

constexpr milvus::Version kLevelZeroSince{2, 4, 0};
constexpr milvus::Version kLevelsToldSince{2, 4, 7};

}  // namespace

void MarkDeletesAlone(std::string_view milvus_version, std::vector<meta::SegmentBackup>& segments) {
  const milvus::ParsedVersion server = milvus::ParseVersion(milvus_version);
  const bool may_be_silent =
      !server.known || (server.version >= kLevelZeroSince && server.version < kLevelsToldSince);
  for (meta::SegmentBackup& segment : segments) {
    // With rows it is one whose insert logs are lost.
    const bool has_only_deletes = segment.num_of_rows == 0 && segment.binlogs.log_count() == 0 &&
                                  segment.deltalogs.log_count() > 0;
    const bool is_of_all = segment.partition_id == meta::kAllPartitions;
    if (has_only_deletes && (may_be_silent || is_of_all)) segment.is_l0 = true;
  }
}

Result<meta::BackupInfo> ReadRestorable(const CallContext& ctx, storage::Backend& backend,
                                        const std::string& backup_dir) {
  MB_ASSIGN_OR_RETURN(meta::BackupInfo info, meta::ReadBackup(ctx, backend, backup_dir));
  MB_RETURN_IF_ERROR(meta::CheckRestorableFormat(info));
  for (meta::CollectionBackup& collection : info.collection_backups) {
    for (meta::PartitionBackup& partition : collection.partition_backups) {
      MarkDeletesAlone(info.milvus_version, partition.segment_backups);
    }
  }
  return info;
}

}  // namespace milvus_backup::backup
