#include "arguments.h"
#include "commands.h"
#include "output.h"

#include "milvus_backup/backup/delete.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/writer.h"
#include "milvus_backup/service/services.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace milvus_backup::cli {
namespace {

struct DeleteFlags {
  std::string name;
  bool dry_run = false;
};

void Print(const DeleteFlags& flags, const std::string& place, const meta::DeletedBackup& deleted,
           bool json) {
  if (deleted.left > 0) {
    const std::string more =
        deleted.left == 1 ? "" : fmt::format(", and {} more", deleted.left - 1);
    PrintErrorLine(
        fmt::format("Warning: {} is no file and would stay{}", Printable(deleted.one_left), more));
  }
  if (json) {
    nlohmann::ordered_json document = {{"status", "ok"}, {"name", flags.name}};
    if (flags.dry_run) document["dry_run"] = true;
    document["objects"] = deleted.objects;
    document["bytes"] = deleted.bytes;
    PrintLine(document.dump());
  } else if (flags.dry_run) {
    PrintLine(fmt::format("would delete backup {}: {} objects, {} bytes, everything below {}",
                          flags.name, deleted.objects, deleted.bytes, place));
  } else {
    PrintLine("delete backup done");
  }
}

Status RunDelete(const CommandContext& context, const DeleteFlags& flags) {
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<service::Services> services,
                      service::Services::Create(context.call, context.config,
                                                service::Services::Needs::kBackupStorage));
  const backup::Place& place = services->site().backup_storage;
  MB_ASSIGN_OR_RETURN(const std::string backup_dir, meta::BackupDir(place.root, flags.name));
  MB_ASSIGN_OR_RETURN(const meta::DeletedBackup deleted,
                      flags.dry_run ? meta::MeasureBackup(context.call, *place.backend, backup_dir)
                                    : backup::DeleteBackup(context.call, place, flags.name));
  if (!flags.dry_run) NoteDone("the backup is deleted");
  Print(flags, fmt::format("{} in {}", backup_dir, place.backend->Describe()), deleted,
        context.json);
  return Status::Ok();
}

}  // namespace

Command AddDelete(CLI::App& app) {
  CLI::App* command = app.add_subcommand("delete", "Remove a backup, also an unfinished one");
  auto flags = std::make_shared<DeleteFlags>();  // shared with the returned function
  command->add_option("-n,--name", flags->name, "Name of the backup")
      ->required()
      ->check(Checker([](std::string_view text) { return meta::BackupDir("", text).status(); }));
  command->add_flag("--dry-run", flags->dry_run, "Print what would be removed and remove nothing");
  return [flags](const CommandContext& context) { return RunDelete(context, *flags); };
}

}  // namespace milvus_backup::cli
