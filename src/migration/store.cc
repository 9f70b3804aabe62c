#include "milvus_backup/migration/store.h"

#include "milvus_backup/storage/open.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>
#include <utility>

namespace milvus_backup::migration {
namespace {

/// What the Go tool appends to every output directory.
constexpr char kDumpDir[] = "migration/";

Result<OpenedStore> Open(const StorePlace& place) {
  OpenedStore opened;
  if (place.is_local) {
    std::error_code error;
    std::string root =
        std::filesystem::absolute(place.directory, error).lexically_normal().string();
    while (root.size() > 1 && root.ends_with('/')) root.pop_back();
    MB_ASSIGN_OR_RETURN(opened.backend, storage::OpenLocal({.root = root}));
    opened.store.milvus_prefix = root.ends_with('/') ? root : root + "/";
    opened.store.local_root = std::move(root);
  } else {
    if (place.use_iam) {
      return InvalidArgumentError(
                 fmt::format("{}.remote.useIAM: true is not built yet in this version", place.key))
          .WithAdvice(fmt::format(
              "set {0}.remote.useIAM to false and {0}.remote.ak and sk to a key pair", place.key));
    }
    MB_ASSIGN_OR_RETURN(opened.backend, storage::OpenS3(place.s3));
    if (!place.directory.empty()) opened.store.prefix = place.directory + "/";
  }
  opened.store.backend = opened.backend.get();
  return opened;
}

}  // namespace

Result<OpenedStore> OpenSource(const StorePlace& place) { return Open(place); }

Result<OpenedStore> OpenTarget(const StorePlace& place) {
  MB_ASSIGN_OR_RETURN(OpenedStore opened, Open(place));
  opened.store.prefix += kDumpDir;
  return opened;
}

}  // namespace milvus_backup::migration
