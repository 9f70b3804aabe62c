/// The right of an import to write one backup.
#pragma once

#include "copy_marker.h"

#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <memory>
#include <string>

namespace milvus_backup::backup {

/// RunRecord::operation of an import.
inline constexpr char kImportOperation[] = "import";

/// A lock on the name, and a marker that says that the backup is not finished. Used by one thread,
/// but for the marker.
class ImportClaim {
 public:
  enum class Found {
    kNothing,
    kUnfinished,  ///< what an import of the same backup had left; it has been removed
    kComplete,    ///< all of an import but the removal of its marker, which was made up for
  };

  /// Lock the name, look what is there, and leave the marker. `header_sha256` tells the backup.
  /// kAlreadyExists: a finished backup, another run at work, or what no import of this backup left.
  static Result<std::unique_ptr<ImportClaim>> Take(const CallContext& ctx, const Place& place,
                                                   const std::string& backup_dir,
                                                   const std::string& header_sha256);

  Found found() const { return found_; }
  /// Where multipart uploads are recorded.
  CopyMarker& marker() { return marker_; }
  /// Whether the right still holds, to be asked before the header is written.
  Status Check(const CallContext& ctx) { return lock_->Check(ctx); }
  /// The header will be written next: from here on nothing may be removed.
  void BeginCommit() { committing_ = true; }
  /// Remove what this run has written, the marker last. After BeginCommit, or where that does not
  /// succeed, the backup is left unfinished, which is logged.
  void Withdraw();

 private:
  ImportClaim(storage::Backend& backend, std::string backup_dir, meta::RunRecord record);

  Status LookAround(const CallContext& ctx);
  /// Everything below the directory but the marker.
  Status RemoveObjects(const CallContext& ctx);
  Status RemoveAll(const CallContext& ctx);

  storage::Backend& backend_;
  const std::string backup_dir_;
  const meta::RunRecord record_;
  CopyMarker marker_;
  std::unique_ptr<RunLock> lock_;
  Found found_ = Found::kNothing;
  bool committing_ = false;
};

}  // namespace milvus_backup::backup
