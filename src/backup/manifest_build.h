/// Writing the manifest of a backup from what its storage states and, where it states nothing, from
/// the bytes themselves.
#pragma once

#include "hash_index.h"

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

struct BuildManifestOptions {
  /// Text of the header without the manifest's hash.
  std::string header;
  /// As in meta::ManifestIndex.
  std::string sealed;
  /// Sorted; hashes of objects whose bytes have been read already. May be null.
  const HashIndex* known = nullptr;
};

/// List the backup directory and write its manifest: every object but the header, the marker and
/// the manifest itself, each with
///   - the hash that is known already,
///   - the MD5 that a single-part object has for an ETag, once one object of the same listing page
///     has been read to show that this service's ETags are MD5s,
///   - of objects that are not small, or without an MD5, the CRC32C that the service stores,
///   - without any of these the CRC32C of its bytes, read back.
/// The header must be written after it. kAborted when an object is not as it was when it was read.
Result<BuiltManifest> BuildManifest(const CallContext& ctx, storage::Backend& backend,
                                    const std::string& backup_dir,
                                    const BuildManifestOptions& options);

}  // namespace milvus_backup::backup
