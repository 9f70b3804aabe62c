#include "arguments.h"
#include "commands.h"
#include "output.h"

#include "milvus_backup/backup/selection.h"
#include "milvus_backup/base/clock.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/partial.h"
#include "milvus_backup/meta/reader.h"
#include "milvus_backup/service/services.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::cli {
namespace {

/// Leave the backups that have the collection. One whose metas cannot be read is said on stderr.
Status KeepThoseWith(const CommandContext& context, const backup::Place& place,
                     const std::string& collection, std::vector<meta::ListedBackup>& backups) {
  MB_ASSIGN_OR_RETURN(const backup::CollectionName name, backup::ParseCollectionName(collection));
  std::vector<meta::ListedBackup> kept;
  for (meta::ListedBackup& backup : backups) {
    MB_ASSIGN_OR_RETURN(const std::string dir, meta::BackupDir(place.root, backup.name));
    const auto collections = meta::ReadCollections(context.call, *place.backend, dir);
    const Code code = collections.status().code();
    // Deleted meanwhile, damaged, or not to be read.
    if (code == Code::kDataLoss || code == Code::kNotFound || code == Code::kPermissionDenied) {
      PrintErrorLine(
          fmt::format("{} is left out: {}", backup.name, collections.status().ToString()));
      continue;
    }
    if (!collections.ok()) return collections.status();
    const bool has = std::ranges::any_of(*collections, [&](const meta::CollectionBackup& one) {
      return one.db_name == name.db && one.collection_name == name.collection;
    });
    if (has) kept.push_back(std::move(backup));
  }
  backups = std::move(kept);
  return Status::Ok();
}

Status RunList(const CommandContext& context, const std::string& collection) {
  MB_ASSIGN_OR_RETURN(const std::unique_ptr<service::Services> services,
                      service::Services::Create(context.call, context.config,
                                                service::Services::Needs::kBackupStorage));
  const backup::Place& place = services->site().backup_storage;
  MB_ASSIGN_OR_RETURN(meta::BackupList list,
                      meta::ListBackups(context.call, *place.backend, place.root,
                                        /*with_tags=*/context.json));
  if (!collection.empty()) {
    MB_RETURN_IF_ERROR(KeepThoseWith(context, place, collection, list.backups));
  }
  if (context.json) {
    nlohmann::ordered_json backups = nlohmann::ordered_json::array();
    for (const meta::ListedBackup& backup : list.backups) {
      backups.push_back({{"name", backup.name},
                         {"id", backup.header.id},
                         {"size", backup.header.size},
                         {"milvus_version", backup.header.milvus_version},
                         {"partial", backup.header.partial},
                         {"failed_collections", backup.header.failed_collections},
                         {"tags", backup.tags}});
    }
    nlohmann::ordered_json unfinished = nlohmann::ordered_json::array();
    for (const meta::UnfinishedBackup& backup : list.unfinished) {
      unfinished.push_back({{"name", backup.name}, {"reason", backup.reason}});
    }
    nlohmann::ordered_json pruned = nlohmann::ordered_json::array();
    for (const meta::ListedTombstone& backup : list.pruned) {
      const meta::Tombstone& tombstone = backup.tombstone;
      pruned.push_back({{"name", backup.name},
                        {"reason", tombstone.reason},
                        {"pruned", FormatIso8601(tombstone.pruned)},
                        {"remove_after", FormatIso8601(tombstone.remove_after)},
                        {"removing", tombstone.is_removing}});
    }
    PrintJson(
        {{"status", "ok"}, {"backups", backups}, {"unfinished", unfinished}, {"pruned", pruned}});
    return Status::Ok();
  }
  PrintLine(">> Backups:");
  for (const meta::ListedBackup& backup : list.backups) PrintLine(backup.name);
  for (const meta::ListedBackup& backup : list.backups) {
    if (!backup.header.partial) continue;
    PrintErrorLine(fmt::format("{} is partial: missing {}", backup.name,
                               meta::MissingText(backup.header.failed_collections)));
  }
  for (const meta::UnfinishedBackup& backup : list.unfinished) {
    PrintErrorLine(fmt::format("{} is not a complete backup: {}", backup.name, backup.reason));
  }
  for (const meta::ListedTombstone& backup : list.pruned) {
    PrintErrorLine(fmt::format("{} was {}", backup.name, backup.tombstone.ToString()));
  }
  return Status::Ok();
}

}  // namespace

Command AddList(CLI::App& app) {
  CLI::App* command = app.add_subcommand("list", "List the backups in the backup storage");
  auto collection = std::make_shared<std::string>();  // shared with the returned function
  command->add_option("-c,--collection", *collection, "Only backups that have it: COLL or DB.COLL")
      ->check(Checker([](std::string_view text) {
        return text.empty() ? Status::Ok() : backup::ParseCollectionName(text).status();
      }));
  return [collection](const CommandContext& context) { return RunList(context, *collection); };
}

}  // namespace milvus_backup::cli
