#include "restore_plan.h"

#include "milvus_backup/base/encoding.h"
#include "milvus_backup/meta/layout.h"
#include "milvus_backup/meta/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

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

ImportUnit UnitOf(const meta::PartitionBackup& partition, const meta::SegmentBackup& first,
                  bool whole_partition) {
  ImportUnit unit;
  unit.partition_name = partition.partition_name;
  unit.storage_version = first.storage_version;
  unit.insert_dir = meta::InsertGroupDir("", first.collection_id, first.partition_id,
                                         whole_partition ? 0 : first.group_id);
  return unit;
}

void AddSegment(const meta::SegmentBackup& segment, bool whole_partition, ImportUnit& unit) {
  unit.bytes += static_cast<uint64_t>(std::max<int64_t>(segment.size, 0));
  if (CountLogs(segment.deltalogs) > 0) {
    unit.delta_dir = meta::DeltaGroupDir("", segment.collection_id, segment.partition_id,
                                         whole_partition ? 0 : segment.group_id);
  }
}

// One unit per partition where the server walks directories and the data fits one task, else one
// per group directory, each group once however many segments share it.
void PlanPartition(const meta::PartitionBackup& partition, bool server_walks,
                   std::vector<ImportUnit>& units) {
  uint64_t bytes = 0;
  bool has_groups = true;
  for (const meta::SegmentBackup& segment : partition.segment_backups) {
    bytes += static_cast<uint64_t>(std::max<int64_t>(segment.size, 0));
    has_groups = has_groups && segment.group_id != 0;
  }
  const bool whole = !has_groups || (server_walks && bytes <= kMaxBytesPerWalkedImport);
  std::map<int64_t, ImportUnit> by_group;
  std::vector<ImportUnit> l0;
  for (const meta::SegmentBackup& segment : partition.segment_backups) {
    if (segment.is_l0) {
      if (CountLogs(segment.deltalogs) == 0) continue;
      ImportUnit unit{.partition_name = partition.partition_name, .is_l0 = true};
      unit.delta_dir =
          meta::DeltaGroupDir("", segment.collection_id, segment.partition_id, segment.group_id);
      l0.push_back(std::move(unit));
      continue;
    }
    if (CountLogs(segment.binlogs) == 0) continue;
    const int64_t group = whole ? 0 : segment.group_id;
    const auto it = by_group.try_emplace(group, UnitOf(partition, segment, whole)).first;
    AddSegment(segment, whole, it->second);
  }
  for (auto& [group, unit] : by_group) units.push_back(std::move(unit));
  std::ranges::move(l0, std::back_inserter(units));
}

Status CheckFieldIds(const meta::CollectionBackup& backup) {
  int64_t expected = kFirstFieldId;
  for (const meta::FieldSchema& field : backup.schema.fields) {
    if (field.is_dynamic) continue;
    if (field.field_id != expected) {
      return UnimplementedError(fmt::format(
          "field '{}' has id {} where a new collection would give it {}: collections whose fields "
          "were added or dropped after creation cannot be restored yet",
          field.name, field.field_id, expected));
    }
    ++expected;
  }
  if (!backup.schema.struct_array_fields.empty()) {
    return UnimplementedError("struct array fields cannot be restored yet");
  }
  return Status::Ok();
}

Result<CollectionPlan> PlanCollection(const meta::CollectionBackup& backup, bool server_walks) {
  MB_RETURN_IF_ERROR(CheckFieldIds(backup));
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
  for (const ImportUnit& unit : plan.units) has_l0 = has_l0 || unit.is_l0;
  if (has_l0) plan.rows.at_least = 0;
  plan.files = ExpectedFiles(backup);
  return plan;
}

std::vector<milvus::KeyValue> Convert(const std::vector<meta::KeyValue>& pairs) {
  std::vector<milvus::KeyValue> converted;
  converted.reserve(pairs.size());
  for (const meta::KeyValue& pair : pairs) converted.push_back({pair.key, pair.value});
  return converted;
}

Result<milvus::FieldSchema> Convert(const meta::FieldSchema& field) {
  milvus::FieldSchema converted{
      .field_id = field.field_id,
      .name = field.name,
      .is_primary_key = field.is_primary_key,
      .description = field.description,
      .data_type = field.data_type,
      .type_params = Convert(field.type_params),
      .index_params = Convert(field.index_params),
      .auto_id = field.auto_id,
      .element_type = field.element_type,
      .is_partition_key = field.is_partition_key,
      .nullable = field.nullable,
      .is_function_output = field.is_function_output,
  };
  if (!field.default_value_base64.empty()) {
    auto bytes = Base64Decode(field.default_value_base64);
    if (!bytes.ok())
      return DataLossError("the default value of field " + field.name + " is damaged");
    converted.default_value = *std::move(bytes);
  } else if (!field.default_value_proto.empty()) {
    converted.default_value = field.default_value_proto;
  }
  return converted;
}

Status CheckSelection(const meta::BackupInfo& info, const RestoreOptions& options,
                      const std::vector<CollectionPlan>& plans) {
  std::set<CollectionName> sources;
  for (const meta::CollectionBackup& backup : info.collection_backups)
    sources.insert(NameOf(backup));
  for (const CollectionName& name : options.sources.named()) {
    if (!sources.contains(name)) {
      return InvalidArgumentError(
                 fmt::format("collection {} is not in backup {}", name.ToString(), options.name))
          .WithAdvice("see `get -n " + options.name + "` for what it holds");
    }
  }
  std::set<CollectionName> targets;
  for (const CollectionPlan& plan : plans) {
    if (!targets.insert(plan.target).second) {
      return InvalidArgumentError("two collections would be restored as " + plan.target.ToString());
    }
  }
  for (const CollectionName& name : options.targets.named()) {
    if (!targets.contains(name)) {
      return InvalidArgumentError(fmt::format(
          "--filter asks for {}, which this restore would not create; names are matched "
          "after the suffix is added",
          name.ToString()));
    }
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
  MB_RETURN_IF_ERROR(meta::CheckRestorableFormat(info));
  std::vector<CollectionPlan> plans;
  for (const meta::CollectionBackup& backup : info.collection_backups) {
    const CollectionName source = NameOf(backup);
    const CollectionName target{source.db, source.collection + options.suffix};
    if (!options.sources.Matches(source) || !options.targets.Matches(target)) continue;
    auto plan = PlanCollection(backup, server_walks_directories);
    if (!plan.ok()) return plan.status().Annotate("collection " + source.ToString());
    plan->target = target;
    plans.push_back(*std::move(plan));
  }
  MB_RETURN_IF_ERROR(CheckSelection(info, options, plans));
  return plans;
}

Result<milvus::CreateCollectionRequest> ToCreateRequest(const CollectionPlan& plan) {
  const meta::CollectionBackup& backup = *plan.backup;
  milvus::CreateCollectionRequest request{
      .db_name = plan.target.db,
      .shards_num = backup.shards_num,
      .consistency_level = backup.consistency_level,
  };
  milvus::CollectionSchema& schema = request.schema;
  schema.name = plan.target.collection;
  schema.description = backup.schema.description;
  schema.auto_id = backup.schema.auto_id;
  schema.enable_dynamic_field = backup.schema.enable_dynamic_field;
  schema.properties = Convert(backup.schema.properties);
  request.properties =
      Convert(backup.schema.properties.empty() ? backup.properties : backup.schema.properties);
  for (const meta::FieldSchema& field : backup.schema.fields) {
    if (field.is_dynamic) continue;
    MB_ASSIGN_OR_RETURN(milvus::FieldSchema converted, Convert(field));
    if (converted.is_partition_key) {
      request.num_partitions = static_cast<int64_t>(backup.partition_backups.size());
    }
    schema.fields.push_back(std::move(converted));
  }
  for (const meta::FunctionSchema& function : backup.schema.functions) {
    schema.functions.push_back({.name = function.name,
                                .id = function.id,
                                .description = function.description,
                                .type = function.type,
                                .input_field_names = function.input_field_names,
                                .input_field_ids = function.input_field_ids,
                                .output_field_names = function.output_field_names,
                                .output_field_ids = function.output_field_ids,
                                .params = Convert(function.params)});
  }
  return request;
}

std::vector<milvus::Index> IndexesToBuild(const meta::CollectionBackup& backup) {
  std::set<std::string> vector_fields;
  for (const meta::FieldSchema& field : backup.schema.fields) {
    if (milvus::data_type::IsVector(field.data_type)) vector_fields.insert(field.name);
  }
  std::vector<milvus::Index> indexes;
  for (const meta::IndexInfo& info : backup.index_infos) {
    milvus::Index index{.field_name = info.field_name, .name = info.index_name};
    for (const auto& [key, value] : info.params) {
      // Milvus reports this index type under a name that CreateIndex does not take.
      const bool trie = key == "index_type" && value == "marisa-trie";
      index.params.push_back({key, trie ? "Trie" : value});
    }
    indexes.push_back(std::move(index));
  }
  // Not std::ranges: clang 14 cannot compile the subrange that libstdc++ 12 returns.
  std::stable_partition(indexes.begin(), indexes.end(), [&](const milvus::Index& index) {
    return vector_fields.contains(index.field_name);
  });
  return indexes;
}

}  // namespace milvus_backup::backup
