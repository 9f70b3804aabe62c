/// What partial backups say of themselves. Functions without state, thread-safe.
#pragma once

#include <string>
#include <vector>

namespace milvus_backup::meta {

/// What a partial backup lacks, for people: BackupInfo::failed_collections, of which other writers
/// may have named none.
std::string MissingText(const std::vector<std::string>& failed_collections);

}  // namespace milvus_backup::meta
