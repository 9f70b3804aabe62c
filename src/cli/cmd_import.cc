#include "archive_file.h"
#include "arguments.h"
#include "backup_source.h"
#include "commands.h"
#include "output.h"
#include "terminal_progress.h"

#include "milvus_backup/backup/archive.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/service/services.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>

namespace milvus_backup::cli {
namespace {

struct ImportFlags {
  std::string archive;
  std::string name;
  std::string to;
  std::string to_config;
};

void Print(const backup::ImportReport& report, const backup::Place& place, bool json) {
  for (const std::string& warning : report.warnings) PrintErrorLine("Warning: " + warning);
  if (json) {
    PrintJson({{"status", "ok"},
               {"name", report.name},
               {"objects", report.objects},
               {"bytes", report.bytes},
               {"manifest", report.has_manifest},
               {"already_there", report.already_there},
               {"resumed", report.resumed},
               {"made_destination", report.made_destination},
               {"warnings", report.warnings},
               {"seconds", report.seconds}});
    return;
  }
  if (report.made_destination) PrintLine("made " + place.backend->Describe());
  if (report.already_there) {
    PrintLine(
        fmt::format("backup {} is there already: an earlier import had finished it", report.name));
    return;
  }
  PrintLine(fmt::format("imported {}: {} objects, {}, {}", report.name, report.objects,
                        FormatBytes(static_cast<double>(report.bytes)),
                        report.has_manifest ? "all compared with the manifest"
                                            : "no manifest, so no hashes to compare"));
  PrintLine(fmt::format("duration:{:.2f} s", report.seconds));
}

Status RunImport(const CommandContext& context, const ImportFlags& flags) {
  if (!flags.to.empty() && !flags.to_config.empty()) {
    return InvalidArgumentError("--to and --to-config exclude each other");
  }
  MB_ASSIGN_OR_RETURN(const config::StorageSettings settings,
                      FindBackupStorage(context.config, flags.to, flags.to_config, "--to"));
  backup::Place place;
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<storage::Backend> backend,
                      service::OpenPlace(settings, place));
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<ArchiveInput> input, ArchiveInput::Open(flags.archive));
  auto line = std::make_unique<TerminalProgress>(context.progress, !context.json);
  const auto report =
      backup::ImportBackup(context.call, place, {.name = flags.name, .progress = &context.progress},
                           [&](std::span<std::byte> to) { return input->Read(context.call, to); });
  line.reset();
  MB_RETURN_IF_ERROR(report.status());
  NoteDone("the import is complete");
  Print(*report, place, context.json);
  return Status::Ok();
}

}  // namespace

Command AddImport(CLI::App& app) {
  CLI::App* command = app.add_subcommand("import", "Bring back a backup that `export` has written");
  auto flags = std::make_shared<ImportFlags>();  // shared with the returned function
  command->add_option("archive", flags->archive, "The file; - for stdin")
      ->required()
      ->type_name("FILE");
  command->add_option("-n,--name", flags->name, "Name for the backup; default: that of the archive")
      ->check(Checker(meta::ValidateBackupName));
  command->add_option("--to", flags->to, "Into the backup storage called so in storages:");
  command->add_option("--to-config", flags->to_config,
                      "Into the backup storage of this configuration file");
  return [flags](const CommandContext& context) { return RunImport(context, *flags); };
}

}  // namespace milvus_backup::cli
