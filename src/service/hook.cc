#include "hook.h"

#include "hook_command.h"

#include "milvus_backup/net/http_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <memory>
#include <utility>

namespace milvus_backup::service {
namespace {

constexpr size_t kMaxHeadersBytes = size_t{64} * 1024;

bool IsHeaderName(const std::string& name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::ranges::all_of(name, [&](unsigned char c) {
    return std::isalnum(c) != 0 || kMarks.find(static_cast<char>(c)) != std::string_view::npos;
  });
}

/// Lines `Name: value`. Errors tell numbers of lines and nothing of what is in them.
Result<net::HttpHeaders> ReadHeaders(const std::string& path) {
  net::HttpHeaders headers;
  if (path.empty()) return headers;
  std::ifstream file(path, std::ios::binary);
  if (!file) return FailedPreconditionError("cannot read " + path);
  std::string line;
  size_t bytes = 0;
  for (size_t number = 1; std::getline(file, line); ++number) {
    bytes += line.size();
    if (bytes > kMaxHeadersBytes) {
      return InvalidArgumentError(path + " is too large to hold headers");
    }
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    const size_t colon = line.find(':');
    const std::string name = line.substr(0, colon);
    const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
    if (colon == std::string::npos || !IsHeaderName(name) ||
        std::ranges::any_of(line, is_control)) {
      return InvalidArgumentError(fmt::format("{} line {} is no header", path, number))
          .WithAdvice("write lines such as Authorization: Bearer TOKEN");
    }
    const size_t begin = std::min(line.find_first_not_of(' ', colon + 1), line.size());
    headers.push_back({name, line.substr(begin)});
  }
  return headers;
}

Status Post(const CallContext& ctx, const config::HookSettings& hook,
            const std::string& description) {
  MB_ASSIGN_OR_RETURN(net::HttpHeaders headers, ReadHeaders(hook.headers_file));
  headers.push_back({"Content-Type", "application/json"});
  MB_ASSIGN_OR_RETURN(
      const std::unique_ptr<net::HttpClient> client,
      net::HttpClient::Create({.ca_file = hook.ca_cert_path, .connect_timeout = hook.timeout}));
  CallContext bounded = ctx;
  bounded.deadline = std::chrono::steady_clock::now() + hook.timeout;
  const std::string& url = hook.webhook.Reveal();
  const auto reply = client->Send(bounded, {.method = "POST",
                                            .url = url,
                                            .headers = std::move(headers),
                                            .body = AsBytes(description),
                                            // The deadline comes first.
                                            .stall_timeout = 2 * hook.timeout,
                                            .repeatable = false});
  MB_RETURN_IF_ERROR(reply.status());
  if (reply->status >= 200 && reply->status < 300) return Status::Ok();
  return FailedPreconditionError(
      fmt::format("{} answered with status {}", net::EndpointOf(url), reply->status));
}

Status Run(const CallContext& ctx, const config::HookSettings& hook,
           const std::string& description) {
  if (hook.command.empty()) return Post(ctx, hook, description);
  HookCommand command{
      .arguments = hook.command, .input = description + "\n", .timeout = hook.timeout};
  if (hook.shell) command.arguments = {"/bin/sh", "-c", hook.command.front()};
  return RunHookCommand(ctx, command);
}

}  // namespace

Status RunHook(const CallContext& ctx, const config::HookSettings& hook,
               const std::string& description) {
  if (!hook.is_set()) return Status::Ok();
  return Run(ctx, hook, description).Annotate(hook.key);
}

}  // namespace milvus_backup::service
