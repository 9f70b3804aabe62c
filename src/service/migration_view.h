/// The form of the answers of the reference tool's migration server (docs/server.md). Pure
/// functions.
#pragma once

#include "milvus_backup/service/http.h"
#include "milvus_backup/service/job.h"

#include <string>

namespace milvus_backup::service {

struct MigrationAnswer {
  std::string request_id;
  bool is_ok = true;
  std::string message = "success";
  /// JSON text.
  std::string data = "null";
};

/// `{"code":…,"data":…,"msg":…,"requestId":…}` under this HTTP status; the code is 0 or 500.
HttpReply ToReply(const MigrationAnswer& answer, int http_status = 200);

/// `{"jobId":"…"}`.
std::string EncodeJobId(const std::string& id);

/// The reference tool's six keys. `init` is a job that waits, `fail` one that has not come to its
/// end, whatever the reason.
std::string EncodeMigrationJob(const JobRecord& job);

}  // namespace milvus_backup::service
