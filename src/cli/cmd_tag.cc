#include "arguments.h"
#include "backup_source.h"
#include "commands.h"
#include "output.h"

#include "milvus_backup/backup/tag.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/tags.h"
#include "milvus_backup/service/services.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::cli {
namespace {

struct TagFlags {
  std::string name;
  backup::TagChange change;
  std::string storage;
};

Status RunTag(const CommandContext& context, const TagFlags& flags) {
  MB_ASSIGN_OR_RETURN(const config::StorageSettings settings,
                      FindBackupStorage(context.config, flags.storage, "", "--storage"));
  backup::Place place;
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<storage::Backend> backend,
                      service::OpenPlace(settings, place));
  MB_ASSIGN_OR_RETURN(const std::vector<std::string> tags,
                      backup::TagBackup(context.call, place, flags.name, flags.change));
  if (!flags.change.empty()) NoteDone("the tags are written");
  if (context.json) {
    PrintJson({{"status", "ok"}, {"name", flags.name}, {"tags", tags}});
    return Status::Ok();
  }
  for (const std::string& tag : tags) PrintLine(tag);
  return Status::Ok();
}

}  // namespace

Command AddTag(CLI::App& app) {
  CLI::App* command = app.add_subcommand("tag", "Show, add and remove the tags of a backup");
  auto flags = std::make_shared<TagFlags>();  // shared with the returned function
  command->add_option("-n,--name,backup", flags->name, "Name of the backup")
      ->required()
      ->check(Checker([](std::string_view text) { return meta::BackupDir("", text).status(); }));
  command->add_option("--add", flags->change.add, "A tag to add; repeatable")
      ->expected(1)
      ->take_all()
      ->check(Checker(meta::ValidateTag))
      ->type_name("TAG");
  command->add_option("--remove", flags->change.remove, "A tag to remove; repeatable")
      ->expected(1)
      ->take_all()
      ->check(Checker(meta::ValidateTag))
      ->type_name("TAG");
  command->add_option("--storage", flags->storage, "In the backup storage called so in storages:");
  return [flags](const CommandContext& context) { return RunTag(context, *flags); };
}

}  // namespace milvus_backup::cli
