#include "commands.h"
#include "output.h"
#include "services.h"
#include "terminal_progress.h"

#include "milvus_backup/backup/create.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>

namespace milvus_backup::cli {
namespace {

struct CreateFlags {
  std::string name;
  std::string collections;
  std::string filter;
};

void Print(const backup::CreateReport& report, bool json) {
  if (!json) {
    PrintLine("create backup success");
    PrintLine(fmt::format("duration:{:.2f} s", report.seconds));
    return;
  }
  PrintLine(nlohmann::ordered_json{
      {"status", "ok"},
      {"name", report.name},
      {"collections", report.collections},
      {"segments", report.segments},
      {"rows", report.rows},
      {"objects", report.objects},
      {"bytes", report.bytes},
      {"server_side_objects", report.server_side_objects},
      {"second_reads", report.second_reads},
      {"seconds", report.seconds},
      {"phases", report.phases},
  }
                .dump());
}

Status RunCreate(const CommandContext& context, const CreateFlags& flags) {
  backup::CreateOptions options{.name = flags.name};
  // --filter wins over -c, as in the reference tool.
  MB_ASSIGN_OR_RETURN(options.selection,
                      flags.filter.empty() ? backup::Selection::ParseCollections(flags.collections)
                                           : backup::Selection::ParseFilter(flags.filter));
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<Services> services,
                      Services::Create(context.call, context.config, Services::Needs::kEverything));
  const TerminalProgress progress(services->progress(), !context.json);
  MB_ASSIGN_OR_RETURN(const backup::CreateReport report,
                      backup::CreateBackup(context.call, services->site(), options));
  Print(report, context.json);
  return Status::Ok();
}

}  // namespace

Command AddCreate(CLI::App& app) {
  CLI::App* command = app.add_subcommand("create", "Take a backup of collections");
  auto flags = std::make_shared<CreateFlags>();  // shared with the returned function
  command->add_option("-n,--name", flags->name, "Name of the backup; default backup_<UTC time>");
  command->add_option("-c,--colls,--collections", flags->collections,
                      "Collections, comma-separated: COLL or DB.COLL; default all");
  command->add_option("--filter", flags->filter,
                      "What to back up, comma-separated: DB.*, DB.COLL, COLL or DB.");
  AddUnbuiltFlags(*command, {{"-d,--databases", true},
                             {"-a,--database_collections", true},
                             {"-f,--force", false},
                             {"--meta_only", false},
                             {"--strategy", true},
                             {"--format", true},
                             {"--backup_index_extra", false},
                             {"--rbac", false}});
  return [flags](const CommandContext& context) { return RunCreate(context, *flags); };
}

}  // namespace milvus_backup::cli
