#include "commands.h"
#include "output.h"
#include "services.h"

#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/writer.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>

namespace milvus_backup::cli {
namespace {

Status RunDelete(const CommandContext& context, const std::string& name) {
  MB_ASSIGN_OR_RETURN(
      const std::unique_ptr<Services> services,
      Services::Create(context.call, context.config, Services::Needs::kBackupStorage));
  const backup::Place& place = services->site().backup_storage;
  MB_ASSIGN_OR_RETURN(const std::string backup_dir, meta::BackupDir(place.root, name));
  MB_ASSIGN_OR_RETURN(const meta::DeletedBackup deleted,
                      meta::DeleteBackup(context.call, *place.backend, backup_dir));
  if (context.json) {
    PrintLine(nlohmann::ordered_json{
        {"status", "ok"}, {"name", name}, {"objects", deleted.objects}, {"bytes", deleted.bytes}}
                  .dump());
  } else {
    PrintLine("delete backup done");
  }
  return Status::Ok();
}

}  // namespace

Command AddDelete(CLI::App& app) {
  CLI::App* command = app.add_subcommand("delete", "Remove a backup, also an unfinished one");
  auto name = std::make_shared<std::string>();  // shared with the returned function
  command->add_option("-n,--name", *name, "Name of the backup")->required();
  return [name](const CommandContext& context) { return RunDelete(context, *name); };
}

}  // namespace milvus_backup::cli
