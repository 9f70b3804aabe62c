#include "envelope.h"

#include <nlohmann/json.hpp>

#include <string_view>

namespace milvus_backup::service {
namespace {

using nlohmann::ordered_json;

void AddTimes(ordered_json& task, int64_t started, int64_t ended) {
  if (started != 0) task["start_time"] = started;
  if (ended != 0) task["end_time"] = ended;
}

/// How far single collections are is not counted; the only one of a job is as far as the job.
int32_t ProgressOf(const JobItem& item, const JobRecord& job) {
  if (item.state == JobState::kSucceeded) return 100;
  return job.items.size() == 1 ? job.progress : 0;
}

ordered_json CollectionTask(const JobItem& item, const JobRecord& job) {
  ordered_json task = {{"id", item.id}, {"state_code", StateCode(item.state)}};
  AddTimes(task, item.started, item.ended);
  task["progress"] = ProgressOf(item, job);
  const size_t dot = item.name.find('.');
  task["target_db_name"] = item.name.substr(0, dot);
  task["target_collection_name"] = item.name.substr(dot + 1);
  return task;
}

}  // namespace

std::string DumpJson(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

HttpReply ToReply(const Envelope& envelope) {
  std::string body;
  const auto add = [&body](std::string_view key, const std::string& json) {
    body += body.empty() ? "{\"" : ",\"";
    body.append(key).append("\":").append(json);
  };
  if (!envelope.request_id.empty()) add("requestId", DumpJson(envelope.request_id));
  if (envelope.code != ReplyCode::kSuccess) {
    add("code", std::to_string(static_cast<int>(envelope.code)));
  }
  if (!envelope.message.empty()) add("msg", DumpJson(envelope.message));
  if (envelope.data) add("data", *envelope.data);
  return {.body = (body.empty() ? "{" : body) + "}"};
}

ReplyCode CodeOf(const Status& status) {
  if (status.origin() != Origin::kSelf) return ReplyCode::kFail;
  switch (status.code()) {
    case Code::kOk:
      return ReplyCode::kSuccess;
    case Code::kInvalidArgument:
      return ReplyCode::kParameterError;
    case Code::kUnimplemented:
      return ReplyCode::kNotSupported;
    case Code::kPermissionDenied:
      return ReplyCode::kNoPermission;
    default:
      return ReplyCode::kFail;
  }
}

int32_t StateCode(JobState state) {
  switch (state) {
    case JobState::kQueued:
      return 0;
    case JobState::kRunning:
      return 1;
    case JobState::kSucceeded:
      return 2;
    default:
      return 3;
  }
}

std::string EncodeRestoreTask(const JobRecord& job) {
  ordered_json task = {{"id", job.id}, {"state_code", StateCode(job.state)}};
  if (!job.error.empty()) task["errorMessage"] = job.error;
  AddTimes(task, job.started, job.ended);
  task["progress"] = job.progress;
  for (const JobItem& item : job.items) {
    task["collection_restore_tasks"].push_back(CollectionTask(item, job));
  }
  return DumpJson(task);
}

}  // namespace milvus_backup::service
