#include "backup_source.h"
#include "commands.h"
#include "copy_flags.h"
#include "output.h"
#include "terminal_progress.h"

#include "milvus_backup/backup/copy.h"
#include "milvus_backup/service/copy_places.h"
#include "milvus_backup/storage/read_only_backend.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

namespace milvus_backup::cli {
namespace {

using backup::CopiedBackup;
using Outcome = backup::CopiedBackup::Outcome;

/// Failures that are printed; the rest is counted. With --json all are there.
constexpr size_t kShownFailures = 20;

using service::CopySide;

struct Sides {
  CopySide source;
  CopySide destination;
};

Result<CopySide> OpenOneOf(const config::Config& config, const std::string& storage,
                           const std::string& other_config, const std::string& flag) {
  MB_ASSIGN_OR_RETURN(const config::StorageSettings settings,
                      FindBackupStorage(config, storage, other_config, flag));
  return service::OpenBackupRoot(settings);
}

Result<CopySide> OpenLocation(const config::Config& config, const storage::Location& location) {
  MB_ASSIGN_OR_RETURN(const config::StorageSettings settings, StorageAt(config, location));
  return service::OpenTree(settings);
}

Result<Sides> OpenSides(const config::Config& config, const CopyFlags& flags) {
  Sides sides;
  if (!flags.places.empty()) {
    MB_ASSIGN_OR_RETURN(const storage::Location from, storage::ParseLocation(flags.places[0]));
    MB_ASSIGN_OR_RETURN(const storage::Location to, storage::ParseLocation(flags.places[1]));
    MB_ASSIGN_OR_RETURN(sides.source, OpenLocation(config, from));
    MB_ASSIGN_OR_RETURN(sides.destination, OpenLocation(config, to));
    MB_RETURN_IF_ERROR(service::CheckIsDirectory(sides.source, flags.places[0]));
    MB_RETURN_IF_ERROR(service::CheckIsDirectory(sides.destination, flags.places[1]));
  } else {
    MB_ASSIGN_OR_RETURN(sides.source, OpenOneOf(config, flags.from, flags.from_config, "--from"));
    MB_ASSIGN_OR_RETURN(sides.destination, OpenOneOf(config, flags.to, flags.to_config, "--to"));
  }
  if (!flags.name.empty()) {
    MB_RETURN_IF_ERROR(service::Narrow(sides.source, flags.name));
    MB_RETURN_IF_ERROR(
        service::Narrow(sides.destination, flags.as.empty() ? flags.name : flags.as));
  }
  MB_RETURN_IF_ERROR(service::CheckSidesApart(sides.source, sides.destination));
  if (!flags.dry_run) return sides;
  for (CopySide* side : {&sides.source, &sides.destination}) {
    side->backend = std::make_unique<storage::ReadOnlyBackend>(std::move(side->backend));
    side->tree.backend = side->backend.get();
  }
  return sides;
}

std::string_view NameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::kCopied:
      return "copied";
    case Outcome::kAlreadyThere:
      return "already there";
    case Outcome::kFailed:
      return "failed";
  }
  return "";
}

nlohmann::ordered_json ToJson(const std::vector<CopiedBackup>& backups, const std::string& own) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const CopiedBackup& backup : backups) {
    nlohmann::ordered_json one = {{"name", backup.dir.empty() ? own : backup.dir},
                                  {"outcome", NameOf(backup.outcome)}};
    if (!backup.status.ok()) one["error"] = ErrorJson(backup.status);
    list.push_back(std::move(one));
  }
  return list;
}

void PrintReportJson(const backup::CopyAllReport& all, const CopyFlags& flags,
                     const std::string& own) {
  const backup::CopyReport& report = all.total;
  nlohmann::ordered_json failures = nlohmann::ordered_json::array();
  for (const backup::FailedObject& failure : report.failures) {
    failures.push_back({{"key", failure.key}, {"error", ErrorJson(failure.status)}});
  }
  nlohmann::ordered_json document = {{"status", report.some_failed() ? "partial" : "ok"},
                                     {"dry_run", flags.dry_run},
                                     {"objects", report.objects},
                                     {"bytes", report.bytes},
                                     {"reused_bytes", report.reused_bytes},
                                     {"kept_objects", report.kept_objects},
                                     {"undecided_objects", report.undecided_objects},
                                     {"deleted_objects", report.deleted_objects},
                                     {"server_side_objects", report.server_side_objects},
                                     {"second_reads", report.second_reads},
                                     {"resumed", report.resumed},
                                     {"made_destination", report.made_destination},
                                     {"backups", ToJson(report.backups, own)}};
  if (flags.all) document["left_out"] = ToJson(all.left_out, own);
  document["failure_count"] = report.failure_count;
  document["failures"] = std::move(failures);
  document["warnings"] = report.warnings;
  document["seconds"] = report.seconds;
  PrintJson(document);
}

std::string Counts(const backup::CopyReport& report, bool dry_run) {
  const auto count = [](uint64_t n) { return fmt::format("{} object{}", n, n == 1 ? "" : "s"); };
  std::string text =
      fmt::format("{}{}, {}", dry_run ? "would copy " : "copied ", count(report.objects),
                  FormatBytes(static_cast<double>(report.bytes)));
  if (report.kept_objects > 0) text += fmt::format("; {} there already", report.kept_objects);
  if (report.undecided_objects > 0) {
    text += fmt::format("; {} of equal size would be compared", report.undecided_objects);
  }
  if (report.deleted_objects > 0) {
    text +=
        fmt::format("; {} {}", dry_run ? "would remove" : "removed", count(report.deleted_objects));
  }
  return text;
}

void PrintText(const backup::CopyAllReport& all, const CopyFlags& flags, const std::string& own,
               const CopySide& destination) {
  const backup::CopyReport& report = all.total;
  for (const CopiedBackup& backup : report.backups) {
    const std::string& name = backup.dir.empty() ? own : backup.dir;
    if (!backup.status.ok())
      PrintErrorLine("Error: backup " + name + ": " + backup.status.ToString());
    const bool would = flags.dry_run && backup.outcome == Outcome::kCopied;
    PrintLine(
        fmt::format("backup {}: {}", name, would ? "would be copied" : NameOf(backup.outcome)));
  }
  for (const CopiedBackup& backup : all.left_out) {
    PrintErrorLine(fmt::format("{} is not copied: {}", backup.dir, backup.status.message()));
  }
  for (const std::string& warning : report.warnings) PrintErrorLine("Warning: " + warning);
  const size_t shown = std::min(report.failures.size(), kShownFailures);
  for (size_t i = 0; i < shown; ++i) {
    const backup::FailedObject& failure = report.failures[i];
    PrintErrorLine("Error: " + failure.status.Annotate(failure.key).ToString());
  }
  if (report.failure_count > shown) {
    PrintErrorLine(fmt::format("Error: and {} more objects", report.failure_count - shown));
  }
  if (report.made_destination) {
    PrintLine(fmt::format("{} {}", flags.dry_run ? "would make" : "made",
                          destination.backend->Describe()));
  }
  PrintLine(Counts(report, flags.dry_run));
  PrintLine(fmt::format("duration:{:.2f} s", report.seconds));
}

Result<backup::CopyAllReport> Copy(const CommandContext& context, const CopyFlags& flags,
                                   const Sides& sides) {
  transfer::CopyEngine engine(TransferOptionsOf(flags, context.config), &context.progress);
  const backup::Tree& source = sides.source.tree;
  const backup::Tree& destination = sides.destination.tree;
  const backup::CopyRules rules = RulesOf(flags);
  if (flags.all) return CopyAllBackups(context.call, engine, source, destination, rules);
  backup::CopyAllReport all;
  if (flags.name.empty()) {
    MB_ASSIGN_OR_RETURN(all.total, CopyTree(context.call, engine, source, destination, rules));
  } else {
    MB_ASSIGN_OR_RETURN(all.total, CopyBackup(context.call, engine, source, destination, rules));
  }
  return all;
}

Status RunCopy(const CommandContext& context, const CopyFlags& flags) {
  MB_RETURN_IF_ERROR(CheckCopyFlags(flags));
  MB_ASSIGN_OR_RETURN(const Sides sides, OpenSides(context.config, flags));
  auto line = std::make_unique<TerminalProgress>(context.progress, !context.json);
  const auto report = Copy(context, flags, sides);
  line.reset();
  MB_RETURN_IF_ERROR(report.status());
  const bool failed = report->total.some_failed();
  if (failed) context.exit_code = kSomeFailed;
  if (!flags.dry_run) NoteDone(failed ? "the copy is incomplete" : "the copy is complete");
  const std::string own = flags.name.empty() ? flags.places.empty() ? "" : flags.places[1]
                          : flags.as.empty() ? flags.name
                                             : flags.as;
  if (context.json) {
    PrintReportJson(*report, flags, own);
  } else {
    PrintText(*report, flags, own, sides.destination);
  }
  return Status::Ok();
}

}  // namespace

Command AddCopy(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "copy", "Copy backups, or any tree of objects, from one storage to another");
  auto flags = std::make_shared<CopyFlags>();  // shared with the returned function
  AddCopyFlags(*command, *flags);
  return [flags](const CommandContext& context) { return RunCopy(context, *flags); };
}

}  // namespace milvus_backup::cli
