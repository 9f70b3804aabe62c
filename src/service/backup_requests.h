/// The bodies of POST /create and /restore of the reference tool and of POST /prune, which is ours,
/// as options of ours (docs/server.md lists the keys). Pure functions.
///
/// Errors: kInvalidArgument for what is wrong, kUnimplemented for what this version cannot do,
/// kPermissionDenied for a place or host that the configuration does not have.
#pragma once

#include "body.h"

#include "milvus_backup/backup/create.h"
#include "milvus_backup/backup/prune.h"
#include "milvus_backup/backup/restore.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"

#include <string>

namespace milvus_backup::service {

/// All keep the configuration to work with: the server's own, with the storage that was asked for.
/// `digest` stands for what decides what is done, but for the name of the backup.
struct CreateRequest {
  bool is_async = false;
  backup::CreateOptions options;
  config::Config config;
  std::string digest{};
};

struct RestoreRequest {
  std::string request_id;
  /// Of the task; empty when none was given.
  std::string id;
  bool is_async = false;
  backup::RestoreOptions options;
  config::Config config;
  std::string digest{};
};

/// Of a request of ours; `config` as above.
struct PruneBody {
  bool is_async = false;
  backup::PruneRequest request;
  config::Config config;
  std::string digest{};
};

Result<CreateRequest> ParseCreate(const Body& body, const config::Config& config);
Result<RestoreRequest> ParseRestore(const Body& body, const config::Config& config);
Result<PruneBody> ParsePrune(const Body& body, const config::Config& config);

/// The backup storage, or one of `storages:` in the same service, whose bucket and root path are
/// these; empty ones match any. kPermissionDenied when there is none.
Result<config::StorageSettings> AllowedStorage(const config::Config& config,
                                               const std::string& bucket, const std::string& path);

}  // namespace milvus_backup::service
