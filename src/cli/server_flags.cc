#include "server_flags.h"

#include "output.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <charconv>
#include <optional>
#include <string_view>

namespace milvus_backup::cli {
namespace {

// Of the reference tools.
constexpr uint16_t kDefaultPort = 8080;

/// `8080`, and `:8080` as Go writes addresses.
std::optional<uint16_t> ParsePort(std::string_view text) {
  if (text.starts_with(':')) text.remove_prefix(1);
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

}  // namespace

void AddServerFlags(CLI::App& command, ServerFlags& flags, const std::string& default_port) {
  command.add_option("-p,--port", flags.port,
                     "Port to listen on, 0 for a free one; default " + default_port);
  command.add_option("--host", flags.host, "Address to listen on instead of server.address");
  command.add_option("--state-dir", flags.state_dir,
                     "Directory of the states of tasks instead of server.stateDir");
}

Result<uint16_t> ChoosePort(const ServerFlags& flags, const char* variable) {
  const std::string fallback = config::ProcessEnvironment(variable).value_or("");
  const std::string& text = flags.port.empty() ? fallback : flags.port;
  if (text.empty()) return kDefaultPort;
  const std::optional<uint16_t> port = ParsePort(text);
  if (port) return *port;
  return InvalidArgumentError(fmt::format("{} '{}' is not a port from 0 to 65535",
                                          flags.port.empty() ? variable : "-p/--port", text));
}

config::ServerSettings WithFlags(config::ServerSettings settings, const ServerFlags& flags) {
  if (!flags.host.empty()) settings.address = flags.host;
  if (!flags.state_dir.empty()) settings.state_dir = flags.state_dir;
  return settings;
}

void PrintListening(const config::ServerSettings& settings, uint16_t port, bool json) {
  const bool is_v6 = settings.address.find(':') != std::string::npos;
  const std::string url =
      fmt::format("{}://{}:{}/api/v1", settings.tls_cert_path.empty() ? "http" : "https",
                  is_v6 ? fmt::format("[{}]", settings.address) : settings.address, port);
  if (json) {
    PrintJson({{"status", "listening"}, {"url", url}});
  } else {
    PrintLine("listening on " + url);
  }
}

}  // namespace milvus_backup::cli
