/// The two sides of a copy, opened from what the configuration says of them. Functions without
/// state.
#pragma once

#include "milvus_backup/backup/copy.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/storage/backend.h"
#include "milvus_backup/storage/location.h"

#include <memory>
#include <string>

namespace milvus_backup::service {

/// One side. Owns the backend that `tree` points to.
struct CopySide {
  std::unique_ptr<storage::Backend> backend;
  backup::Tree tree;
  /// Where that is, to be compared with the other side.
  storage::Spot spot;
};

/// Where a storage keeps its backups. Sends nothing.
Result<CopySide> OpenBackupRoot(const config::StorageSettings& settings);
/// The tree at the root of a storage, be there backups in it or not. Sends nothing.
Result<CopySide> OpenTree(const config::StorageSettings& settings);

/// `side` narrowed to the backup `name`. kInvalidArgument for what cannot be a name.
Status Narrow(CopySide& side, const std::string& name);

/// kInvalidArgument when the side is on a disk and `text`, as it was written, names something there
/// that is no directory.
Status CheckIsDirectory(const CopySide& side, const std::string& text);

/// That neither side lies in the other: by their names, and on a disk also by what the directories
/// are and what is mounted in them, for one may be mounted under several names. kInvalidArgument
/// naming both.
Status CheckSidesApart(const CopySide& source, const CopySide& destination);

}  // namespace milvus_backup::service
