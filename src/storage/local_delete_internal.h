/// Removing files and directories without ever going through a symbolic link below the root.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <string>

namespace milvus_backup::storage {

/// Remove the file or link `root`/`key`, then the directories above it that are empty, up to the
/// root. A missing file and a directory are a success; kFailedPrecondition when a directory on the
/// way is a link.
Status DeleteLocal(const std::string& root, const std::string& key);

/// Whether DeleteLocal can come to what is below the directory `root`/`key`. Errors as there.
Status CheckLocalDeletable(const std::string& root, const std::string& key);

/// Remove temporaries and empty directories below `root`/`key`, that directory if it is empty, and
/// those above it as DeleteLocal. Errors as there.
Status RemoveLocalRemains(const std::string& root, const std::string& key);

/// Remove below `root`/`key` (the root itself when `key` is empty) the temporaries that nobody is
/// writing, and directories that hold nothing once these are gone. Errors as DeleteLocal;
/// one that concerns a directory is told when the others are done.
Status RemoveDeadLocalWrites(const CallContext& ctx, const std::string& root,
                             const std::string& key);

}  // namespace milvus_backup::storage
