/// What the source of a copy says of itself: that it is whole, and what its objects must be.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/manifest.h"
#include "milvus_backup/storage/backend.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace milvus_backup::backup {

/// The quick check of `verify` on the backup in `backup_dir`: kDataLoss naming the objects that are
/// not as metas, manifest and listing want them. `has_manifest`: its header speaks of one; what
/// lies there otherwise was left by a run that did not end, and is not looked at. Other errors are
/// what kept the check from being made.
Status CheckSourceBackup(const CallContext& ctx, storage::Backend& backend,
                         const std::string& backup_dir, bool has_manifest);

/// Whether a path relative to a backup is that of its manifest.
bool IsOfManifest(std::string_view path);

/// Goes through the manifest of a backup beside its keys. Used by one thread.
class ManifestWalk {
 public:
  /// `sha256` as in the backup's header, not empty. `where` says for errors where paths are looked
  /// for, such as `at the source`.
  static Result<std::unique_ptr<ManifestWalk>> Open(const CallContext& ctx,
                                                    storage::Backend& backend,
                                                    const std::string& backup_dir,
                                                    const std::string& sha256, std::string where);

  /// What the manifest says of a path of the backup, none for what no manifest lists. Paths must
  /// come in ascending order, and no path of the manifest may be passed over: kDataLoss naming it,
  /// also for a path that the manifest should list and does not.
  Result<std::optional<meta::ManifestEntry>> Take(const CallContext& ctx, std::string_view path);
  /// After the last path: kDataLoss naming the first one of the manifest that did not come.
  Status End() const;

 private:
  ManifestWalk(std::unique_ptr<meta::ManifestReader> reader, std::string backup_dir,
               std::string where)
      : reader_(std::move(reader)), backup_dir_(std::move(backup_dir)), where_(std::move(where)) {}
  Status Missing() const;

  const std::unique_ptr<meta::ManifestReader> reader_;
  const std::string backup_dir_;
  const std::string where_;
  std::optional<meta::ManifestEntry> next_;
};

}  // namespace milvus_backup::backup
