/// Texts of any length from and to objects, a few MiB at a time, and what reader and writer share.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/codec.h"
#include "milvus_backup/storage/backend.h"

#include <functional>
#include <string>

namespace milvus_backup::meta {

/// The object's text in ranges. The first call returns kNotFound when the key is absent, a later
/// one kAborted when the object was replaced meanwhile. `backend` must outlive the source.
TextSource ObjectSource(const CallContext& ctx, storage::Backend& backend, const std::string& key);

/// Write what `encode` produces as one object that appears as a whole: one Put, or a multipart
/// upload when it is longer than a part.
Status WriteObject(const CallContext& ctx, storage::Backend& backend, const std::string& key,
                   const std::function<Status(const TextSink&)>& encode);

/// `backup X not found`.
Status BackupNotFound(const std::string& backup_dir);

}  // namespace milvus_backup::meta
