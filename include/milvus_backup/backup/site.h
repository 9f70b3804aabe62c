/// What a command works on: a Milvus server, the storage it keeps its data in, and the storage that
/// holds backups.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/milvus/gc_pause.h"
#include "milvus_backup/storage/backend.h"
#include "milvus_backup/transfer/copy_engine.h"

#include <cstddef>
#include <optional>
#include <string>

namespace milvus_backup::backup {

/// A place inside a storage. Does not own the backend.
struct Place {
  storage::Backend* backend = nullptr;
  /// Prefix of every key, without slashes at its ends; empty for the whole storage.
  std::string root;
  /// What to put in front of a key of `backend` so that the Milvus process finds the object: empty
  /// for a bucket, the absolute directory with a slash at its end for a local storage.
  std::string milvus_prefix;
  /// Configuration keys of bucket (or directory) and root path, for messages.
  std::string bucket_key;
  std::string root_key;

  /// `root/relative`, or `relative` below an empty root.
  std::string Key(const std::string& relative) const {
    return root.empty() ? relative : root + "/" + relative;
  }
};

/// Whether `access`, the answer of CheckAccess, says that the bucket or directory does not exist
/// yet.
inline bool IsMissing(const Status& access) {
  if (access.code() != Code::kNotFound || access.origin() != Origin::kStorage) return false;
  // A bucket says so by a code of its own, a directory by an error without any reply.
  return access.service_code() == "NoSuchBucket" || access.http_status() == 0;
}

/// Pointers are to objects that outlive the command; `client` may be null for commands that do not
/// speak to Milvus.
struct Site {
  milvus::Client* client = nullptr;
  Place milvus_storage;
  Place backup_storage;
  transfer::CopyOptions copy;
  transfer::Progress* progress = nullptr;
  size_t parallel_collections = 4;
  size_t parallel_imports = 768;
  /// Whether Milvus can read the backup where it lies: same service and bucket, or same disk.
  bool backup_visible_to_milvus = false;
  /// How to keep Milvus from deleting files while they are copied; none leaves it alone.
  std::optional<milvus::GcPauseOptions> gc_pause;
  /// Leave staged objects in Milvus' storage.
  bool keep_temp_files = false;
};

}  // namespace milvus_backup::backup
