#include "milvus_backup/milvus/gc_pause.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/net/http_client.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <utility>

namespace milvus_backup::milvus {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kPath = "/management/datacoord/garbage_collection";
constexpr auto kPatience = 5s;
constexpr auto kFarewell = 2s;

std::string TrimSlashes(std::string address) {
  while (address.ends_with('/')) address.pop_back();
  return address;
}

std::string TicketOf(const std::string& body) {
  const auto reply = nlohmann::json::parse(body, nullptr, false);
  if (!reply.is_object()) return "";
  const auto ticket = reply.find("ticket");
  return ticket != reply.end() && ticket->is_string() ? ticket->get<std::string>() : "";
}

}  // namespace

GcPause::GcPause(GcPauseOptions options)
    : options_{.address = TrimSlashes(std::move(options.address)),
               .lease = options.lease,
               .renew_every = options.renew_every},
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

void GcPause::Run(const std::stop_token& stop) {
  auto http = net::HttpClient::Create({.connect_timeout = 2s, .max_idle = 1});
  if (!http.ok()) {
    log::Warn("garbage collection of Milvus is not paused: {}", http.status().ToString());
    return;
  }
  const auto may_still_run = static_cast<size_t>(options_.lease / options_.renew_every) + 1;
  bool has_warned = false;
  do {
    Result<std::string> ticket = Pause(**http, stop);
    if (!ticket.ok() && stop.stop_requested()) break;
    if (ticket.status().code() == Code::kUnimplemented) {
      log::Info("{}", ticket.status().ToString());
      return;
    }
    if (!ticket.ok() && !std::exchange(has_warned, true)) {
      log::Warn("garbage collection of Milvus is not paused: {}", ticket.status().ToString());
    }
    if (ticket.ok() && !ticket->empty()) tickets_.push_back(*std::move(ticket));
    if (tickets_.size() > may_still_run) tickets_.pop_front();
  } while (Clock::Real().SleepFor(options_.renew_every, stop));
  for (const std::string& ticket : tickets_) Resume(**http, ticket);
}

Result<std::string> GcPause::Pause(net::HttpClient& http, const std::stop_token& stop) const {
  const CallContext ctx{stop, std::chrono::steady_clock::now() + kPatience};
  const std::string url =
      fmt::format("{}{}/pause?pause_seconds={}", options_.address, kPath, options_.lease.count());
  constexpr const char* kAdvice =
      "set backup.gcPause.address to Milvus' management port, or backup.gcPause.enable to false";
  auto reply = http.Send(ctx, {.method = "GET", .url = url});
  if (!reply.ok()) return std::move(reply).status().WithAdvice(kAdvice);
  // Milvus 2.3.5, whose collector keeps files of dropped segments for three hours anyway.
  if (reply->status == 404) {
    return UnimplementedError("this Milvus cannot pause its garbage collection");
  }
  if (reply->status != 200) {
    return FailedPreconditionError(fmt::format("{} answers with HTTP {}: {}", options_.address,
                                               reply->status, reply->body.substr(0, 200)))
        .WithAdvice(kAdvice);
  }
  return TicketOf(reply->body);
}

void GcPause::Resume(net::HttpClient& http, const std::string& ticket) const {
  const CallContext ctx{{}, std::chrono::steady_clock::now() + kFarewell};
  const std::string url =
      fmt::format("{}{}/resume?ticket={}", options_.address, kPath, PercentEncode(ticket, false));
  const auto reply = http.Send(ctx, {.method = "GET", .url = url});
  const int status = reply.ok() ? reply->status : 0;
  // Nothing is lost: the lease ends by itself.
  if (status != 200) log::Debug("a ticket of the pause was not taken back: status={}", status);
}

}  // namespace milvus_backup::milvus
