/// Flags and output that the servers have in common.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"

#include <cstdint>
#include <string>

namespace CLI {
class App;
}

namespace milvus_backup::cli {

struct ServerFlags {
  std::string port;
  std::string host;
  std::string state_dir;
};

/// `-p`, `--host` and `--state-dir`. `default_port` is what --help says of the port.
void AddServerFlags(CLI::App& command, ServerFlags& flags, const std::string& default_port);

/// -p before the variable, which may be empty for none, before 8080.
Result<uint16_t> ChoosePort(const ServerFlags& flags, const char* variable);

/// `settings` with what the flags say instead.
config::ServerSettings WithFlags(config::ServerSettings settings, const ServerFlags& flags);

/// What a server that has begun to listen prints.
void PrintListening(const config::ServerSettings& settings, uint16_t port, bool json);

}  // namespace milvus_backup::cli
