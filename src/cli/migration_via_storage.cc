#include "migration_via_storage.h"

#include "terminal_progress.h"

#include "milvus_backup/backup/create.h"
#include "milvus_backup/backup/delete.h"
#include "milvus_backup/backup/run_lock.h"
#include "milvus_backup/base/encoding.h"
#include "milvus_backup/base/log.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/meta/run_record.h"
#include "milvus_backup/migration/milvus2x.h"
#include "milvus_backup/service/services.h"
#include "milvus_backup/storage/open.h"
#include "milvus_backup/transfer/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace milvus_backup::cli {
namespace {

using migration::Milvus2xOptions;

constexpr char kDefaultDb[] = "default";

std::string DatabaseOf(const std::string& name) { return name.empty() ? kDefaultDb : name; }

/// Files are what they are: nothing of their rows or schema can be changed on the way.
Status RefuseChanges(const Milvus2xOptions& options) {
  const std::vector<std::pair<bool, const char*>> changes = {
      {!options.fields.empty(), "meta.fields"},
      {options.auto_id.has_value(), "meta.milvus.autoId"},
      {options.dynamic_field.has_value(), "meta.milvus.closeDynamicField"},
      {options.consistency_level.has_value(), "meta.milvus.consistencyLevel"},
      {options.shards_num.has_value(), "meta.milvus.shardNum"},
      {options.upsert, "target.milvus2x.writeMode: upsert"}};
  for (const auto& [is_set, key] : changes) {
    if (!is_set) continue;
    return InvalidArgumentError(fmt::format("{} cannot be had with --via-storage", key))
        .WithAdvice("leave one of the two out");
  }
  return Status::Ok();
}

/// The environment is meant for the one file of a program, not for two.
Result<config::Config> LoadSite(const std::string& path, const char* flag,
                                const milvus::ClientOptions& server) {
  if (path.empty()) {
    return InvalidArgumentError(fmt::format("--via-storage needs {} FILE", flag))
        .WithAdvice("name the backup.yaml that says where this Milvus keeps its data");
  }
  auto config = config::Load(
      {.path = path, .sets = {}, .environment = [](const std::string&) { return std::nullopt; }});
  if (!config.ok()) return config.status().Annotate(flag);
  config->milvus = server;
  return config;
}

/// The names in one order, each once.
std::vector<std::string> Sorted(std::vector<std::string> names) {
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Result<backup::Selection> SelectionOf(const Milvus2xOptions& options, bool all) {
  if (std::ranges::any_of(options.databases, migration::IsEveryDatabase)) {
    return backup::Selection();
  }
  // Without names it is the whole database.
  std::map<std::string, std::vector<std::string>> wanted;
  for (const std::string& name : options.databases) wanted.try_emplace(name);
  if (wanted.empty()) {
    wanted[DatabaseOf(options.source_database)] =
        all ? std::vector<std::string>() : options.collections;
  }
  return backup::Selection::FromDatabases(wanted);
}

Status TakeBackup(const CallContext& ctx, backup::Site& site, const Milvus2xOptions& options,
                  bool all, const std::string& name) {
  backup::CreateOptions create{.name = name};
  MB_ASSIGN_OR_RETURN(create.selection, SelectionOf(options, all));
  auto report = backup::CreateBackup(ctx, site, create);
  if (report.status().code() == Code::kAlreadyExists) {
    // Of a run whose restore has not begun, or has ended: its rows are of another time.
    MB_RETURN_IF_ERROR(backup::DeleteBackup(ctx, site.backup_storage, name).status());
    report = backup::CreateBackup(ctx, site, create);
  }
  MB_RETURN_IF_ERROR(report.status().Annotate("backup " + name));
  for (const backup::CollectionReport& one : report->per_collection) {
    MB_RETURN_IF_ERROR(one.status.Annotate(one.name));
  }
  return Status::Ok();
}

Result<backup::RestoreOptions> RestoreOptionsOf(const Milvus2xOptions& options,
                                                const ViaStorageFlags& flags,
                                                const std::string& name) {
  backup::RestoreOptions restore{.name = name, .rebuild_index = flags.index};
  const std::string from = DatabaseOf(options.source_database);
  const std::string to = DatabaseOf(options.target_database);
  if (from != to) MB_RETURN_IF_ERROR(restore.renames.Add(from + ".*", to + ".*"));
  if (!options.target_collection.empty()) {
    if (flags.all || options.collections.size() != 1) {
      return InvalidArgumentError("meta.milvus.collection is only for a single collection")
          .WithOrigin(Origin::kConfig);
    }
    MB_RETURN_IF_ERROR(restore.renames.Add(from + "." + options.collections.front(),
                                           to + "." + options.target_collection));
  }
  return restore;
}

}  // namespace

std::string ViaStorageBackupName(const Milvus2xOptions& options, bool all) {
  constexpr size_t kDigits = 16;
  std::string text =
      fmt::format("{}:{}/{}>{}:{}/{}/{}", options.source.address, options.source.port,
                  DatabaseOf(options.source_database), options.target.address, options.target.port,
                  DatabaseOf(options.target_database), options.target_collection);
  if (!all) {
    for (const std::string& name : Sorted(options.collections)) text += "," + name;
  }
  for (const std::string& name : Sorted(options.databases)) text += ";" + name;
  return "migration_" + HexEncode(Sha256(AsBytes(text))).substr(0, kDigits);
}

Result<backup::RestoreReport> MigrateViaStorage(const CallContext& ctx,
                                                const Milvus2xOptions& options,
                                                const ViaStorageFlags& flags) {
  MB_RETURN_IF_ERROR(RefuseChanges(options));
  MB_ASSIGN_OR_RETURN(const config::Config source,
                      LoadSite(flags.source_config, "--source-config", options.source));
  MB_ASSIGN_OR_RETURN(config::Config target,
                      LoadSite(flags.target_config, "--target-config", options.target));
  target.backup_storage = source.backup_storage;
  const std::string name = ViaStorageBackupName(options, flags.all);
  MB_ASSIGN_OR_RETURN(const auto state,
                      storage::OpenLocal({.root = options.state_dir, .create = true}));
  MB_ASSIGN_OR_RETURN(
      const auto lock,
      backup::RunLock::Acquire(ctx, *state, migration::kMilvus2xLocks,
                               meta::NewRunRecord("migration", migration::kMilvus2xLockName)));
  // There while the backup is being restored.
  const std::string begun_key = name + ".json";
  MB_ASSIGN_OR_RETURN(const std::optional<meta::RunRecord> begun,
                      meta::ReadRunRecord(ctx, *state, begun_key));
  MB_ASSIGN_OR_RETURN(backup::RestoreOptions restore, RestoreOptionsOf(options, flags, name));
  MB_ASSIGN_OR_RETURN(
      const std::unique_ptr<service::Services> from,
      service::Services::Create(ctx, source, service::Services::Needs::kEverything));
  MB_ASSIGN_OR_RETURN(
      const std::unique_ptr<service::Services> to,
      service::Services::Create(ctx, target, service::Services::Needs::kEverything));
  to->site().parallel_collections = static_cast<size_t>(target.parallelism.restore_collection);
  transfer::Progress taking;
  from->site().progress = &taking;
  transfer::Progress restoring;
  to->site().progress = &restoring;
  if (!begun) {
    const TerminalProgress line(taking, flags.show_progress);
    MB_RETURN_IF_ERROR(TakeBackup(ctx, from->site(), options, flags.all, name));
    MB_RETURN_IF_ERROR(
        meta::WriteRunRecord(ctx, *state, begun_key, meta::NewRunRecord("restore", name)));
  }
  const TerminalProgress line(restoring, flags.show_progress);
  std::atomic<bool> has_started = false;
  restore.observer = [&has_started](const backup::CollectionName&, backup::RestorePhase) {
    has_started = true;
  };
  auto restored = backup::RestoreBackup(ctx, to->site(), restore);
  if (!restored.ok()) {
    // Where nothing was begun another backup is taken next time.
    if (!begun && restored.status().code() == Code::kAlreadyExists && !has_started) {
      state->Delete({}, begun_key).IgnoreError("the error of the restore counts");
      return std::move(restored).status();
    }
    return std::move(restored).status().Annotate(
        fmt::format("{}/{} tells of a restore that was begun", options.state_dir, begun_key));
  }
  backup::RestoreReport report = *std::move(restored);
  if (begun) {
    report.warnings.push_back(fmt::format(
        "an interrupted run was taken up: the rows are those of its backup, complete at {}",
        begun->started));
  }
  // Also when the run is being stopped: it has done its work.
  if (const Status forgotten = state->Delete({}, begun_key); !forgotten.ok()) {
    report.warnings.push_back(fmt::format("{}/{} is left, remove it: {}", options.state_dir,
                                          begun_key, forgotten.ToString()));
  }
  const auto deleted = backup::DeleteBackup(ctx, from->site().backup_storage, name);
  if (!deleted.ok()) {
    report.warnings.push_back(fmt::format("backup {} stays in the source's backup storage: {}",
                                          name, deleted.status().ToString()));
  }
  return report;
}

}  // namespace milvus_backup::cli
