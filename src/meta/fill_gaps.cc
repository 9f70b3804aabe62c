#include "consistency_internal.h"
#include "fill_gaps_internal.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace milvus_backup::meta {
namespace {

void FillLogId(Binlog& log) {
  if (log.log_id != 0) return;
  const std::string_view path = log.log_path;
  const std::string_view last = path.substr(path.rfind('/') + 1);
  std::from_chars(last.data(), last.data() + last.size(), log.log_id);
}

/// Files of today have nothing to fill, and unpacking every list would take longer than reading it.
void FillLogIds(LogList& list) {
  const std::vector<LogEntry> entries = list.Entries();
  if (std::ranges::find(entries, 0, &LogEntry::log_id) == entries.end()) return;
  std::vector<FieldBinlog> fields = list.Unpack();
  for (FieldBinlog& field : fields) std::ranges::for_each(field.binlogs, FillLogId);
  list = LogList(fields);
}

void DropFieldsWithoutLogs(LogList& list) {
  if (list.log_count() == 0) {
    list = {};
    return;
  }
  std::vector<FieldBinlog> fields = list.Unpack();
  const auto without_logs = [](const FieldBinlog& field) { return field.binlogs.empty(); };
  if (std::erase_if(fields, without_logs) > 0) list = LogList(fields);
}

void FillSegment(SegmentBackup& segment, int64_t collection_id, int64_t partition_id) {
  if (segment.collection_id == 0) segment.collection_id = collection_id;
  if (segment.partition_id == 0) segment.partition_id = partition_id;
  FillLogs(segment);
}

void FillCollection(CollectionBackup& collection) {
  if (collection.db_name.empty()) collection.db_name = kDefaultDatabase;
  for (PartitionBackup& partition : collection.partition_backups) {
    if (partition.collection_id == 0) partition.collection_id = collection.collection_id;
    for (SegmentBackup& segment : partition.segment_backups) {
      FillSegment(segment, collection.collection_id, partition.partition_id);
    }
  }
  for (SegmentBackup& segment : collection.l0_segments) {
    FillSegment(segment, collection.collection_id, kAllPartitions);
    segment.is_l0 = true;
  }
}

void FillDatabases(BackupInfo& info) {
  std::vector<DatabaseBackup>& databases = info.database_backups;
  for (DatabaseBackup& database : databases) {
    if (database.db_name.empty()) database.db_name = kDefaultDatabase;
  }
  for (const CollectionBackup& collection : info.collection_backups) {
    const bool known = std::any_of(
        databases.begin(), databases.end(),
        [&](const DatabaseBackup& database) { return database.db_name == collection.db_name; });
    if (!known) databases.push_back({.db_name = collection.db_name, .db_id = collection.db_id});
  }
}

/// Where the parts of the leveled files belong. Holds pointers into the tree: collections must not
/// move, partitions not after MapPartitions.
class Tree {
 public:
  explicit Tree(BackupInfo& info) : info_(info) {
    for (CollectionBackup& collection : info.collection_backups) {
      collections_[collection.collection_id] = &collection;
    }
  }

  CollectionBackup* FindCollection(int64_t id) const {
    const auto found = collections_.find(id);
    return found == collections_.end() ? nullptr : found->second;
  }

  void MapPartitions() {
    for (CollectionBackup& collection : info_.collection_backups) {
      for (const SegmentBackup& segment : collection.l0_segments) Note(segment);
      for (PartitionBackup& partition : collection.partition_backups) {
        partitions_[{collection.collection_id, partition.partition_id}] = &partition;
        for (const SegmentBackup& segment : partition.segment_backups) Note(segment);
      }
    }
  }

  /// The list a segment belongs to; null when there is none.
  std::vector<SegmentBackup>* FindSegments(const SegmentBackup& segment) const {
    const auto found = partitions_.find({segment.collection_id, segment.partition_id});
    if (found != partitions_.end()) return &found->second->segment_backups;
    CollectionBackup* collection = FindCollection(segment.collection_id);
    if (collection == nullptr || segment.partition_id != kAllPartitions) return nullptr;
    return &collection->l0_segments;
  }

  bool Holds(const SegmentBackup& segment) const { return segments_.contains(segment.segment_id); }
  void Note(const SegmentBackup& segment) { segments_.insert(segment.segment_id); }

 private:
  BackupInfo& info_;
  std::map<int64_t, CollectionBackup*> collections_;
  std::map<std::pair<int64_t, int64_t>, PartitionBackup*> partitions_;
  /// Ids are unique within a Milvus cluster.
  std::unordered_set<int64_t> segments_;
};

}  // namespace

void FillGaps(BackupInfo& info, const std::string& name) {
  info.name = name;
  for (CollectionBackup& collection : info.collection_backups) FillCollection(collection);
  FillDatabases(info);
}

void FillLogs(SegmentBackup& segment) {
  FillLogIds(segment.binlogs);
  FillLogIds(segment.deltalogs);
  DropFieldsWithoutLogs(segment.deltalogs);
}

Status AttachLevels(BackupInfo& info, std::vector<PartitionBackup> partitions,
                    std::vector<SegmentBackup> segments) {
  std::unordered_set<int64_t> listed;
  MB_RETURN_IF_ERROR(CheckListedOnce(segments, listed));
  Tree tree(info);
  for (PartitionBackup& partition : partitions) {
    CollectionBackup* collection = tree.FindCollection(partition.collection_id);
    if (collection == nullptr) {
      return DataLossError("partition " + std::to_string(partition.partition_id) +
                           " belongs to the unknown collection " +
                           std::to_string(partition.collection_id));
    }
    std::vector<PartitionBackup>& held = collection->partition_backups;
    const bool known = std::any_of(held.begin(), held.end(), [&](const PartitionBackup& other) {
      return other.partition_id == partition.partition_id;
    });
    if (!known) held.push_back(std::move(partition));
  }
  tree.MapPartitions();
  for (SegmentBackup& segment : segments) {
    if (tree.Holds(segment)) continue;
    std::vector<SegmentBackup>* held = tree.FindSegments(segment);
    if (held == nullptr) {
      return DataLossError("segment " + std::to_string(segment.segment_id) +
                           " belongs to the unknown partition " +
                           std::to_string(segment.partition_id) + " of collection " +
                           std::to_string(segment.collection_id));
    }
    tree.Note(segment);
    held->push_back(std::move(segment));
  }
  return Status::Ok();
}

}  // namespace milvus_backup::meta
