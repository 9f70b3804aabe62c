#include "milvus_backup/service/migration_server.h"

#include "api_server.h"

#include "milvus_backup/service/migration_api.h"

#include <memory>

namespace milvus_backup::service {

Status ServeMigrations(const CallContext& ctx, const config::ServerSettings& settings,
                       const config::LoadOptions& migration, uint16_t port,
                       const std::function<void(uint16_t port)>& on_listening) {
  const auto make_api = [&](JobRunner& jobs) -> ServedApi {
    // Shared by the copies of the handler.
    const auto api = std::make_shared<MigrationApi>(migration, jobs);
    return {.handle = [api](const HttpRequest& request) { return api->Handle(request); },
            .begin = {},
            .end = {}};
  };
  return ServeApi(ctx, settings, port, make_api, on_listening);
}

}  // namespace milvus_backup::service
