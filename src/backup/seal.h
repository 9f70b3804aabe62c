/// Giving a manifest to a backup that has none.
#pragma once

#include "hash_index.h"

#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <string>

namespace milvus_backup::backup {

/// A header names a backup and says little more; larger ones are none, bytes.
inline constexpr size_t kMaxHeaderBytes = 16 * kMiB;

/// RunRecord::operation of a run that seals.
inline constexpr char kSealOperation[] = "seal";

/// Write a manifest of the backup, and its hash into the header, whose text stays as it is
/// otherwise. `read`, sorted, has the hashes of objects that were found to be whole. A marker
/// stands in the directory meanwhile; a run that fails before it writes the header leaves nothing.
/// Returns the time written into the manifest. kAlreadyExists: another run works on the backup;
/// kAborted: it is not what it was when it was read.
Result<std::string> SealBackup(const CallContext& ctx, const Place& place, const std::string& name,
                               const HashIndex& read);

}  // namespace milvus_backup::backup
