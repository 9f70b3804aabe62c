/// The bodies of POST /copy and /verify, which are ours, as options of ours (docs/server.md lists
/// the keys). Storages are named as the configuration names them, and in no other way. Pure
/// functions. Errors are kInvalidArgument naming the key.
#pragma once

#include "body.h"

#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/service/copy_run.h"
#include "milvus_backup/service/verify_run.h"

#include <string>

namespace milvus_backup::service {

/// Both tell the storages by the names that they have in the configuration, also those that were
/// left out. `digest` stands for everything that decides what is done: limits and `async` do not.
struct CopyBody {
  bool is_async = false;
  CopyChoices choices;
  std::string from;
  std::string to;
  std::string digest;
};

struct VerifyBody {
  bool is_async = false;
  VerifyChoices choices;
  /// The server's own, with the storage that was asked for.
  config::Config config;
  std::string from;
  std::string digest;
};

Result<CopyBody> ParseCopy(const Body& body, const config::Config& config);
Result<VerifyBody> ParseVerify(const Body& body, const config::Config& config);

}  // namespace milvus_backup::service
