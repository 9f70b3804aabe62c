/// The form of the reference tool's answers (docs/server.md). Pure functions.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/service/http.h"
#include "milvus_backup/service/job.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>

namespace milvus_backup::service {

/// Numbers of the reference tool.
enum class ReplyCode {
  kSuccess = 0,
  kNotSupported = 1,
  kNoPermission = 2,
  kFail = 3,
  kParameterError = 400,
  kNotFound = 404,
};

struct Envelope {
  std::string request_id;
  ReplyCode code = ReplyCode::kSuccess;
  std::string message;
  /// JSON text. None leaves the key out, which only the answer to a delete does.
  std::optional<std::string> data = "null";
};

/// `{"requestId":…,"code":…,"msg":…,"data":…}` under HTTP status 200; empty members and the code 0
/// are left out.
HttpReply ToReply(const Envelope& envelope);

/// On one line. What is no UTF-8 is replaced: texts of errors may hold what a server sent.
std::string DumpJson(const nlohmann::ordered_json& value);

/// The code that stands for an error. What is wrong with a request is told apart from what failed
/// when it was carried out by where it was found, so kNotFound is kFail here.
ReplyCode CodeOf(const Status& status);

/// 0 initial, 1 executing, 2 success, 3 fail.
int32_t StateCode(JobState state);

/// `data` of restore and get_restore.
std::string EncodeRestoreTask(const JobRecord& job);

}  // namespace milvus_backup::service
