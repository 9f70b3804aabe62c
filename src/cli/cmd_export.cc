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

#include <map>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>

namespace milvus_backup::cli {
namespace {

using backup::Compression;

struct ExportFlags {
  std::string name;
  std::string output;
  std::string compression;
  bool overwrite = false;
  std::string from;
  std::string from_config;
};

const std::map<std::string, Compression>& Compressions() {
  static const std::map<std::string, Compression> names = {{"none", Compression::kNone},
                                                           {"gzip", Compression::kGzip},
                                                           {"zstd", Compression::kZstd},
                                                           {"xz", Compression::kXz}};
  return names;
}

Result<Compression> ToCompression(const ExportFlags& flags) {
  if (!IsStandardStream(flags.output)) {
    if (!flags.compression.empty()) {
      return InvalidArgumentError("--compression is for -o -: the end of a file's name tells it");
    }
    return CompressionOf(flags.output);
  }
  if (flags.overwrite) return InvalidArgumentError("--overwrite is for a file, not for -o -");
  return flags.compression.empty() ? Compression::kZstd : Compressions().at(flags.compression);
}

Result<std::unique_ptr<ArchiveOutput>> OpenOutput(const ExportFlags& flags) {
  if (!IsStandardStream(flags.output)) {
    return ArchiveOutput::OpenFile(flags.output, flags.overwrite);
  }
  if (isatty(STDOUT_FILENO) != 0) {
    return InvalidArgumentError("-o - would write an archive onto a terminal")
        .WithAdvice("redirect stdout into a file or a pipe");
  }
  MB_ASSIGN_OR_RETURN(const int stream, TakeStdout());
  return ArchiveOutput::OverStream(stream, "standard output");
}

void Print(const backup::ExportReport& report, const ExportFlags& flags, bool json) {
  for (const std::string& warning : report.warnings) PrintErrorLine("Warning: " + warning);
  if (json) {
    PrintJson({{"status", "ok"},
               {"name", report.name},
               {"output", flags.output},
               {"objects", report.objects},
               {"bytes", report.bytes},
               {"archive_bytes", report.archive_bytes},
               {"manifest", report.has_manifest},
               {"warnings", report.warnings},
               {"seconds", report.seconds}});
    return;
  }
  PrintLine(fmt::format("exported {} to {}: {} objects, {}, as {}", report.name, flags.output,
                        report.objects, FormatBytes(static_cast<double>(report.bytes)),
                        FormatBytes(static_cast<double>(report.archive_bytes))));
  PrintLine(fmt::format("duration:{:.2f} s", report.seconds));
}

Status RunExport(const CommandContext& context, const ExportFlags& flags) {
  if (!flags.from.empty() && !flags.from_config.empty()) {
    return InvalidArgumentError("--from and --from-config exclude each other");
  }
  MB_ASSIGN_OR_RETURN(const Compression compression, ToCompression(flags));
  MB_ASSIGN_OR_RETURN(const config::StorageSettings settings,
                      FindBackupStorage(context.config, flags.from, flags.from_config, "--from"));
  backup::Place place;
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<storage::Backend> backend,
                      service::OpenPlace(settings, place));
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<ArchiveOutput> output, OpenOutput(flags));
  auto line = std::make_unique<TerminalProgress>(context.progress, !context.json);
  const auto report = backup::ExportBackup(
      context.call, place,
      {.name = flags.name, .compression = compression, .progress = &context.progress},
      [&](ByteView bytes) { return output->Write(context.call, bytes); });
  line.reset();
  MB_RETURN_IF_ERROR(report.status());
  MB_RETURN_IF_ERROR(output->Commit());
  NoteDone("the export is complete");
  Print(*report, flags, context.json);
  return Status::Ok();
}

}  // namespace

Command AddExport(CLI::App& app) {
  CLI::App* command = app.add_subcommand("export", "Write a backup into one file, a tar archive");
  auto flags = std::make_shared<ExportFlags>();  // shared with the returned function
  command->add_option("-n,--name", flags->name, "Name of the backup")
      ->required()
      ->check(Checker([](std::string_view text) { return meta::BackupDir("", text).status(); }));
  command
      ->add_option("-o,--output", flags->output,
                   "File that ends with .tar, .tar.gz, .tar.zst or .tar.xz; - for stdout")
      ->required();
  command
      ->add_option("--compression", flags->compression,
                   "With -o -: none, gzip, zstd (the default) or xz")
      ->check(CLI::IsMember({"none", "gzip", "zstd", "xz"}));
  command->add_flag("--overwrite", flags->overwrite, "Replace a file that is there");
  command->add_option("--from", flags->from, "From the backup storage called so in storages:");
  command->add_option("--from-config", flags->from_config,
                      "From the backup storage of this configuration file");
  return [flags](const CommandContext& context) { return RunExport(context, *flags); };
}

}  // namespace milvus_backup::cli
