/// SIGINT and SIGTERM as a stop token.
#pragma once

#include <stop_token>

namespace milvus_backup {

/// Install once, early in main, before any thread is started. The first signal requests a stop on
/// the returned source; the second ends the program at once with exit status 130. SIGPIPE is
/// ignored. The signals are taken by a thread of their own, so nothing runs in a signal handler.
std::stop_source InstallSignalHandling();

}  // namespace milvus_backup
