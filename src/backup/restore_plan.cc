#include "restore_plan.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/meta/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// A 2.2 or 2.3 server ends an import task after 900 s; at the slowest rate seen on small machines
/// (about 7 MiB/s) this much data still fits.
constexpr uint64_t kMaxBytesPerWalkedImport = 2 * kGiB;

/// First id Milvus gives to a user's field; restored fields get ids in list order from here.
constexpr int64_t kFirstFieldId = 100;

CollectionName NameOf(const meta::CollectionBackup& backup) {
  return {backup.db_name.empty() ? meta::kDefaultDatabase : backup.db_name, backup.collection_name};
}

size_t CountLogs(const meta::LogList& logs) { return logs.log_count(); }

Status CheckSegment(const meta::SegmentBackup& segment) {
  if (!segment.is_l0 && segment.num_of_rows > 0 && CountLogs(segment.binlogs) == 0) {
    return DataLossError(fmt::format("segment {} has {} rows but no insert logs in the backup",
                                     segment.segment_id, segment.num_of_rows));
  }
  return Status::Ok();
}

/// The directories of an import that holds the segment: those of its partition, of its group, or,
/// where it has none, its own.
struct ImportDirs {
  std::string insert;
  std::string delta;
};

ImportDirs DirsOf(const meta::SegmentBackup& segment, bool whole_partition) {
  if (!whole_partition && segment.group_id == 0) {
    return {meta::InsertSegmentDir("", segment), meta::DeltaSegmentDir("", segment)};
  }
  const int64_t group = whole_partition ? 0 : segment.group_id;
  return {meta::InsertGroupDir("", segment.collection_id, segment.partition_id, group),
          meta::DeltaGroupDir("", segment.collection_id, segment.partition_id, group)};
}

void AddSegment(const meta::SegmentBackup& segment, const ImportDirs& dirs, ImportUnit& unit) {
  unit.bytes += static_cast<uint64_t>(std::max<int64_t>(segment.size, 0));
  if (CountLogs(segment.deltalogs) > 0) unit.delta_dir = dirs.delta;
}

// Where the server walks directories one unit per partition whose data fits one task, else one per
// directory of a group or, in old backups without groups, of a segment. Later servers look for
// segments directly below the directory: there one unit per group, each once however many segments
// share it, or per partition without groups. Never several partitions in one, not even with a
// partition key: Milvus puts all rows of a backup import into the partition it names, where queries
// by the key would not look for those of another one.
void PlanPartition(const meta::PartitionBackup& partition, bool server_walks,
                   std::vector<ImportUnit>& units) {
  uint64_t bytes = 0;
  bool has_groups = true;
  for (const meta::SegmentBackup& segment : partition.segment_backups) {
    bytes += static_cast<uint64_t>(std::max<int64_t>(segment.size, 0));
    has_groups = has_groups && segment.group_id != 0;
  }
  const bool whole = server_walks ? bytes <= kMaxBytesPerWalkedImport : !has_groups;
  // By group, or by segment where there are none.
  std::map<std::pair<int64_t, int64_t>, ImportUnit> by_group;
  std::vector<ImportUnit> l0;
  for (const meta::SegmentBackup& segment : partition.segment_backups) {
    if (segment.is_l0) {
      if (CountLogs(segment.deltalogs) == 0) continue;
      ImportUnit unit{.partition_name = partition.partition_name, .is_l0 = true};
      unit.delta_dir = DirsOf(segment, /*whole_partition=*/false).delta;
      l0.push_back(std::move(unit));
      continue;
    }
    if (CountLogs(segment.binlogs) == 0) continue;
    const ImportDirs dirs = DirsOf(segment, whole);
    const bool is_alone = !whole && segment.group_id == 0;
    const std::pair key(whole ? 0 : segment.group_id, is_alone ? segment.segment_id : 0);
    const auto it = by_group
                        .try_emplace(key, ImportUnit{.partition_name = partition.partition_name,
                                                     .insert_dir = dirs.insert,
                                                     .storage_version = segment.storage_version})
                        .first;
    AddSegment(segment, dirs, it->second);
  }
  for (auto& [group, unit] : by_group) units.push_back(std::move(unit));
  std::ranges::move(l0, std::back_inserter(units));
}

/// Imported rows find their fields by id.
Status CheckFieldIds(const meta::CollectionBackup& backup) {
  int64_t expected = kFirstFieldId;
  for (const meta::FieldSchema& field : backup.schema.fields) {
    if (field.is_dynamic) continue;
    if (field.field_id != expected) {
      return UnimplementedError(fmt::format(
          "field '{}' has id {} where a new collection would give it {}: collections whose fields "
          "were added or dropped after creation cannot be restored yet, but with --meta_only",
          field.name, field.field_id, expected));
    }
    ++expected;
  }
  return Status::Ok();
}

/// Servers that walk directories take such an import for one of rows, or apply no deletes by it.
Status CheckDeletesCanBeImported(const CollectionPlan& plan, bool server_walks) {
  if (!server_walks || std::ranges::none_of(plan.units, &ImportUnit::is_l0)) return Status::Ok();
  return UnimplementedError(
             "the backup has deletes in segments of their own (L0), which Milvus 2.2 and 2.3 "
             "cannot import")
      .WithAdvice("restore it into Milvus 2.4.6 or newer; nothing was changed");
}

Result<CollectionPlan> PlanCollection(const meta::CollectionBackup& backup, bool server_walks,
                                      bool meta_only) {
  if (!backup.schema.struct_array_fields.empty()) {
    return UnimplementedError(
               fmt::format("field '{}' is an array of structs, which Milvus has since "
                           "2.6: this version cannot create such a field",
                           backup.schema.struct_array_fields.front().name))
        .WithAdvice(
            "restore the other collections with -c/--collections or --filter; nothing was changed");
  }
  if (!meta_only) MB_RETURN_IF_ERROR(CheckFieldIds(backup));
  CollectionPlan plan{.source = NameOf(backup), .backup = &backup};
  for (const meta::PartitionBackup& partition : backup.partition_backups) {
    for (const meta::SegmentBackup& segment : partition.segment_backups) {
      MB_RETURN_IF_ERROR(CheckSegment(segment));
      if (segment.is_l0) continue;
      plan.rows.at_most += segment.num_of_rows;
      if (CountLogs(segment.deltalogs) == 0) plan.rows.at_least += segment.num_of_rows;
    }
    PlanPartition(partition, server_walks, plan.units);
  }
  bool has_l0 = false;
  for (const meta::SegmentBackup& segment : backup.l0_segments) {
    if (CountLogs(segment.deltalogs) == 0) continue;
    ImportUnit unit{.is_l0 = true};
    unit.delta_dir = meta::DeltaSegmentDir("", segment);
    plan.units.push_back(std::move(unit));
  }
  if (!meta_only) MB_RETURN_IF_ERROR(CheckDeletesCanBeImported(plan, server_walks));
  for (const ImportUnit& unit : plan.units) has_l0 = has_l0 || unit.is_l0;
  if (has_l0) plan.rows.at_least = 0;
  plan.files = ExpectedFiles(backup);
  return plan;
}

CollectionName TargetOf(const CollectionName& source, const RestoreOptions& options) {
  CollectionName target = options.renames.Apply(source);
  target.collection += options.suffix;
  return target;
}

Status CheckSources(const meta::BackupInfo& info, const RestoreOptions& options) {
  std::set<CollectionName> sources;
  std::set<std::string> databases;
  for (const meta::CollectionBackup& backup : info.collection_backups) {
    sources.insert(NameOf(backup));
    databases.insert(NameOf(backup).db);
  }
  for (const meta::DatabaseBackup& database : info.database_backups) {
    databases.insert(database.db_name);
  }
  const auto absent = [&](const std::string& what) {
    return InvalidArgumentError(fmt::format("{} is not in backup {}", what, options.name))
        .WithAdvice("see `get -n " + options.name + "` for what it holds");
  };
  for (const CollectionName& name : options.sources.named()) {
    if (!sources.contains(name)) return absent("collection " + name.ToString());
  }
  for (const std::string& db : options.sources.whole_databases()) {
    if (!databases.contains(db)) return absent("database " + db);
  }
  return Status::Ok();
}

/// Databases that the selected part of the backup would be restored to, --filter apart.
std::set<std::string> TargetDatabases(const meta::BackupInfo& info, RestoreOptions options) {
  options.targets = {};
  std::set<std::string> databases = DatabasesToRestore(info, options);
  for (const meta::CollectionBackup& backup : info.collection_backups) {
    const CollectionName source = NameOf(backup);
    if (options.sources.Matches(source)) databases.insert(TargetOf(source, options).db);
  }
  return databases;
}

Status NotATarget(const std::string& what) {
  return InvalidArgumentError(
      fmt::format("--filter asks for {}, which this restore would not create; names are "
                  "matched after they are changed by -s/--suffix or -r/--rename",
                  what));
}

Status CheckTargets(const meta::BackupInfo& info, const RestoreOptions& options,
                    const std::vector<CollectionPlan>& plans) {
  std::set<CollectionName> targets;
  for (const CollectionPlan& plan : plans) {
    if (!targets.insert(plan.target).second) {
      return InvalidArgumentError("two collections would be restored as " + plan.target.ToString());
    }
  }
  for (const CollectionName& name : options.targets.named()) {
    if (!targets.contains(name)) return NotATarget(name.ToString());
  }
  const std::set<std::string> databases = TargetDatabases(info, options);
  for (const std::string& db : options.targets.databases()) {
    if (!databases.contains(db)) return NotATarget("database " + db);
  }
  return Status::Ok();
}

}  // namespace

bool ImportWalksDirectories(const milvus::ParsedVersion& server) {
  return server.known && server.version < milvus::Version{2, 4, 0};
}

Result<std::vector<CollectionPlan>> PlanRestore(const meta::BackupInfo& info,
                                                const RestoreOptions& options,
                                                bool server_walks_directories) {
  MB_RETURN_IF_ERROR(CheckSources(info, options));
  std::vector<CollectionPlan> plans;
  for (const meta::CollectionBackup& backup : info.collection_backups) {
    const CollectionName source = NameOf(backup);
    const CollectionName target = TargetOf(source, options);
    if (!options.sources.Matches(source) || !options.targets.Matches(target)) continue;
    auto plan = PlanCollection(backup, server_walks_directories, options.meta_only);
    if (!plan.ok()) return plan.status().Annotate("collection " + source.ToString());
    plan->target = target;
    plans.push_back(*std::move(plan));
  }
  MB_RETURN_IF_ERROR(CheckTargets(info, options, plans));
  return plans;
}

std::vector<std::string> UnusedRenames(const meta::BackupInfo& info, const RestoreOptions& options,
                                       const std::vector<CollectionPlan>& plans) {
  std::vector<std::string> unused;
  for (const CollectionName& name : options.renames.named()) {
    if (std::ranges::count(plans, name, &CollectionPlan::source) == 0) {
      unused.push_back(name.ToString());
    }
  }
  const bool all = options.sources.selects_everything();
  const std::set<std::string> selected = options.sources.databases();
  std::set<std::string> restored;
  for (const meta::DatabaseBackup& database : info.database_backups) {
    if (all || selected.contains(database.db_name)) restored.insert(database.db_name);
  }
  for (const CollectionPlan& plan : plans) restored.insert(plan.source.db);
  for (const std::string& db : options.renames.databases()) {
    if (!restored.contains(db)) unused.push_back("database " + db);
  }
  return unused;
}

std::set<std::string> DatabasesToRestore(const meta::BackupInfo& info,
                                         const RestoreOptions& options) {
  const std::set<std::string> sources = options.sources.databases();
  const std::set<std::string> targets = options.targets.databases();
  std::set<std::string> databases;
  for (const meta::DatabaseBackup& database : info.database_backups) {
    if (!options.sources.selects_everything() && !sources.contains(database.db_name)) continue;
    const std::string target = options.renames.ApplyToDatabase(database.db_name);
    if (options.targets.selects_everything() || targets.contains(target)) databases.insert(target);
  }
  return databases;
}

}  // namespace milvus_backup::backup
