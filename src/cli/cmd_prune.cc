#include "arguments.h"
#include "backup_source.h"
#include "commands.h"
#include "output.h"

#include "milvus_backup/backup/prune.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/tags.h"
#include "milvus_backup/service/prune_view.h"
#include "milvus_backup/service/services.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace milvus_backup::cli {
namespace {

using backup::PrunedBackup;
using backup::PruneOutcome;

struct PruneFlags {
  backup::RetentionRules rules;
  std::string keep_within;
  std::string grace;
  std::string schedule;
  std::string storage;
  std::string undo;
  bool dry_run = false;
};

Result<backup::PruneRequest> ToRequest(const PruneFlags& flags) {
  backup::PruneRequest request{
      .rules = flags.rules, .schedule = flags.schedule, .dry_run = flags.dry_run};
  if (!flags.keep_within.empty()) {
    MB_ASSIGN_OR_RETURN(request.rules.keep_within, backup::ParseKeepWithin(flags.keep_within));
  }
  if (!flags.grace.empty()) {
    MB_ASSIGN_OR_RETURN(request.grace, backup::ParseGrace(flags.grace));
  }
  return request;
}

/// Before anything is read: what would be removed depends on it.
Status CheckFlags(const PruneFlags& flags) {
  const bool has_rules = !flags.rules.empty() || !flags.keep_within.empty();
  if (!flags.undo.empty()) {
    if (has_rules || flags.dry_run) {
      return InvalidArgumentError("--undo takes one backup back: leave out rules and --dry-run");
    }
    for (const auto& [flag, value] :
         {std::pair("--grace", &flags.grace), std::pair("--schedule", &flags.schedule)}) {
      if (value->empty()) continue;
      return InvalidArgumentError(fmt::format("--undo and {} exclude each other", flag))
          .WithAdvice("--undo takes back one backup, whatever it was pruned by");
    }
    return Status::Ok();
  }
  if (has_rules) return Status::Ok();
  return InvalidArgumentError("no rule says which backups to keep")
      .WithAdvice(
          "give at least one of --keep-last, --keep-hourly, --keep-daily, --keep-weekly, "
          "--keep-monthly, --keep-yearly, --keep-within and --keep-tag");
}

std::string SummaryOf(const backup::PruneReport& report, bool dry_run) {
  std::map<PruneOutcome, uint64_t> counts;
  uint64_t bytes = 0;
  for (const PrunedBackup& backup : report.backups) {
    ++counts[backup.outcome];
    bytes += backup.bytes;
  }
  std::string text = fmt::format("{} kept", counts[PruneOutcome::kKept]);
  for (const auto& [outcome, count] : counts) {
    if (outcome == PruneOutcome::kKept || count == 0) continue;
    text += fmt::format(", {} {}", count, backup::NameOf(outcome));
    if (outcome == PruneOutcome::kRemoved) {
      text += fmt::format(" ({})", FormatBytes(static_cast<double>(bytes)));
    }
  }
  return dry_run ? "dry run: " + text : text;
}

void PrintText(const backup::PruneReport& report, bool dry_run) {
  for (const std::string& warning : report.warnings) PrintErrorLine("Warning: " + warning);
  bool has_marked = false;
  for (const PrunedBackup& backup : report.backups) {
    std::string line =
        fmt::format("{}: {} ({})", backup.name, service::OutcomeText(backup, dry_run),
                    fmt::join(backup.reasons, "; "));
    if (backup.time != std::chrono::system_clock::time_point{}) {
      line += ", taken " + FormatIso8601(backup.time);
    }
    if (backup.remove_after) line += ", data until " + FormatIso8601(*backup.remove_after);
    PrintLine(line);
    if (!backup.status.ok()) {
      const bool failed = backup.outcome == PruneOutcome::kFailed;
      PrintErrorLine(fmt::format("{}: {}: {}", failed ? "Error" : "Warning", backup.name,
                                 backup.status.ToString()));
    }
    has_marked = has_marked || backup.outcome == PruneOutcome::kMarked;
  }
  PrintLine(SummaryOf(report, dry_run));
  if (!has_marked || dry_run) return;
  PrintLine(
      "the next prune after its grace removes the data of a marked backup; until then "
      "`prune --undo NAME` takes it back");
}

Status Undo(const CommandContext& context, const backup::Place& place, const PruneFlags& flags) {
  MB_RETURN_IF_ERROR(backup::UndoPrune(context.call, place, flags.undo));
  NoteDone("the backup is taken back");
  if (context.json) {
    PrintJson({{"status", "ok"}, {"name", flags.undo}});
  } else {
    PrintLine(fmt::format("{} is no longer pruned", flags.undo));
  }
  return Status::Ok();
}

Status RunPrune(const CommandContext& context, const PruneFlags& flags) {
  MB_ASSIGN_OR_RETURN(const backup::PruneRequest request, ToRequest(flags));
  MB_ASSIGN_OR_RETURN(const config::StorageSettings settings,
                      FindBackupStorage(context.config, flags.storage, "", "--storage"));
  backup::Place place;
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<storage::Backend> backend,
                      service::OpenPlace(settings, place));
  if (!flags.undo.empty()) return Undo(context, place, flags);
  MB_ASSIGN_OR_RETURN(const backup::PruneReport report,
                      backup::Prune(context.call, place, request, Clock::Real()));
  if (report.some_failed()) context.exit_code = kSomeFailed;
  if (!flags.dry_run) NoteDone("the prune has ended");
  if (context.json) {
    PrintLine(service::EncodePruneReport(report, flags.dry_run));
  } else {
    PrintText(report, flags.dry_run);
  }
  return Status::Ok();
}

void AddRules(CLI::App& command, PruneFlags& flags) {
  backup::RetentionRules& rules = flags.rules;
  const auto add = [&command](const char* name, int& count, const char* what) {
    // CLI::NonNegativeNumber names its bound with 300 digits.
    command.add_option(name, count, what)
        ->check(CLI::Range(0, std::numeric_limits<int>::max(), "NONNEGATIVE"))
        ->type_name("N");
  };
  add("--keep-last", rules.keep_last, "Keep the newest N backups");
  add("--keep-hourly", rules.keep_hourly, "Keep the newest of each of the latest N hours with one");
  add("--keep-daily", rules.keep_daily, "The same for days (UTC)");
  add("--keep-weekly", rules.keep_weekly, "The same for weeks, which begin on Mondays");
  add("--keep-monthly", rules.keep_monthly, "The same for months");
  add("--keep-yearly", rules.keep_yearly, "The same for years");
  command
      .add_option("--keep-within", flags.keep_within,
                  "Keep what is at most so much older than the newest: 2y5m7d3h")
      ->check(Checker([](std::string_view text) { return backup::ParseKeepWithin(text).status(); }))
      ->type_name("SPAN");
  command.add_option("--keep-tag", rules.keep_tags, "Keep what has this tag; repeatable")
      ->expected(1)
      ->take_all()
      ->check(Checker(meta::ValidateTag))
      ->type_name("TAG");
}

}  // namespace

Command AddPrune(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "prune",
      "Remove the backups that no rule keeps, in two steps; never the last good one of a "
      "collection");
  auto flags = std::make_shared<PruneFlags>();  // shared with the returned function
  AddRules(*command, *flags);
  command
      ->add_option("--grace", flags->grace,
                   "How long the data of a marked backup stays, such as 12h (the default) or 0")
      ->check(Checker([](std::string_view text) { return backup::ParseGrace(text).status(); }))
      ->type_name("TIME");
  command->add_option("--schedule", flags->schedule,
                      "Only backups called NAME_<YYYYMMDDTHHMMSSZ>, as a schedule calls them");
  command->add_option("--storage", flags->storage, "In the backup storage called so in storages:");
  command->add_option("--undo", flags->undo, "Take this backup back while its data is there")
      ->check(Checker([](std::string_view text) { return meta::BackupDir("", text).status(); }));
  command->add_flag("--dry-run", flags->dry_run, "Print what would be done and change nothing");
  command->parse_complete_callback([flags] {
    const Status status = CheckFlags(*flags);
    if (!status.ok()) throw CLI::ValidationError(status.ToString());
  });
  return [flags](const CommandContext& context) { return RunPrune(context, *flags); };
}

}  // namespace milvus_backup::cli
