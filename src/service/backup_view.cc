#include "milvus_backup/service/backup_view.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/meta/tags.h"
#include "milvus_backup/storage/backend.h"

#include <fmt/format.h>

#include <utility>

namespace milvus_backup::service {

Result<StoredBackup> ReadStored(const CallContext& ctx, const backup::Place& place,
                                const std::string& name) {
  MB_ASSIGN_OR_RETURN(const std::string backup_dir, meta::BackupDir(place.root, name));
  StoredBackup stored;
  MB_ASSIGN_OR_RETURN(stored.info,
                      meta::ReadBackup(ctx, *place.backend, backup_dir, meta::Depth::kCollections));
  MB_ASSIGN_OR_RETURN(stored.meta_size, meta::ReadMetaSize(ctx, *place.backend, backup_dir));
  auto tags = meta::ReadTags(ctx, *place.backend, backup_dir);
  if (tags.ok()) {
    stored.tags = *std::move(tags);
  } else if (tags.status().code() == Code::kDataLoss) {
    log::Warn("{}", tags.status().ToString());
  } else {
    return std::move(tags).status();
  }
  return stored;
}

std::string CheckText(const backup::CheckReport& report, const config::Config& config,
                      const backup::Site& site) {
  const config::StorageSettings& milvus = config.milvus_storage;
  const config::StorageSettings& backup = config.backup_storage;
  std::string text = fmt::format(
      "\nMilvus version: {}{}\nStorage:\n"
      "  milvus-storage-type: {}\n  milvus-bucket: {}\n  milvus-rootpath: {}\n"
      "  backup-storage-type: {}\n  backup-bucket: {}\n  backup-rootpath: {}\n\n",
      report.milvus_version,
      config.milvus.server_version.empty() ? "" : " (told by --milvus-version, not by Milvus)",
      milvus.provider, milvus.bucket, milvus.root_path, backup.provider, backup.bucket,
      backup.root_path);
  const auto place = [](const std::string& root) {
    return root.empty() ? std::string("the top of the bucket") : root;
  };
  if (report.likely_milvus_root) {
    const bool is_local = milvus.kind == config::StorageKind::kLocal;
    const std::string likely =
        is_local ? milvus.root_path + "/" + *report.likely_milvus_root : *report.likely_milvus_root;
    text += fmt::format(
        "!!! Milvus root path looks wrong !!!\nNo rows lie under {}, but under {}: set {} to "
        "{}.\n",
        place(milvus.root_path), place(likely), milvus.keys.root_path,
        likely.empty() ? "an empty text" : "that");
  } else if (report.milvus_root_is_empty) {
    text += fmt::format(
        "!!! Milvus root path is empty !!!\nNothing lies under {}: either Milvus "
        "holds no data yet, or {} or {} is not the one Milvus uses.\n",
        place(milvus.root_path), milvus.keys.bucket, milvus.keys.root_path);
  }
  if (report.backup_storage_is_missing) {
    text += fmt::format("{} does not exist yet: create makes it. Copying was not tried.\n",
                        site.backup_storage.backend->Describe());
  }
  return text + "Success!";
}

}  // namespace milvus_backup::service
