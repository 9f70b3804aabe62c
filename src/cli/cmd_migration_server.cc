#include "cmd_migration.h"
#include "server_flags.h"

#include "milvus_backup/config/migration.h"
#include "milvus_backup/service/migration_server.h"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::cli {
namespace {

Status RunServer(const MigrationContext& context, const ServerFlags& flags) {
  MB_ASSIGN_OR_RETURN(const uint16_t port, ChoosePort(flags, ""));
  MB_ASSIGN_OR_RETURN(config::ServerSettings settings, config::LoadMigrationServer(context.config));
  settings = WithFlags(std::move(settings), flags);
  return service::ServeMigrations(
      context.call, settings, context.config, port,
      [&](uint16_t chosen) { PrintListening(settings, chosen, context.json); });
}

}  // namespace

MigrationCommand AddMigrationServer(CLI::App& app) {
  CLI::App* command = app.add_subcommand("server", "Serve the HTTP API until it is stopped");
  auto flags = std::make_shared<ServerFlags>();  // shared with the returned function
  AddServerFlags(*command, *flags, "8080");
  // The guide writes `server run`; the Go tool passes over all words there.
  auto words = std::make_shared<std::vector<std::string>>();
  command->add_option("words", *words)->group("");
  return [flags, words](const MigrationContext& context) { return RunServer(context, *flags); };
}

}  // namespace milvus_backup::cli
