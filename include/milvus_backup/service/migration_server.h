/// `milvus-migration server` put together: the jobs, the API, the guard and the HTTP server.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"

#include <cstdint>
#include <functional>

namespace milvus_backup::service {

/// Serve until `ctx` is stopped. `migration` says where the configuration is, which each request
/// reads anew; `settings` where to listen. All else, errors too, as ServeBackups.
Status ServeMigrations(const CallContext& ctx, const config::ServerSettings& settings,
                       const config::LoadOptions& migration, uint16_t port,
                       const std::function<void(uint16_t port)>& on_listening);

}  // namespace milvus_backup::service
