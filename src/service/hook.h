/// Telling others of a run: a command or a request, from the configuration file alone.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/config/schedule.h"

#include <string>

namespace milvus_backup::service {

/// Run the command with `description`, a JSON object, on its standard input, or send that to the
/// webhook, which must answer with a 2xx status. Nothing for a hook that is not set. An error names
/// the hook's key, and of a webhook the host alone. Nothing is tried twice.
Status RunHook(const CallContext& ctx, const config::HookSettings& hook,
               const std::string& description);

}  // namespace milvus_backup::service
