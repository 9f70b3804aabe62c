/// `milvus-backup server` put together: the jobs, the API, the guard and the HTTP server.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"

#include <cstdint>
#include <functional>

namespace milvus_backup::service {

/// Serve until `ctx` is stopped, and run the schedules of the configuration meanwhile; then stop
/// the tasks, answer what was asked, and return. `config` says where to listen and where states are
/// kept; a `port` of 0 takes a free one. `on_listening` is told the port once requests are
/// answered.
///
/// Errors are those of the start: kInvalidArgument with Origin::kConfig for an address that needs a
/// token and for a schedule that is wrong, kAlreadyExists when another server has the state
/// directory, kUnavailable for a port that cannot be had.
Status ServeBackups(const CallContext& ctx, const config::Config& config, uint16_t port,
                    const std::function<void(uint16_t port)>& on_listening);

}  // namespace milvus_backup::service
