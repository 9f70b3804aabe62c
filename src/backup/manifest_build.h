/// Writing the manifest of a backup from what its storage states and, where it states nothing, from
/// the bytes themselves.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <string>

namespace milvus_backup::backup {

struct BuiltManifest {
  /// Of the index, for the header.
  std::string sha256;
  uint64_t objects = 0;
  uint64_t bytes = 0;
  /// Objects whose hash the storage did not state, so that they were read.
  uint64_t read_objects = 0;
  uint64_t read_bytes = 0;
};

/// List the backup directory and write its manifest: every object but the header, the marker and
/// the manifest itself, each with
///   - the MD5 that a single-part object has for an ETag, once one object of the same listing page
///     has been read to show that this service's ETags are MD5s, else
///   - the CRC32C that the service stores, else
///   - the CRC32C of its bytes, read back.
/// The header must be written after it. `sealed` as in meta::ManifestIndex.
Result<BuiltManifest> BuildManifest(const CallContext& ctx, storage::Backend& backend,
                                    const std::string& backup_dir, const std::string& sealed = "");

}  // namespace milvus_backup::backup
