/// Whether the logs of segments hold the rows that Milvus says the segments have.
#pragma once

#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"

#include <vector>

namespace milvus_backup::backup {

/// Count the rows of `segments`, as ListSegmentFiles returns them, in Milvus' storage. Fields have
/// the same number of logs, so those of one field tell: their headers and footers are read, by one
/// request for a small log and two for others. kDataLoss naming the first segment with another
/// number of rows, both numbers and what to do: a restore of it would never come to the right
/// count. Logs that cannot be read (of a form that is not known, encrypted) are passed over with
/// one warning for all.
Status CheckStoredRows(const CallContext& ctx, const Place& milvus_storage,
                       const std::vector<meta::SegmentBackup>& segments);

}  // namespace milvus_backup::backup
