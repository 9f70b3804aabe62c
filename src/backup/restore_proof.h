/// What the manifest of a backup says of the objects that a restore hands to Milvus.
#pragma once

#include "etag_check.h"
#include "hash_index.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/manifest.h"
#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::backup {

/// Servers take a damaged log for a sound one, and some end on it, so damage has to be found before
/// anything is imported. Memory is 40 bytes per log. Comparing is for one thread, HashOf for any.
class RestoreProof {
 public:
  /// Of a backup without a manifest: nothing is known of any object.
  RestoreProof() = default;

  /// Read what the manifest says of these collections, and compare the listed metas with it.
  /// kDataLoss naming what is damaged: the manifest or a meta.
  static Result<RestoreProof> Read(const CallContext& ctx, storage::Backend& backend,
                                   const std::string& backup_dir,
                                   const std::vector<int64_t>& collection_ids);

  /// Compare an object of the backup as it is listed. kDataLoss when it is not the one that the
  /// manifest speaks of: by its size, or by its bytes where an ETag shows an MD5.
  Status Compare(const CallContext& ctx, const storage::ObjectInfo& object);
  /// kDataLoss when Compare has not seen all logs of the collections.
  Status CheckAllSeen() const;

  /// Of a path relative to the backup directory; nothing when it is not known.
  meta::ContentHash HashOf(std::string_view path) const;

 private:
  RestoreProof(storage::Backend& backend, std::string backup_dir)
      : backend_(&backend), backup_dir_(std::move(backup_dir)) {}

  Status ReadEntries(const CallContext& ctx, meta::ManifestReader& manifest);
  Status CheckMetas(const CallContext& ctx);

  storage::Backend* backend_ = nullptr;
  std::string backup_dir_;
  HashIndex index_;
  EtagCheck etags_;
  /// Objects of the manifest that Compare has not seen, by the directories that they are in.
  std::map<std::string, uint64_t, std::less<>> unseen_;
};

}  // namespace milvus_backup::backup
