#include "api_server.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/service/http_guard.h"
#include "milvus_backup/service/http_server.h"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>

namespace milvus_backup::service {
namespace {

/// Until a stop is asked for, or the server has ended by itself.
void WaitForStop(const std::stop_token& stop, const HttpServer& server) {
  constexpr std::chrono::seconds kLookEvery{1};
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested() && !server.has_ended()) {
    never.wait_for(lock, stop, kLookEvery, [] { return false; });
  }
}

}  // namespace

Status ServeApi(const CallContext& ctx, const config::ServerSettings& settings, uint16_t port,
                const std::function<ServedApi(JobRunner& jobs)>& make_api,
                const std::function<void(uint16_t port)>& on_listening) {
  const GuardOptions guard{.address = settings.address,
                           .token = settings.token,
                           .has_tls = !settings.tls_cert_path.empty()};
  MB_RETURN_IF_ERROR(guard.Validate());
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<JobRunner> jobs,
                      JobRunner::Create({.directory = settings.state_dir,
                                         .max_running = static_cast<size_t>(settings.max_jobs)}));
  // Requests that wait for their task hold a thread each, and there are at most as many of them as
  // tasks; the others are for those who ask how far these are.
  const size_t threads = static_cast<size_t>(settings.max_jobs) + JobRunnerOptions().max_queued + 8;
  const ServedApi api = make_api(*jobs);
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<HttpServer> server,
                      HttpServer::Start({.address = settings.address,
                                         .port = port,
                                         .threads = threads,
                                         .tls_certificate_file = settings.tls_cert_path,
                                         .tls_key_file = settings.tls_key_path},
                                        Guard(guard, api.handle)));
  log::Info("listening on {} port {}", settings.address, server->port());
  if (Status begun = api.begin ? api.begin() : Status::Ok(); !begun.ok()) {
    jobs->Stop();
    server->Stop();
    return begun;
  }
  on_listening(server->port());
  WaitForStop(ctx.stop, *server);
  const bool has_failed = server->has_ended();
  log::Info("stopping: tasks that run are stopped, and can be gone on with");
  if (api.end) api.end();
  jobs->Stop();
  server->Stop();
  if (!has_failed) return Status::Ok();
  return Status(Code::kUnavailable, "the server can accept no more connections")
      .WithAdvice("look for what has used up the system's sockets or memory, and start it again");
}

}  // namespace milvus_backup::service
