/// What the servers have in common: jobs, guard and HTTP server around an API.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/service/http.h"
#include "milvus_backup/service/job_runner.h"

#include <cstdint>
#include <functional>

namespace milvus_backup::service {

/// What a server serves, and what works beside it.
struct ServedApi {
  HttpHandler handle;
  /// Called once requests are answered; may be empty. Its error ends the server.
  std::function<Status()> begin;
  /// Called before the jobs are stopped, if `begin` returned OK; may be empty.
  std::function<void()> end;
};

/// Serve what `make_api` makes of the jobs until `ctx` is stopped, or the server has ended by
/// itself; then stop the jobs and answer what was asked. What the functions refer to must outlive
/// this call. Errors as ServeBackups.
Status ServeApi(const CallContext& ctx, const config::ServerSettings& settings, uint16_t port,
                const std::function<ServedApi(JobRunner& jobs)>& make_api,
                const std::function<void(uint16_t port)>& on_listening);

}  // namespace milvus_backup::service
