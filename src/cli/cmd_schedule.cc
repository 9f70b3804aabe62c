#include "arguments.h"
#include "commands.h"
#include "output.h"

#include "milvus_backup/base/clock.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/service/schedules.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::cli {
namespace {

using service::RunReport;
using service::RunStep;
using service::ScheduleView;
using std::chrono::sys_seconds;

constexpr uint32_t kMostTimes = 1000;

struct ScheduleFlags {
  CLI::App* run = nullptr;
  CLI::App* list = nullptr;
  CLI::App* run_now = nullptr;
  std::string state_dir;
  std::string name;
  uint32_t times = 3;
};

sys_seconds Now() { return std::chrono::floor<std::chrono::seconds>(Clock::Real().WallNow()); }

nlohmann::ordered_json ToJson(const ScheduleView& view) {
  nlohmann::ordered_json next = nlohmann::ordered_json::array();
  for (const sys_seconds time : view.next) next.push_back(FormatIso8601(time));
  nlohmann::ordered_json document = {{"name", view.name},
                                     {"cron", view.cron},
                                     {"time_zone", view.time_zone},
                                     {"next", std::move(next)},
                                     {"unfinished", view.unfinished},
                                     {"last", nullptr}};
  if (view.last) {
    document["last"] = {{"backup", view.last->backup},
                        {"ended", FormatIso8601(view.last->ended)},
                        {"status", view.last->succeeded ? "ok" : "failed"},
                        {"error", view.last->error}};
  }
  if (!view.problem.empty()) document["problem"] = view.problem;
  return document;
}

void Print(const ScheduleView& view) {
  PrintLine(fmt::format("{}: {} ({})", view.name, view.cron, view.time_zone));
  for (const sys_seconds time : view.next) {
    PrintLine(fmt::format("  next  {}", FormatIso8601(time)));
  }
  if (!view.problem.empty()) {
    PrintErrorLine(fmt::format("Warning: {}: {}", view.name, view.problem));
  }
  if (!view.unfinished.empty()) PrintLine(fmt::format("  unfinished  {}", view.unfinished));
  if (!view.last) return;
  PrintLine(fmt::format("  last  {} {} at {}", Printable(view.last->backup),
                        view.last->succeeded ? "succeeded" : "failed",
                        FormatIso8601(view.last->ended)));
  if (!view.last->error.empty()) {
    PrintLine(fmt::format("  error {}", Printable(view.last->error)));
  }
}

Status PrintSchedules(const CommandContext& context, const config::Config& config,
                      const ScheduleFlags& flags) {
  MB_ASSIGN_OR_RETURN(const std::vector<ScheduleView> views,
                      service::ListSchedules(config, Now(), flags.times));
  if (context.json) {
    nlohmann::ordered_json schedules = nlohmann::ordered_json::array();
    for (const ScheduleView& view : views) schedules.push_back(ToJson(view));
    PrintJson({{"status", "ok"}, {"schedules", std::move(schedules)}});
    return Status::Ok();
  }
  if (views.empty()) PrintErrorLine(config.path + " has no schedules");
  for (const ScheduleView& view : views) Print(view);
  return Status::Ok();
}

std::string OutcomeText(const RunStep& step) {
  switch (step.outcome) {
    case RunStep::Outcome::kSucceeded:
      return fmt::format("done in {:.2f} s", step.seconds);
    case RunStep::Outcome::kFailed:
      return "failed";
    case RunStep::Outcome::kSkipped:
      return fmt::format("not done: {}", step.status.message());
  }
  return "";
}

/// A backup that is there although something else has failed is not nothing.
ExitCode StatusOf(const RunReport& report) {
  if (report.status.ok()) return kDone;
  bool is_damaged = false;
  for (const RunStep& step : report.steps) {
    is_damaged = is_damaged || step.status.code() == Code::kDataLoss;
  }
  if (is_damaged) return kIntegrity;
  return report.created ? kSomeFailed : ExitCodeOf(report.status);
}

Status RunNow(const CommandContext& context, const config::Config& config,
              const ScheduleFlags& flags) {
  MB_ASSIGN_OR_RETURN(
      const RunReport report,
      service::RunScheduleNow(context.call, config, flags.name,
                              [&](const std::string& step, service::JobState state) {
                                if (context.json || state != service::JobState::kRunning) return;
                                PrintErrorLine(step);
                              }));
  if (report.status.code() == Code::kCancelled) return report.status;
  context.exit_code = StatusOf(report);
  NoteDone(report.created ? "the backup is complete" : "the run has ended");
  if (context.json) {
    PrintLine(service::EncodeRun(report));
    return Status::Ok();
  }
  for (const RunStep& step : report.steps) {
    PrintLine(fmt::format("{}: {}", step.name, OutcomeText(step)));
    if (step.outcome == RunStep::Outcome::kFailed) {
      PrintErrorLine(fmt::format("Error: {}: {}", step.name, step.status.ToString()));
    }
  }
  PrintLine(fmt::format("backup {} {}", report.backup,
                        report.status.ok() ? "succeeded"
                        : report.created   ? "is complete, but the run failed"
                                           : "failed"));
  return Status::Ok();
}

Status RunServe(const CommandContext& context, const config::Config& config) {
  return service::ServeSchedules(context.call, config, [&] {
    if (context.json) {
      PrintJson({{"status", "running"}, {"schedules", config.schedules.size()}});
    } else {
      PrintLine(fmt::format("running {} schedules", config.schedules.size()));
    }
  });
}

Status RunScheduleCommand(const CommandContext& context, const ScheduleFlags& flags) {
  config::Config config = context.config;
  if (!flags.state_dir.empty()) config.server.state_dir = flags.state_dir;
  if (flags.list->parsed()) return PrintSchedules(context, config, flags);
  if (flags.run_now->parsed()) return RunNow(context, config, flags);
  return RunServe(context, config);
}

}  // namespace

Command AddSchedule(CLI::App& app) {
  CLI::App* command = app.add_subcommand("schedule", "Take backups by the clock");
  command->require_subcommand(1);
  auto flags = std::make_shared<ScheduleFlags>();  // shared with the returned function
  flags->run = command->add_subcommand("run", "Run the schedules of the file until it is stopped");
  flags->list = command->add_subcommand("list", "Print the schedules, and their next times in UTC");
  flags->run_now = command->add_subcommand(
      "run-now", "Run one now, or go on with a run of it that has not ended");
  flags->list->add_option("--times", flags->times, "Times of each")
      ->check(CLI::Range(uint32_t{0}, kMostTimes))
      ->capture_default_str();
  flags->run_now->add_option("name", flags->name, "Name of the schedule")
      ->required()
      ->type_name("NAME");
  for (CLI::App* each : {flags->run, flags->list, flags->run_now}) {
    each->add_option("--state-dir", flags->state_dir,
                     "Directory of their states instead of server.stateDir");
  }
  return [flags](const CommandContext& context) { return RunScheduleCommand(context, *flags); };
}

}  // namespace milvus_backup::cli
