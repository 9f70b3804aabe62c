#include "migration_view.h"

#include "envelope.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <string_view>

namespace milvus_backup::service {
namespace {

using nlohmann::ordered_json;

constexpr int kSuccess = 0;
constexpr int kFailure = 500;

std::string_view StatusOf(JobState state) {
  switch (state) {
    case JobState::kQueued:
      return "init";
    case JobState::kRunning:
      return "running";
    case JobState::kSucceeded:
      return "success";
    default:
      return "fail";
  }
}

/// The reference tool says 1 of a dump or load while it does not know how much there is to do; it
/// does not fall from there.
int32_t ProcessOf(const JobRecord& job) {
  return job.kind == "start" ? job.progress : std::max(job.progress, 1);
}

}  // namespace

HttpReply ToReply(const MigrationAnswer& answer, int http_status) {
  return {.status = http_status,
          .body = fmt::format(R"({{"code":{},"data":{},"msg":{},"requestId":{}}})",
                              answer.is_ok ? kSuccess : kFailure, answer.data,
                              DumpJson(answer.message), DumpJson(answer.request_id))};
}

std::string EncodeJobId(const std::string& id) {
  ordered_json document = ordered_json::object();
  document["jobId"] = id;
  return DumpJson(document);
}

std::string EncodeMigrationJob(const JobRecord& job) {
  int64_t total = job.parts;
  int64_t finished = job.parts_done;
  if (total == 0) {
    // From server to server: collections.
    total = static_cast<int64_t>(job.items.size());
    finished = std::ranges::count(job.items, JobState::kSucceeded, &JobItem::state);
  }
  const ordered_json document = {{"jobId", job.id},
                                 {"jobStatus", StatusOf(job.state)},
                                 {"jobProcess", ProcessOf(job)},
                                 {"msg", job.error},
                                 {"totalTasks", total},
                                 {"finishTasks", finished}};
  return DumpJson(document);
}

}  // namespace milvus_backup::service
