/// A directory as object storage: the key `a/b` is the file `ROOT/a/b`.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <memory>
#include <string>

namespace milvus_backup::storage {

struct LocalOptions {
  /// Directory the keys are below; absolute, or relative to where the program runs.
  std::string root;
  /// Create `root` and its parents at once when missing.
  bool create = false;
  /// Survive a power failure: flush file and directory before a write is reported done.
  bool fsync = true;

  /// kInvalidArgument when `root` is empty or holds a NUL.
  Status Validate() const;
};

/// Keys are refused (kInvalidArgument) when absolute, with an empty, `.` or `..` segment, a control
/// character or a segment of more than 255 bytes, and where they would look like the backend's own
/// files: temporaries `.<name>.<16 hex digits>.mbtmp` beside their target, and unfinished uploads
/// below `ROOT/.mb-uploads/`. Those are never listed; what a crash leaves of them is safe to
/// remove.
///
/// An object and another one below it (`a` and `a/b`) cannot both exist: the second write is
/// kFailedPrecondition. Only "/" is a delimiter. Delete removes the directories of its key that
/// are empty, up to the root.
///
/// Symbolic links to files are objects, and Delete removes the link. The root and what a call names
/// may be or lie behind links to directories, but a listing that meets one in the tree does not go
/// on without it: kFailedPrecondition, unless it is grouped as a prefix. Delete never goes through
/// such a link (kFailedPrecondition) and removes the link itself when that is the key. ETags are
/// made of inode, size and modification time. Copies share blocks where the file system can
/// (FICLONE), else are done by the kernel. No space, quota, a read-only file system and missing
/// rights are permanent errors.
Result<std::unique_ptr<Backend>> CreateLocalBackend(LocalOptions options);

}  // namespace milvus_backup::storage
