#include "commands.h"
#include "output.h"

#include "milvus_backup/service/backup_server.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace milvus_backup::cli {
namespace {

// Of the reference tool, as is the name of the variable.
constexpr uint16_t kDefaultPort = 8080;
constexpr char kPortVariable[] = "SERVER_PORT";

struct ServerFlags {
  std::string port;
  std::string host;
  std::string state_dir;
};

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

/// -p before the environment before the default.
Result<uint16_t> ChoosePort(const ServerFlags& flags) {
  const std::string variable = config::ProcessEnvironment(kPortVariable).value_or("");
  const std::string& text = flags.port.empty() ? variable : flags.port;
  if (text.empty()) return kDefaultPort;
  const std::optional<uint16_t> port = ParsePort(text);
  if (port) return *port;
  return InvalidArgumentError(fmt::format("{} '{}' is not a port from 0 to 65535",
                                          flags.port.empty() ? kPortVariable : "-p/--port", text));
}

Status RunServer(const CommandContext& context, const ServerFlags& flags) {
  MB_ASSIGN_OR_RETURN(const uint16_t port, ChoosePort(flags));
  config::Config config = context.config;
  if (!flags.host.empty()) config.server.address = flags.host;
  if (!flags.state_dir.empty()) config.server.state_dir = flags.state_dir;
  return service::ServeBackups(context.call, config, port, [&](uint16_t chosen) {
    const std::string& address = config.server.address;
    const bool is_v6 = address.find(':') != std::string::npos;
    const std::string url =
        fmt::format("http://{}:{}/api/v1", is_v6 ? fmt::format("[{}]", address) : address, chosen);
    if (context.json) {
      PrintJson({{"status", "listening"}, {"url", url}});
    } else {
      PrintLine("listening on " + url);
    }
  });
}

}  // namespace

Command AddServer(CLI::App& app) {
  CLI::App* command = app.add_subcommand("server", "Serve the HTTP API until it is stopped");
  auto flags = std::make_shared<ServerFlags>();  // shared with the returned function
  command->add_option("-p,--port", flags->port,
                      "Port to listen on, 0 for a free one; default $SERVER_PORT or 8080");
  command->add_option("--host", flags->host, "Address to listen on instead of server.address");
  command->add_option("--state-dir", flags->state_dir,
                      "Directory of the states of tasks instead of server.stateDir");
  return [flags](const CommandContext& context) { return RunServer(context, *flags); };
}

}  // namespace milvus_backup::cli
