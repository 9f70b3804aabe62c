/// The objects a command works with, made from the configuration.
#pragma once

#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/storage/backend.h"

#include <memory>
#include <string>

namespace milvus_backup::service {

/// Open the storage at its own root. `place` gets what it says of Milvus, and points to the result.
/// Sends nothing.
Result<std::unique_ptr<storage::Backend>> OpenPlace(const config::StorageSettings& settings,
                                                    backup::Place& place);
/// Open another bucket of the same service.
Result<std::unique_ptr<storage::Backend>> OpenBucket(const config::StorageSettings& settings,
                                                     const std::string& bucket);

/// The storage of this name, as config::FindStorage knows it; the backup storage when it is empty.
Result<config::StorageSettings> BackupStorageCalled(const config::Config& config,
                                                    const std::string& name);

/// Owns backends and client; `site()` points into it.
class Services {
 public:
  enum class Needs { kBackupStorage, kEverything };

  /// Open what `needs` says. Nothing is sent to a storage before its first use; Milvus is
  /// connected.
  static Result<std::unique_ptr<Services>> Create(const CallContext& ctx,
                                                  const config::Config& config, Needs needs);

  backup::Site& site() { return site_; }

 private:
  std::unique_ptr<storage::Backend> milvus_backend_;
  std::unique_ptr<storage::Backend> backup_backend_;
  std::unique_ptr<milvus::Client> client_;
  backup::Site site_;
};

}  // namespace milvus_backup::service
