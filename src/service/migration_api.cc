#include "milvus_backup/service/migration_api.h"

#include "body.h"
#include "migration_jobs.h"
#include "migration_view.h"
#include "routes.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::service {
namespace {

// Of the ids that the reference tool makes.
constexpr size_t kRandomLength = 21;
constexpr char kGoOn[] = "the same request goes on with it";

/// Of the header, else of the body, else a new one.
std::string IdOfRequest(const HttpRequest& request, const std::string& of_body = "") {
  std::string id = request.Header("requestid");
  if (!id.empty()) return id;
  return of_body.empty() ? "req-" + RandomWord(kRandomLength) : of_body;
}

HttpReply Failed(const std::string& request_id, const std::string& message,
                 const std::string& data = "null", int http_status = 200) {
  log::Warn("request={} failed: {}", request_id, message);
  return ToReply({.request_id = request_id, .is_ok = false, .message = message, .data = data},
                 http_status);
}

HttpReply UnknownJob(const HttpRequest& request, const std::string& id) {
  // The reference tool's text.
  return Failed(IdOfRequest(request), "Gstore No such key: " + id);
}

/// The guide's request has no body, which the reference tool refuses.
Result<Body> ParseBody(const std::string& text) {
  const bool is_blank = text.find_first_not_of(" \t\r\n") == std::string::npos;
  return Body::Parse(is_blank ? "{}" : text);
}

}  // namespace

MigrationApi::MigrationApi(config::LoadOptions config, JobRunner& jobs)
    : config_(std::move(config)), jobs_(jobs) {}

HttpReply MigrationApi::Handle(const HttpRequest& request) {
  static constexpr Route<MigrationApi> kRoutes[] = {
      {"GET", "/healthy", &MigrationApi::Healthy}, {"POST", "/start", &MigrationApi::Start},
      {"POST", "/dump", &MigrationApi::Dump},      {"POST", "/load", &MigrationApi::Load},
      {"GET", "/get_job", &MigrationApi::GetJob},  {"GET", "/jobs", &MigrationApi::ListJobs},
      {"POST", "/cancel", &MigrationApi::Cancel},
  };
  return Dispatch<MigrationApi>(*this, kRoutes, request);
}

HttpReply MigrationApi::Healthy(const HttpRequest& request) {
  return ToReply({.request_id = IdOfRequest(request), .data = "\"ok\""});
}

HttpReply MigrationApi::Submit(const HttpRequest& request, std::string_view kind,
                               const Planner& plan) {
  const auto malformed = [&request](const Status& status) {
    return Failed(IdOfRequest(request), status.ToString(), "null", 400);
  };
  const auto body = ParseBody(request.body);
  if (!body.ok()) return malformed(body.status());
  const auto is_async = body->Flag("async");
  if (!is_async.ok()) return malformed(is_async.status());
  const auto of_body = body->Text("requestId");
  if (!of_body.ok()) return malformed(of_body.status());
  auto planned = plan(*body);
  if (!planned.ok()) return malformed(planned.status());
  const std::string request_id = IdOfRequest(request, *of_body);
  const std::string id = fmt::format("{}_{}", kind, RandomWord(kRandomLength));
  const auto job = jobs_.Submit({.id = id,
                                 .kind = std::string(kind),
                                 .subject = planned->subject,
                                 .request = planned->request,
                                 .advice = kGoOn,
                                 .place = planned->place},
                                std::move(planned->work));
  if (!job.ok()) return Failed(request_id, job.status().ToString());
  if (*is_async) return ToReply({.request_id = request_id, .data = EncodeJobId(id)});
  const auto ended = jobs_.Wait(id);
  if (!ended.ok()) return Failed(request_id, ended.status().ToString(), EncodeJobId(id));
  if (ended->state != JobState::kSucceeded) {
    return Failed(request_id, ended->error, EncodeJobId(id));
  }
  return ToReply({.request_id = request_id, .data = EncodeJobId(id)});
}

HttpReply MigrationApi::Dump(const HttpRequest& request) {
  return Submit(request, "dump", [this](const Body& body) -> Result<MigrationPlan> {
    MB_ASSIGN_OR_RETURN(const std::vector<std::string> names, body.Texts("collectionNames"));
    return PlanDumpJob(config_, names);
  });
}

HttpReply MigrationApi::Load(const HttpRequest& request) {
  return Submit(request, "load", [this](const Body& body) -> Result<MigrationPlan> {
    MB_ASSIGN_OR_RETURN(const std::vector<std::string> names, body.Texts("collectionNames"));
    return PlanLoadJob(config_, names);
  });
}

HttpReply MigrationApi::Start(const HttpRequest& request) {
  return Submit(request, "start",
                [this](const Body&) -> Result<MigrationPlan> { return PlanStartJob(config_); });
}

HttpReply MigrationApi::GetJob(const HttpRequest& request) {
  const std::string id = request.Query("jobId");
  if (id.empty()) return Failed(IdOfRequest(request), "jobid is empty");
  const auto job = jobs_.Find(id);
  if (!job) return UnknownJob(request, id);
  return ToReply({.request_id = IdOfRequest(request), .data = EncodeMigrationJob(*job)});
}

HttpReply MigrationApi::ListJobs(const HttpRequest& request) {
  std::string data;
  for (const JobRecord& job : jobs_.List()) data += (data.empty() ? "" : ",") + EncodeJob(job);
  return ToReply({.request_id = IdOfRequest(request), .data = "[" + data + "]"});
}

HttpReply MigrationApi::Cancel(const HttpRequest& request) {
  const std::string id = request.Query("jobId");
  if (id.empty()) return Failed(IdOfRequest(request), "jobid is empty");
  const auto job = jobs_.Cancel(id);
  if (job.status().code() == Code::kNotFound) return UnknownJob(request, id);
  if (!job.ok()) return Failed(IdOfRequest(request), job.status().ToString());
  return ToReply({.request_id = IdOfRequest(request), .data = EncodeMigrationJob(*job)});
}

}  // namespace milvus_backup::service
