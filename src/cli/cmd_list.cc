#include "commands.h"
#include "output.h"

#include "milvus_backup/meta/reader.h"
#include "milvus_backup/service/services.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <memory>

namespace milvus_backup::cli {
namespace {

Status RunList(const CommandContext& context) {
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<service::Services> services,
                      service::Services::Create(context.call, context.config,
                                                service::Services::Needs::kBackupStorage));
  const backup::Place& place = services->site().backup_storage;
  MB_ASSIGN_OR_RETURN(const meta::BackupList list,
                      meta::ListBackups(context.call, *place.backend, place.root));
  if (context.json) {
    nlohmann::ordered_json backups = nlohmann::ordered_json::array();
    for (const meta::ListedBackup& backup : list.backups) {
      backups.push_back({{"name", backup.name},
                         {"id", backup.header.id},
                         {"size", backup.header.size},
                         {"milvus_version", backup.header.milvus_version},
                         {"partial", backup.header.partial},
                         {"failed_collections", backup.header.failed_collections}});
    }
    nlohmann::ordered_json unfinished = nlohmann::ordered_json::array();
    for (const meta::UnfinishedBackup& backup : list.unfinished) {
      unfinished.push_back({{"name", backup.name}, {"reason", backup.reason}});
    }
    PrintJson({{"status", "ok"}, {"backups", backups}, {"unfinished", unfinished}});
    return Status::Ok();
  }
  PrintLine(">> Backups:");
  for (const meta::ListedBackup& backup : list.backups) PrintLine(backup.name);
  for (const meta::ListedBackup& backup : list.backups) {
    if (!backup.header.partial) continue;
    PrintErrorLine(fmt::format("{} is partial: missing {}", backup.name,
                               fmt::join(backup.header.failed_collections, ", ")));
  }
  for (const meta::UnfinishedBackup& backup : list.unfinished) {
    PrintErrorLine(fmt::format("{} is not a complete backup: {}", backup.name, backup.reason));
  }
  return Status::Ok();
}

}  // namespace

Command AddList(CLI::App& app) {
  app.add_subcommand("list", "List the backups in the backup storage");
  return RunList;
}

}  // namespace milvus_backup::cli
