#include "arguments.h"
#include "commands.h"
#include "output.h"
#include "selection_flags.h"
#include "terminal_progress.h"

#include "milvus_backup/backup/create.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/service/services.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::cli {
namespace {

using backup::Strategy;

struct CreateFlags {
  std::string name;
  SelectionFlags selection;
  std::string strategy;
  std::string format;
  bool force = false;
  bool meta_only = false;
  bool rbac = false;
  bool dry_run = false;
  bool fail_fast = false;
};

// --strategy wins over -f, and -f over --meta_only, as in the reference tool.
Result<Strategy> ChooseStrategy(const CreateFlags& flags) {
  if (!flags.strategy.empty()) return backup::ParseStrategy(flags.strategy);
  if (flags.force) return Strategy::kSkipFlush;
  return flags.meta_only ? Strategy::kMetaOnly : Strategy::kSerialFlush;
}

std::vector<std::string> MissingCollections(const backup::CreateReport& report) {
  std::vector<std::string> missing;
  for (const backup::CollectionReport& collection : report.per_collection) {
    if (!collection.status.ok()) missing.push_back(collection.name);
  }
  return missing;
}

void PrintReportJson(const backup::CreateReport& report, bool dry_run) {
  nlohmann::ordered_json failed = nlohmann::ordered_json::array();
  nlohmann::ordered_json collections = nlohmann::ordered_json::array();
  for (const backup::CollectionReport& one : report.per_collection) {
    if (one.status.ok()) {
      collections.push_back({{"name", one.name},
                             {"segments", one.segments},
                             {"rows", one.rows},
                             {"objects", one.objects},
                             {"bytes", one.bytes},
                             {"kept", one.kept}});
    } else {
      failed.push_back({{"name", one.name}, {"error", ErrorJson(one.status)}});
    }
  }
  PrintJson({
      {"status", report.partial() ? "partial" : "ok"},
      {"name", report.name},
      {"dry_run", dry_run},
      {"collections", report.collections},
      {"segments", report.segments},
      {"rows", report.rows},
      {"objects", report.objects},
      {"bytes", report.bytes},
      {"server_side_objects", report.server_side_objects},
      {"second_reads", report.second_reads},
      {"read_back_objects", report.read_back_objects},
      {"resumed", report.resumed},
      {"kept_objects", report.kept_objects},
      {"per_collection", collections},
      {"failed", failed},
      {"warnings", report.warnings},
      {"seconds", report.seconds},
      {"phases", report.phases},
  });
}

void PrintFailures(const backup::CreateReport& report) {
  for (const backup::CollectionReport& collection : report.per_collection) {
    if (!collection.status.ok()) PrintErrorLine("Error: " + collection.status.ToString());
  }
}

void PrintPlan(const backup::CreateReport& report) {
  const auto counts = [](uint64_t segments, int64_t rows, uint64_t objects, uint64_t bytes) {
    return fmt::format("{} segments, {} rows, {} objects, {}", segments, rows, objects,
                       FormatBytes(static_cast<double>(bytes)));
  };
  for (const backup::CollectionReport& one : report.per_collection) {
    if (!one.status.ok()) continue;
    const std::string text = counts(one.segments, one.rows, one.objects, one.bytes);
    PrintLine(fmt::format("{}: {}", one.name, one.kept ? "in the backup already" : text));
  }
  if (report.resumed) PrintLine("create would go on with what is there of " + report.name);
  PrintLine(fmt::format("create would back up {} collections to {}: {} in storage by now",
                        report.collections, report.name,
                        counts(report.segments, report.rows, report.objects, report.bytes)));
}

void Print(const backup::CreateReport& report) {
  if (report.partial()) {
    PrintLine(fmt::format("create backup partial: missing {}",
                          fmt::join(MissingCollections(report), ", ")));
  } else {
    PrintLine("create backup success");
  }
  PrintLine(fmt::format("duration:{:.2f} s", report.seconds));
}

Status RunCreate(const CommandContext& context, const CreateFlags& flags) {
  backup::CreateOptions options{.name = flags.name,
                                .rbac = flags.rbac,
                                .dry_run = flags.dry_run,
                                .fail_fast = flags.fail_fast};
  MB_ASSIGN_OR_RETURN(options.strategy, ChooseStrategy(flags));
  MB_ASSIGN_OR_RETURN(options.selection, ParseSelection(flags.selection));
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<service::Services> services,
                      service::Services::Create(context.call, context.config,
                                                service::Services::Needs::kEverything));
  services->site().progress = &context.progress;
  auto progress = std::make_unique<TerminalProgress>(context.progress, !context.json);
  MB_ASSIGN_OR_RETURN(const backup::CreateReport report,
                      backup::CreateBackup(context.call, services->site(), options));
  progress.reset();
  if (report.partial()) context.exit_code = kSomeFailed;
  if (!options.dry_run) {
    NoteDone(report.partial() ? "the backup is partial" : "the backup is complete");
  }
  if (context.json) {
    PrintReportJson(report, options.dry_run);
    return Status::Ok();
  }
  PrintFailures(report);
  // On stderr: scripts read the lines of stdout.
  if (flags.name.empty() && !options.dry_run) PrintErrorLine("backup name: " + report.name);
  if (options.dry_run) {
    PrintPlan(report);
  } else {
    Print(report);
  }
  return Status::Ok();
}

}  // namespace

Command AddCreate(CLI::App& app) {
  CLI::App* command = app.add_subcommand("create", "Take a backup of collections");
  auto flags = std::make_shared<CreateFlags>();  // shared with the returned function
  command->add_option("-n,--name", flags->name, "Name of the backup; default backup_<UTC time>")
      ->check(Checker(meta::ValidateBackupName));
  AddSelectionFlags(*command, flags->selection);
  command
      ->add_option("--strategy", flags->strategy,
                   "meta_only, skip_flush, bulk_flush or serial_flush (default)")
      ->check(Checker([](std::string_view text) {
        return text.empty() ? Status::Ok() : backup::ParseStrategy(text).status();
      }));
  command->add_flag("-f,--force", flags->force, "The same as --strategy skip_flush");
  command->add_flag("--meta_only", flags->meta_only, "The same as --strategy meta_only");
  command->add_option("--format", flags->format, "auto or binlog")
      ->check(Checker(backup::CheckFormat));
  command->add_flag("--rbac", flags->rbac,
                    "Also users, roles and grants (Milvus 2.4.10 and newer)");
  command->add_flag("--dry-run", flags->dry_run,
                    "Show what would be copied; flush and write nothing");
  command->add_flag("--fail-fast", flags->fail_fast, "End at the first collection that fails");
  command
      ->add_flag_callback("--backup_index_extra",
                          [] {
                            throw CLI::ValidationError(
                                "create --backup_index_extra is not built: it reads Milvus' etcd "
                                "for `restore secondary`, which this version does not have");
                          })
      ->group("");
  return [flags](const CommandContext& context) { return RunCreate(context, *flags); };
}

}  // namespace milvus_backup::cli
