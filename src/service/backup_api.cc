#include "milvus_backup/service/backup_api.h"

#include "backup_jobs.h"
#include "backup_lookup.h"
#include "backup_requests.h"
#include "body.h"
#include "copy_requests.h"
#include "envelope.h"
#include "openapi_document.h"
#include "routes.h"

#include "milvus_backup/backup/check.h"
#include "milvus_backup/backup/delete.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/service/backup_view.h"
#include "milvus_backup/service/metrics.h"
#include "milvus_backup/service/prune_view.h"
#include "milvus_backup/service/schedules.h"
#include "milvus_backup/service/services.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace milvus_backup::service {
namespace {

constexpr char kGoOnRestoring[] = "the same request goes on with it";
constexpr char kGoOnCopying[] = "the same request goes on with it";
constexpr char kVerifyAgain[] = "the same request checks it again";
constexpr char kGoOnPruning[] = "the same request ends what it has begun";

/// The same request without a name would take another backup.
std::string GoOnCreating(const std::string& name, bool is_named) {
  return fmt::format("{} goes on with it, a delete of the backup removes what it has left",
                     is_named ? "the same request" : "the request with backup_name " + name);
}

/// Of the header, or a new one.
std::string RequestIdOf(const HttpRequest& request) {
  const std::string id = request.Header("request_id");
  return id.empty() ? RandomUuid() : id;
}

HttpReply Failed(const std::string& request_id, const Status& status, ReplyCode code) {
  log::Warn("request={} failed: {}", request_id, status.ToString());
  return ToReply({.request_id = request_id, .code = code, .message = status.ToString()});
}

HttpReply Failed(const std::string& request_id, const Status& status) {
  return Failed(request_id, status, CodeOf(status));
}

/// A body of a request of ours that cannot be used.
HttpReply RefusedBody(const std::string& request_id, const Status& status) {
  if (!IsMalformed(status)) return Failed(request_id, status);
  return ErrorReply(400, "invalid request body: " + status.ToString());
}

/// Where a task leaves what it is answered with, shared with the task; null when nobody waits.
std::shared_ptr<std::string> ResultOf(bool is_async) {
  return is_async ? nullptr : std::make_shared<std::string>("null");
}

/// Run a task that leaves JSON in `result`, and answer with it, or at once.
HttpReply AnswerWithTask(JobRunner& jobs, const JobRequest& request, JobWork work, bool is_async,
                         const std::shared_ptr<const std::string>& result) {
  const std::string& id = request.id;
  const std::string what = request.kind == kCopyDryRunKind ? kCopyKind : request.kind;
  const auto job = jobs.Submit(request, std::move(work));
  if (!job.ok()) return Failed(id, job.status());
  if (is_async) {
    return ToReply({.request_id = id, .message = what + " is executing asynchronously"});
  }
  const auto ended = jobs.Wait(id);
  if (!ended.ok()) return Failed(id, ended.status());
  if (ended->state == JobState::kSucceeded) {
    return ToReply({.request_id = id, .message = "success", .data = *result});
  }
  log::Warn("request={} failed: {}", id, ended->error);
  return ToReply({.request_id = id,
                  .code = ReplyCode::kFail,
                  .message = fmt::format("{}: {}", what, ended->error),
                  .data = *result});
}

/// `restore_YYYY_MM_DD_HH_MM_SS_<nanoseconds>`, as backups are called without a name.
std::string DefaultRestoreId(std::chrono::system_clock::time_point now) {
  return "restore" + meta::DefaultBackupName(now).substr(std::string_view("backup").size());
}

nlohmann::ordered_json ListedJson(const meta::ListedBackup& backup) {
  nlohmann::ordered_json listed = nlohmann::ordered_json::object();
  if (!backup.header.id.empty()) listed["id"] = backup.header.id;
  listed["name"] = backup.name;
  listed["size"] = backup.header.size;
  if (!backup.header.milvus_version.empty()) {
    listed["milvus_version"] = backup.header.milvus_version;
  }
  if (backup.header.partial) listed["partial"] = true;
  return listed;
}

}  // namespace

BackupApi::BackupApi(const CallContext& ctx, const config::Config& config, JobRunner& jobs,
                     Clock& clock)
    : ctx_(ctx), config_(config), jobs_(jobs), clock_(clock) {}

HttpReply BackupApi::Handle(const HttpRequest& request) {
  static constexpr Route<BackupApi> kRoutes[] = {
      {"GET", "/hello", &BackupApi::Hello},
      {"GET", "/check", &BackupApi::Check},
      {"POST", "/create", &BackupApi::Create},
      {"GET", "/list", &BackupApi::List},
      {"GET", "/get_backup", &BackupApi::GetBackup},
      {"DELETE", "/delete", &BackupApi::Delete},
      {"POST", "/restore", &BackupApi::Restore},
      {"POST", "/restore_secondary", &BackupApi::RestoreSecondary},
      {"GET", "/get_restore", &BackupApi::GetRestore},
      {"POST", "/prune", &BackupApi::Prune},
      {"POST", "/copy", &BackupApi::Copy},
      {"POST", "/verify", &BackupApi::Verify},
      {"GET", "/tasks", &BackupApi::ListTasks},
      {"POST", "/cancel", &BackupApi::Cancel},
      {"GET", "/openapi.json", &BackupApi::OpenApi},
  };
  if (request.path == "/") return Hello(request);
  if (request.path == "/metrics" && (request.method == "GET" || request.method == "HEAD")) {
    return Metrics();
  }
  return Dispatch<BackupApi>(*this, kRoutes, request);
}

HttpReply BackupApi::Hello(const HttpRequest&) {
  return {.content_type = "text/plain; charset=utf-8", .body = "Hello, This is backup service"};
}

HttpReply BackupApi::Metrics() {
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = ServerMetrics(jobs_, ProcessStorageCounts(), LastSuccesses(config_))};
}

HttpReply BackupApi::OpenApi(const HttpRequest&) { return {.body = std::string(kOpenApiDocument)}; }

HttpReply BackupApi::Check(const HttpRequest&) {
  const auto check = [this]() -> Result<std::string> {
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<Services> services,
                        Services::Create(ctx_, config_, Services::Needs::kEverything));
    MB_ASSIGN_OR_RETURN(const backup::CheckReport report,
                        backup::CheckSite(ctx_, services->site()));
    return CheckText(report, config_, services->site()) + "\n";
  };
  const auto text = check();
  if (!text.ok()) return ErrorReply(500, text.status().ToString());
  return {.content_type = "text/plain; charset=utf-8", .body = *text};
}

HttpReply BackupApi::Create(const HttpRequest& request) {
  const std::string id = RequestIdOf(request);
  const auto body = Body::Parse(request.body);
  auto parsed = body.ok() ? ParseCreate(*body, config_) : Result<CreateRequest>(body.status());
  if (!parsed.ok()) {
    if (!IsMalformed(parsed.status())) return Failed(id, parsed.status());
    // The reference's text; what is wrong stands beside it.
    const nlohmann::ordered_json document = {{"error", "Invalid request body"},
                                             {"detail", parsed.status().ToString()}};
    return {.status = 400, .body = DumpJson(document)};
  }
  backup::CreateOptions& options = parsed->options;
  options.id = id;
  const bool is_named = !options.name.empty();
  if (!is_named) options.name = meta::DefaultBackupName(clock_.WallNow());
  const auto job = jobs_.Submit({.id = id,
                                 .kind = kCreateKind,
                                 .subject = options.name,
                                 .request = parsed->digest,
                                 .advice = GoOnCreating(options.name, is_named)},
                                CreateWork(parsed->config, options));
  if (!job.ok()) return Failed(id, job.status());
  if (parsed->is_async) {
    return ToReply({.request_id = id, .message = "create backup is executing asynchronously"});
  }
  const auto ended = jobs_.Wait(id);
  if (!ended.ok()) return Failed(id, ended.status());
  if (ended->state != JobState::kSucceeded) {
    return Failed(id, InternalError("backup: " + ended->error), ReplyCode::kFail);
  }
  const BackupLookup lookup(ctx_, parsed->config, jobs_);
  const auto brief = lookup.ByName(options.name);
  if (!brief.ok()) return Failed(id, brief.status());
  return ToReply({.request_id = id, .message = "success", .data = *brief});
}

HttpReply BackupApi::List(const HttpRequest& request) {
  const std::string id = RequestIdOf(request);
  if (!request.Query("collection_name").empty()) {
    return Failed(id, InvalidArgumentError("collection_name is deprecated"));
  }
  const auto services = Services::Create(ctx_, config_, Services::Needs::kBackupStorage);
  if (!services.ok()) return Failed(id, services.status(), ReplyCode::kFail);
  const backup::Place& place = (*services)->site().backup_storage;
  const auto list = meta::ListBackups(ctx_, *place.backend, place.root);
  if (!list.ok()) return Failed(id, list.status(), ReplyCode::kFail);
  nlohmann::ordered_json data;  // null without backups
  for (const meta::ListedBackup& backup : list->backups) data.push_back(ListedJson(backup));
  return ToReply({.request_id = id, .data = DumpJson(data)});
}

HttpReply BackupApi::GetBackup(const HttpRequest& request) {
  const std::string id = RequestIdOf(request);
  const std::string name = request.Query("backup_name");
  const std::string backup_id = request.Query("backup_id");
  if (name.empty() && backup_id.empty()) {
    return Failed(id, InvalidArgumentError("backup_name or backup_id is required"));
  }
  config::Config config = config_;
  auto storage = AllowedStorage(config_, "", request.Query("path"));
  if (!storage.ok()) return Failed(id, storage.status());
  config.backup_storage = *std::move(storage);
  const BackupLookup lookup(ctx_, config, jobs_);
  const auto brief = name.empty() ? lookup.ById(backup_id) : lookup.ByName(name);
  if (brief.ok()) return ToReply({.request_id = id, .message = "success", .data = *brief});
  const bool is_missing =
      brief.status().code() == Code::kNotFound && brief.status().origin() == Origin::kSelf;
  // The reference tool calls an unknown id a failure.
  if (is_missing && !name.empty()) return Failed(id, brief.status(), ReplyCode::kNotFound);
  return Failed(id, brief.status());
}

HttpReply BackupApi::Delete(const HttpRequest& request) {
  const std::string id = RequestIdOf(request);
  const std::string name = request.Query("backup_name");
  const auto remove = [&]() -> Status {
    if (name.empty()) return InvalidArgumentError("backup name is required");
    MB_ASSIGN_OR_RETURN(const std::unique_ptr<Services> services,
                        Services::Create(ctx_, config_, Services::Needs::kBackupStorage));
    return backup::DeleteBackup(ctx_, services->site().backup_storage, name).status();
  };
  Envelope answer{.request_id = id, .message = "success", .data = std::nullopt};
  if (const Status status = remove(); !status.ok()) {
    log::Warn("request={} failed: {}", id, status.ToString());
    answer.code = CodeOf(status);
    answer.message = status.ToString();
  }
  return ToReply(answer);
}

HttpReply BackupApi::Restore(const HttpRequest& request) {
  std::string request_id = request.Header("request_id");
  const auto body = Body::Parse(request.body);
  const auto parsed =
      body.ok() ? ParseRestore(*body, config_) : Result<RestoreRequest>(body.status());
  if (!parsed.ok() && IsMalformed(parsed.status())) {
    return ErrorReply(400, "invalid request body: " + parsed.status().ToString());
  }
  if (request_id.empty() && parsed.ok()) request_id = parsed->request_id;
  if (request_id.empty()) request_id = RandomUuid();
  if (!parsed.ok()) return Failed(request_id, parsed.status());
  if (const Status found = CheckBackupExists(ctx_, parsed->config, parsed->options.name);
      !found.ok()) {
    const bool is_missing = found.code() == Code::kNotFound && found.origin() == Origin::kSelf;
    return Failed(request_id, found, is_missing ? ReplyCode::kParameterError : CodeOf(found));
  }
  const std::string id = parsed->id.empty() ? DefaultRestoreId(clock_.WallNow()) : parsed->id;
  const auto job = jobs_.Submit({.id = id,
                                 .kind = kRestoreKind,
                                 .subject = parsed->options.name,
                                 .request = parsed->digest,
                                 .advice = kGoOnRestoring},
                                RestoreWork(parsed->config, parsed->options));
  if (!job.ok()) return Failed(request_id, job.status());
  if (parsed->is_async) {
    return ToReply({.request_id = request_id,
                    .message = "restore backup is executing asynchronously",
                    .data = EncodeRestoreTask(*job)});
  }
  const auto ended = jobs_.Wait(id);
  if (!ended.ok()) return Failed(request_id, ended.status());
  if (ended->state != JobState::kSucceeded) {
    return Failed(request_id, InternalError("restore: " + ended->error), ReplyCode::kFail);
  }
  return ToReply(
      {.request_id = request_id, .message = "success", .data = EncodeRestoreTask(*ended)});
}

HttpReply BackupApi::RestoreSecondary(const HttpRequest& request) {
  return Failed(RequestIdOf(request),
                UnimplementedError("restore_secondary is not built yet in this version"));
}

HttpReply BackupApi::GetRestore(const HttpRequest& request) {
  const std::string request_id = RequestIdOf(request);
  const std::string id = request.Query("id");
  if (id.empty()) {
    return Failed(request_id, InvalidArgumentError("empty restore id"), ReplyCode::kFail);
  }
  const auto job = jobs_.Find(id);
  if (!job || job->kind != kRestoreKind) {
    return Failed(request_id, NotFoundError(fmt::format("restore task {} not found", id)));
  }
  return ToReply({.request_id = request_id, .message = "success", .data = EncodeRestoreTask(*job)});
}

HttpReply BackupApi::Prune(const HttpRequest& request) {
  const std::string id = RequestIdOf(request);
  const auto body = Body::Parse(request.body);
  const auto parsed = body.ok() ? ParsePrune(*body, config_) : Result<PruneBody>(body.status());
  if (!parsed.ok()) return RefusedBody(id, parsed.status());
  const auto report = std::make_shared<backup::PruneReport>();  // shared with the job
  const auto job = jobs_.Submit({.id = id,
                                 .kind = parsed->request.dry_run ? kPruneDryRunKind : kPruneKind,
                                 .subject = parsed->request.schedule,
                                 .request = parsed->digest,
                                 .advice = kGoOnPruning},
                                PruneWork(parsed->config, parsed->request, clock_, report));
  if (!job.ok()) return Failed(id, job.status());
  if (parsed->is_async) {
    return ToReply({.request_id = id, .message = "prune is executing asynchronously"});
  }
  const auto ended = jobs_.Wait(id);
  if (!ended.ok()) return Failed(id, ended.status());
  const std::string data = EncodePruneReport(*report, parsed->request.dry_run);
  if (ended->state == JobState::kSucceeded) {
    return ToReply({.request_id = id, .message = "success", .data = data});
  }
  log::Warn("request={} failed: {}", id, ended->error);
  return ToReply({.request_id = id,
                  .code = ReplyCode::kFail,
                  .message = "prune: " + ended->error,
                  .data = report->backups.empty() ? "null" : data});
}

HttpReply BackupApi::Copy(const HttpRequest& request) {
  const std::string id = RequestIdOf(request);
  const auto body = Body::Parse(request.body);
  const auto parsed = body.ok() ? ParseCopy(*body, config_) : Result<CopyBody>(body.status());
  if (!parsed.ok()) return RefusedBody(id, parsed.status());
  const auto result = ResultOf(parsed->is_async);
  const CopyChoices& choices = parsed->choices;
  return AnswerWithTask(jobs_,
                        {.id = id,
                         .kind = choices.dry_run ? kCopyDryRunKind : kCopyKind,
                         .subject = choices.name,
                         .from = parsed->from,
                         .to = parsed->to,
                         .as = choices.as,
                         .request = parsed->digest,
                         .advice = kGoOnCopying},
                        CopyWork(config_, choices, result), parsed->is_async, result);
}

HttpReply BackupApi::Verify(const HttpRequest& request) {
  const std::string id = RequestIdOf(request);
  const auto body = Body::Parse(request.body);
  const auto parsed = body.ok() ? ParseVerify(*body, config_) : Result<VerifyBody>(body.status());
  if (!parsed.ok()) return RefusedBody(id, parsed.status());
  const auto result = ResultOf(parsed->is_async);
  return AnswerWithTask(jobs_,
                        {.id = id,
                         .kind = kVerifyKind,
                         .subject = parsed->choices.name,
                         .from = parsed->from,
                         .request = parsed->digest,
                         .advice = kVerifyAgain},
                        VerifyWork(parsed->config, parsed->choices, result), parsed->is_async,
                        result);
}

HttpReply BackupApi::ListTasks(const HttpRequest& request) {
  std::string data;
  for (const JobRecord& job : jobs_.List()) data += (data.empty() ? "" : ",") + EncodeJob(job);
  return ToReply(
      {.request_id = RequestIdOf(request), .message = "success", .data = "[" + data + "]"});
}

HttpReply BackupApi::Cancel(const HttpRequest& request) {
  const std::string request_id = RequestIdOf(request);
  const std::string id = request.Query("id");
  if (id.empty()) return Failed(request_id, InvalidArgumentError("id is required"));
  const auto job = jobs_.Cancel(id);
  if (job.status().code() == Code::kNotFound) {
    return Failed(request_id, job.status(), ReplyCode::kNotFound);
  }
  if (!job.ok()) return Failed(request_id, job.status());
  return ToReply({.request_id = request_id, .message = "success", .data = EncodeJob(*job)});
}

}  // namespace milvus_backup::service
