#include "milvus_backup/service/backup_server.h"

#include "api_server.h"
#include "scheduler.h"

#include "milvus_backup/service/backup_api.h"
#include "milvus_backup/service/schedules.h"

#include <memory>
#include <utility>
#include <vector>

namespace milvus_backup::service {

Status ServeBackups(const CallContext& ctx, const config::Config& config, uint16_t port,
                    const std::function<void(uint16_t port)>& on_listening) {
  MB_ASSIGN_OR_RETURN(std::vector<Schedule> schedules, MakeSchedules(config));
  std::unique_ptr<BackupApi> api;
  std::unique_ptr<Scheduler> scheduler;
  const auto make_api = [&](JobRunner& jobs) -> ServedApi {
    api = std::make_unique<BackupApi>(ctx, config, jobs);
    ServedApi served{.handle = [&](const HttpRequest& request) { return api->Handle(request); },
                     .begin = {},
                     .end = {}};
    if (schedules.empty()) return served;
    served.begin = [&]() -> Status {
      MB_ASSIGN_OR_RETURN(scheduler, StartScheduler(config, std::move(schedules), jobs));
      return Status::Ok();
    };
    served.end = [&] { scheduler.reset(); };
    return served;
  };
  return ServeApi(ctx, config.server, port, make_api, on_listening);
}

}  // namespace milvus_backup::service
