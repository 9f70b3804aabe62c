#include "backup_requests.h"

#include "milvus_backup/backup/rename.h"
#include "milvus_backup/backup/selection.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/service/json_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::service {
namespace {

using backup::Selection;
using config::StorageKind;
using config::StorageSettings;

bool SameService(const StorageSettings& a, const StorageSettings& b) {
  if (a.kind != b.kind || a.kind == StorageKind::kLocal) return a.kind == b.kind;
  return a.provider == b.provider && a.address == b.address && a.port == b.port &&
         a.use_ssl == b.use_ssl;
}

/// Refuse what would be a promise this version cannot keep.
Status RefuseUnbuilt(const Body& body, std::string_view key, std::string_view why) {
  if (!body.Has(key)) return Status::Ok();
  const auto flag = body.Flag(key);
  if (flag.ok() && !*flag) return Status::Ok();
  const auto object = body.Object(key);
  if (object.ok() && object->Keys().empty()) return Status::Ok();
  return UnimplementedError(fmt::format("{} is not built: {}", key, why));
}

/// `{"db":{"colls":["c1"]}}`: `["*"]` is the whole database, no collections the database alone.
Result<Selection> ParseFilter(const Body& filter) {
  std::vector<std::string> items;
  for (const std::string& key : filter.Keys()) {
    const std::string db = key.empty() ? meta::kDefaultDatabase : key;
    if (!backup::IsWord(db)) {
      return InvalidArgumentError(fmt::format("filter: '{}' does not name a database", key));
    }
    MB_ASSIGN_OR_RETURN(const Body database, filter.Object(key));
    MB_ASSIGN_OR_RETURN(const std::vector<std::string> names, database.Texts("colls"));
    if (names.empty()) items.push_back(fmt::format("{}.", db));
    for (const std::string& name : names) {
      if (name != "*" && !backup::IsWord(name)) {
        return InvalidArgumentError(fmt::format("filter: '{}' does not name a collection", name));
      }
      items.push_back(fmt::format("{}.{}", db, name));
    }
  }
  if (items.empty()) {
    return InvalidArgumentError("filter is an empty object, which selects nothing")
        .WithAdvice("leave it out to select everything");
  }
  return Selection::ParseFilter(fmt::format("{}", fmt::join(items, ",")));
}

Result<Selection> ParseNames(const Body& body, std::string_view key) {
  MB_ASSIGN_OR_RETURN(const std::vector<std::string> names, body.Texts(key));
  for (const std::string& name : names) {
    MB_RETURN_IF_ERROR(backup::ParseCollectionName(name).status().Annotate(key));
  }
  return Selection::ParseCollections(fmt::format("{}", fmt::join(names, ",")));
}

Result<Selection> ParseDatabases(const Body& body, std::string_view key) {
  MB_ASSIGN_OR_RETURN(const std::string text, body.ObjectText(key));
  auto selection = ParseDatabaseCollections(text, key);
  if (!selection.ok()) return selection.status().Annotate(key);
  return selection;
}

/// db_collections before collection_names.
Result<Selection> ParseOlderSelection(const Body& body) {
  if (body.Has("db_collections")) return ParseDatabases(body, "db_collections");
  return ParseNames(body, "collection_names");
}

/// strategy before force, and force before meta_only.
Result<backup::Strategy> ParseStrategyOf(const Body& body) {
  MB_ASSIGN_OR_RETURN(const std::string name, body.Text("strategy"));
  MB_ASSIGN_OR_RETURN(const bool force, body.Flag("force"));
  MB_ASSIGN_OR_RETURN(const bool meta_only, body.Flag("meta_only"));
  if (!name.empty()) return backup::ParseStrategy(name);
  if (force) return backup::Strategy::kSkipFlush;
  return meta_only ? backup::Strategy::kMetaOnly : backup::Strategy::kSerialFlush;
}

Status ParseGcPause(const Body& body, config::GcPause& pause) {
  MB_ASSIGN_OR_RETURN(const bool enable, body.Flag("gc_pause_enable"));
  MB_ASSIGN_OR_RETURN(const std::string address, body.Text("gc_pause_address"));
  MB_RETURN_IF_ERROR(body.Number("gc_pause_seconds").status());
  pause.enable = pause.enable || enable;
  if (address.empty() || address == pause.address) return Status::Ok();
  return Status(Code::kPermissionDenied,
                fmt::format("gc_pause_address '{}' is not the one of the configuration", address))
      .WithAdvice("leave it out, or configure it");
}

Status CheckFormat(const Body& body) {
  MB_ASSIGN_OR_RETURN(const std::string format, body.Text("format"));
  return format.empty() ? Status::Ok() : backup::CheckFormat(format);
}

/// One element of a plan's `mapping`: the database, and those of its collections that are listed.
Status AddMapping(const Body& mapping, backup::RenameRules& rules) {
  MB_ASSIGN_OR_RETURN(std::string source, mapping.Text("source"));
  MB_ASSIGN_OR_RETURN(std::string target, mapping.Text("target"));
  for (std::string* db : {&source, &target}) {
    if (db->empty()) *db = meta::kDefaultDatabase;
  }
  MB_RETURN_IF_ERROR(rules.Add(source + ".", target + "."));
  MB_ASSIGN_OR_RETURN(const std::vector<Body> collections, mapping.Objects("colls"));
  for (const Body& collection : collections) {
    MB_ASSIGN_OR_RETURN(const std::string from, collection.Text("source"));
    MB_ASSIGN_OR_RETURN(const std::string to, collection.Text("target"));
    MB_RETURN_IF_ERROR(
        RefuseUnbuilt(collection, "override", "shards and description are those of the backup"));
    MB_RETURN_IF_ERROR(
        rules.Add(fmt::format("{}.{}", source, from), fmt::format("{}.{}", target, to)));
  }
  return Status::Ok();
}

Status ParsePlan(const Body& body, backup::RestoreOptions& options) {
  if (!body.Has("restorePlan")) return Status::Ok();
  if (!options.suffix.empty() || !options.renames.empty()) {
    return InvalidArgumentError(
        "restorePlan excludes collection_suffix and collection_renames: give one of them");
  }
  MB_ASSIGN_OR_RETURN(const Body plan, body.Object("restorePlan"));
  MB_ASSIGN_OR_RETURN(const std::vector<Body> mappings, plan.Objects("mapping"));
  for (const Body& mapping : mappings) {
    MB_RETURN_IF_ERROR(AddMapping(mapping, options.renames).Annotate("restorePlan"));
  }
  if (!plan.Has("filter")) return Status::Ok();
  MB_ASSIGN_OR_RETURN(const Body filter, plan.Object("filter"));
  MB_ASSIGN_OR_RETURN(options.targets, ParseFilter(filter));
  return Status::Ok();
}

/// suffix, renames and what is selected.
Status ParseNaming(const Body& body, backup::RestoreOptions& options) {
  MB_ASSIGN_OR_RETURN(options.suffix, body.Text("collection_suffix"));
  MB_RETURN_IF_ERROR(backup::ValidateSuffix(options.suffix).Annotate("collection_suffix"));
  MB_ASSIGN_OR_RETURN(const Body renames, body.Object("collection_renames"));
  for (const std::string& from : renames.Keys()) {
    MB_ASSIGN_OR_RETURN(const std::string to, renames.Text(from));
    MB_RETURN_IF_ERROR(options.renames.Add(from, to).Annotate("collection_renames"));
  }
  // Over HTTP renames win, where the command line has them exclude each other.
  if (!options.renames.empty() && !body.Has("restorePlan")) options.suffix.clear();
  MB_ASSIGN_OR_RETURN(options.sources, ParseOlderSelection(body));
  MB_ASSIGN_OR_RETURN(options.targets, ParseDatabases(body, "db_collections_after_rename"));
  return ParsePlan(body, options);
}

Status ParseSwitches(const Body& body, backup::RestoreOptions& options) {
  const std::array<std::pair<std::string_view, bool*>, 5> flags = {
      {{"metaOnly", &options.meta_only},
       {"restoreIndex", &options.rebuild_index},
       {"useAutoIndex", &options.use_auto_index},
       {"dropExistIndex", &options.drop_exist_index},
       {"rbac", &options.rbac}}};
  for (const auto& [key, flag] : flags) {
    MB_ASSIGN_OR_RETURN(*flag, body.Flag(key));
  }
  MB_ASSIGN_OR_RETURN(const bool drop, body.Flag("dropExistCollection"));
  MB_ASSIGN_OR_RETURN(const bool reuse, body.Flag("skipCreateCollection"));
  if (drop && reuse) {
    return InvalidArgumentError("dropExistCollection and skipCreateCollection exclude each other");
  }
  if (drop) options.existing = backup::ExistingTarget::kReplace;
  if (reuse) options.existing = backup::ExistingTarget::kReuse;
  // Both only say how the data is handed over.
  for (const std::string_view key : {"useV2Restore", "skipImportDiskQuotaCheck"}) {
    MB_RETURN_IF_ERROR(body.Flag(key).status());
  }
  return Status::Ok();
}

/// Keys that say how a task is called and answered, not what it does; the name of the backup is its
/// subject.
constexpr std::array<std::string_view, 4> kNotDigested = {"async", "requestId", "id",
                                                          "backup_name"};

constexpr std::array<std::string_view, 13> kPruneKeys = {
    "keep_last",   "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly",
    "keep_yearly", "keep_within", "keep_tags",  "async",       "dry_run",
    "schedule",    "grace",       "storage"};

Result<backup::RetentionRules> ParseRules(const Body& body) {
  backup::RetentionRules rules;
  const std::array<std::pair<std::string_view, int*>, 6> counts = {
      {{"keep_last", &rules.keep_last},
       {"keep_hourly", &rules.keep_hourly},
       {"keep_daily", &rules.keep_daily},
       {"keep_weekly", &rules.keep_weekly},
       {"keep_monthly", &rules.keep_monthly},
       {"keep_yearly", &rules.keep_yearly}}};
  for (const auto& [key, count] : counts) {
    MB_ASSIGN_OR_RETURN(*count, body.Number(key));
  }
  MB_ASSIGN_OR_RETURN(const std::string within,
                      body.GivenText("keep_within", "leave it out where it is no rule"));
  if (!within.empty()) {
    auto span = backup::ParseKeepWithin(within);
    if (!span.ok()) return std::move(span).status().Annotate("keep_within");
    rules.keep_within = *span;
  }
  MB_ASSIGN_OR_RETURN(rules.keep_tags,
                      body.GivenTexts("keep_tags", "leave it out where it is no rule"));
  MB_RETURN_IF_ERROR(rules.Validate());
  return rules;
}

}  // namespace

Result<CreateRequest> ParseCreate(const Body& body, const config::Config& config) {
  CreateRequest request{.config = config, .digest = body.Digest(kNotDigested)};
  MB_ASSIGN_OR_RETURN(request.is_async, body.Flag("async"));
  MB_ASSIGN_OR_RETURN(request.options.name, body.Text("backup_name"));
  MB_ASSIGN_OR_RETURN(request.options.rbac, body.Flag("rbac"));
  MB_ASSIGN_OR_RETURN(request.options.strategy, ParseStrategyOf(body));
  MB_RETURN_IF_ERROR(CheckFormat(body));
  MB_RETURN_IF_ERROR(RefuseUnbuilt(
      body, "with_index_extra", "it is for restore_secondary, which this version does not have"));
  if (body.Has("filter")) {
    MB_ASSIGN_OR_RETURN(const Body filter, body.Object("filter"));
    MB_ASSIGN_OR_RETURN(request.options.selection, ParseFilter(filter));
  } else {
    MB_ASSIGN_OR_RETURN(request.options.selection, ParseOlderSelection(body));
  }
  if (!request.options.name.empty()) {
    MB_RETURN_IF_ERROR(meta::ValidateBackupName(request.options.name));
  }
  MB_RETURN_IF_ERROR(ParseGcPause(body, request.config.gc_pause));
  MB_ASSIGN_OR_RETURN(const std::string path, body.Text("backup_root_path"));
  MB_ASSIGN_OR_RETURN(request.config.backup_storage,
                      AllowedStorage(config, config.backup_storage.bucket, path));
  return request;
}

Result<RestoreRequest> ParseRestore(const Body& body, const config::Config& config) {
  RestoreRequest request{.config = config, .digest = body.Digest(kNotDigested)};
  MB_ASSIGN_OR_RETURN(request.request_id, body.Text("requestId"));
  MB_ASSIGN_OR_RETURN(request.id, body.Text("id"));
  MB_ASSIGN_OR_RETURN(request.is_async, body.Flag("async"));
  backup::RestoreOptions& options = request.options;
  MB_ASSIGN_OR_RETURN(options.name, body.Text("backup_name"));
  if (options.name.empty()) return InvalidArgumentError("backup name is required");
  MB_RETURN_IF_ERROR(ParseNaming(body, options));
  MB_RETURN_IF_ERROR(ParseSwitches(body, options));
  MB_ASSIGN_OR_RETURN(options.max_shard_num, body.Number("maxShardNum"));
  MB_ASSIGN_OR_RETURN(const std::string skip, body.ObjectText("skipParams"));
  MB_ASSIGN_OR_RETURN(options.skip_params, ParseSkipParams(skip, "skipParams"));
  MB_RETURN_IF_ERROR(
      RefuseUnbuilt(body, "truncateBinlogByTs", "binlogs are restored as they were backed up"));
  MB_RETURN_IF_ERROR(
      RefuseUnbuilt(body, "ezkMapping", "databases that Milvus encrypts are not backed up"));
  MB_RETURN_IF_ERROR(options.Validate());
  MB_ASSIGN_OR_RETURN(const std::string bucket, body.Text("bucket_name"));
  MB_ASSIGN_OR_RETURN(const std::string path, body.Text("path"));
  MB_ASSIGN_OR_RETURN(request.config.backup_storage, AllowedStorage(config, bucket, path));
  return request;
}

Result<PruneBody> ParsePrune(const Body& body, const config::Config& config) {
  PruneBody parsed{.config = config, .digest = body.Digest(kNotDigested)};
  MB_RETURN_IF_ERROR(body.CheckKeys("prune", kPruneKeys));
  backup::PruneRequest& request = parsed.request;
  MB_ASSIGN_OR_RETURN(request.rules, ParseRules(body));
  if (request.rules.empty()) {
    return InvalidArgumentError("no rule says which backups to keep")
        .WithAdvice(
            "give at least one of keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, "
            "keep_yearly, keep_within and keep_tags");
  }
  MB_ASSIGN_OR_RETURN(parsed.is_async, body.Flag("async"));
  MB_ASSIGN_OR_RETURN(request.dry_run, body.Flag("dry_run"));
  MB_ASSIGN_OR_RETURN(request.schedule, body.GivenText("schedule", "leave it out for all backups"));
  MB_ASSIGN_OR_RETURN(const std::string grace,
                      body.GivenText("grace", "leave it out for 12 hours"));
  if (!grace.empty()) {
    auto time = backup::ParseGrace(grace);
    if (!time.ok()) return std::move(time).status().Annotate("grace");
    request.grace = *time;
  }
  MB_ASSIGN_OR_RETURN(const std::string storage,
                      body.GivenText("storage", "leave it out for the backup storage"));
  if (!storage.empty()) {
    auto found = config::FindStorage(config, storage);
    if (!found.ok()) return std::move(found).status().Annotate("storage");
    parsed.config.backup_storage = *std::move(found);
  }
  return parsed;
}

Result<StorageSettings> AllowedStorage(const config::Config& config, const std::string& bucket,
                                       const std::string& path) {
  const auto clean = [](const std::string& text) { return meta::JoinPath(text, ""); };
  const bool is_disk = config.backup_storage.kind == StorageKind::kLocal;
  const auto matches = [&](const StorageSettings& storage) {
    return SameService(storage, config.backup_storage) &&
           (bucket.empty() || is_disk || storage.bucket == bucket) &&
           (path.empty() || clean(storage.root_path) == clean(path));
  };
  if (matches(config.backup_storage)) return config.backup_storage;
  for (const auto& [name, storage] : config.storages) {
    if (matches(storage)) return storage;
  }
  return Status(Code::kPermissionDenied,
                fmt::format("bucket '{}' with path '{}' is not a storage of the configuration",
                            bucket, path))
      .WithAdvice("leave them out for the backup storage, or add the place to storages:");
}

}  // namespace milvus_backup::service
