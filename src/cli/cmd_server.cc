#include "commands.h"
#include "server_flags.h"

#include "milvus_backup/service/backup_server.h"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <memory>
#include <utility>

namespace milvus_backup::cli {
namespace {

// Of the reference tool.
constexpr char kPortVariable[] = "SERVER_PORT";

Status RunServer(const CommandContext& context, const ServerFlags& flags) {
  MB_ASSIGN_OR_RETURN(const uint16_t port, ChoosePort(flags, kPortVariable));
  config::Config config = context.config;
  config.server = WithFlags(std::move(config.server), flags);
  return service::ServeBackups(context.call, config, port, [&](uint16_t chosen) {
    PrintListening(config.server, chosen, context.json);
  });
}

}  // namespace

Command AddServer(CLI::App& app) {
  CLI::App* command = app.add_subcommand("server", "Serve the HTTP API until it is stopped");
  auto flags = std::make_shared<ServerFlags>();  // shared with the returned function
  AddServerFlags(*command, *flags, "$SERVER_PORT or 8080");
  return [flags](const CommandContext& context) { return RunServer(context, *flags); };
}

}  // namespace milvus_backup::cli
