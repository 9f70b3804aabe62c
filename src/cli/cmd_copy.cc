#include "backup_source.h"
#include "commands.h"
#include "copy_flags.h"
#include "output.h"
#include "terminal_progress.h"

#include "milvus_backup/backup/copy.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/service/copy_places.h"
#include "milvus_backup/service/copy_run.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

namespace milvus_backup::cli {
namespace {

using backup::CopiedBackup;

/// Failures that are printed; the rest is counted. With --json the first 10,000
/// are there.
constexpr size_t kShownFailures = 20;

using service::CopyChoices;
using service::CopySide;
using service::CopySides;

Result<CopySide> OpenOneOf(const config::Config& config, const std::string& storage,
                           const std::string& other_config, const std::string& flag) {
  MB_ASSIGN_OR_RETURN(const config::StorageSettings settings,
                      FindBackupStorage(config, storage, other_config, flag));
  auto side = service::OpenBackupRoot(settings);
  if (side.ok() || (storage.empty() && other_config.empty())) return side;
  return side.status().Annotate(storage.empty() ? flag + "-config " + other_config
                                                : flag + " " + storage);
}

Result<CopySide> OpenLocation(const config::Config& config, const storage::Location& location) {
  MB_ASSIGN_OR_RETURN(const config::StorageSettings settings, StorageAt(config, location));
  auto side = service::OpenTree(settings);
  if (side.ok() || location.kind == storage::Location::Kind::kDisk) return side;
  return side.status().Annotate(location.text);
}

Result<CopySides> OpenSides(const config::Config& config, const CopyFlags& flags) {
  CopySides sides;
  if (!flags.places.empty()) {
    MB_ASSIGN_OR_RETURN(const storage::Location from, storage::ParseLocation(flags.places[0]));
    MB_ASSIGN_OR_RETURN(const storage::Location to, storage::ParseLocation(flags.places[1]));
    MB_ASSIGN_OR_RETURN(sides.source, OpenLocation(config, from));
    MB_ASSIGN_OR_RETURN(sides.destination, OpenLocation(config, to));
    MB_RETURN_IF_ERROR(service::CheckIsDirectory(sides.source, flags.places[0]));
    MB_RETURN_IF_ERROR(service::CheckIsDirectory(sides.destination, flags.places[1]));
  } else {
    const CopyChoices& choices = flags.choices;
    MB_ASSIGN_OR_RETURN(sides.source, OpenOneOf(config, choices.from, flags.from_config, "--from"));
    MB_ASSIGN_OR_RETURN(sides.destination, OpenOneOf(config, choices.to, flags.to_config, "--to"));
  }
  MB_RETURN_IF_ERROR(service::SettleCopySides(sides, flags.choices));
  return sides;
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

void PrintText(const backup::CopyAllReport& all, bool dry_run, const std::string& own,
               const CopySide& destination) {
  const backup::CopyReport& report = all.total;
  for (const CopiedBackup& backup : report.backups) {
    const std::string& name = backup.dir.empty() ? own : backup.dir;
    if (!backup.status.ok())
      PrintErrorLine("Error: backup " + Printable(name + ": " + backup.status.ToString()));
    PrintLine(fmt::format("backup {}: {}", name, service::OutcomeText(backup.outcome, dry_run)));
  }
  for (const CopiedBackup& backup : all.left_out) {
    PrintErrorLine(Printable(backup.dir + " is not copied: " + backup.status.message()));
  }
  for (const std::string& warning : report.warnings) {
    PrintErrorLine("Warning: " + Printable(warning));
  }
  const size_t shown = std::min(report.failures.size(), kShownFailures);
  for (size_t i = 0; i < shown; ++i) {
    const backup::FailedObject& failure = report.failures[i];
    PrintErrorLine("Error: " + Printable(failure.status.Annotate(failure.key).ToString()));
  }
  if (report.failure_count > shown) {
    PrintErrorLine(fmt::format("Error: and {} more objects", report.failure_count - shown));
  }
  if (report.made_destination) {
    PrintLine(
        fmt::format("{} {}", dry_run ? "would make" : "made", destination.backend->Describe()));
  }
  PrintLine(Counts(report, dry_run));
  PrintLine(fmt::format("duration:{:.2f} s", report.seconds));
}

Status RunCopy(const CommandContext& context, const CopyFlags& flags) {
  MB_RETURN_IF_ERROR(CheckCopyFlags(flags));
  const CopyChoices& choices = flags.choices;
  MB_ASSIGN_OR_RETURN(const CopySides sides, OpenSides(context.config, flags));
  auto line = std::make_unique<TerminalProgress>(context.progress, !context.json);
  const auto report =
      service::RunCopy(context.call, context.config, sides, choices, context.progress);
  line.reset();
  MB_RETURN_IF_ERROR(report.status());
  const bool failed = report->total.some_failed();
  if (failed) context.exit_code = kSomeFailed;
  if (!choices.dry_run) NoteDone(failed ? "the copy is incomplete" : "the copy is complete");
  const std::string own = flags.places.empty() ? choices.copy_name() : flags.places[1];
  if (context.json) {
    PrintLine(service::EncodeCopyReport(*report, choices, own));
  } else {
    PrintText(*report, choices.dry_run, own, sides.destination);
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
