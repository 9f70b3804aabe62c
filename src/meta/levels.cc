#include "milvus_backup/meta/levels.h"

#include "fill_gaps_internal.h"
#include "storage_text_internal.h"

#include "milvus_backup/meta/codec.h"
#include "milvus_backup/meta/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace milvus_backup::meta {
namespace {

std::string NameOf(const CollectionBackup& collection) {
  return fmt::format("{}.{}", collection.db_name.empty() ? kDefaultDatabase : collection.db_name,
                     collection.collection_name);
}

/// Ids that some writers leave out say nothing.
bool SameId(int64_t a, int64_t b) { return a == 0 || b == 0 || a == b; }

/// What differs in one file.
class Differences {
 public:
  void Add(std::string expected, std::string found) {
    if (count_++ > 0) return;
    expected_ = std::move(expected);
    found_ = std::move(found);
  }
  void Report(MetaFile file, const std::function<void(const LevelProblem&)>& on_problem) const {
    if (count_ == 0) return;
    on_problem(
        {.file = file,
         .expected = expected_ + ", as in full_meta.json",
         .found = count_ == 1 ? found_ : fmt::format("{} (and {} more)", found_, count_ - 1)});
  }

 private:
  uint64_t count_ = 0;
  std::string expected_;
  std::string found_;
};

/// Partitions or segments of full_meta.json by their ids, each to be found once.
template <typename T>
class Index {
 public:
  /// `must_be_listed`: whether a leveled file without it lacks something.
  void Add(int64_t id, const T& item, bool must_be_listed) {
    entries_.push_back({.id = id, .item = &item, .is_wanted = must_be_listed});
  }
  void Sort() { std::ranges::sort(entries_, {}, &Entry::id); }

  /// The entry that `fits`, which is then no longer missing.
  template <typename Fits>
  const T* Take(int64_t id, const Fits& fits) {
    auto entry = std::ranges::lower_bound(entries_, id, {}, &Entry::id);
    for (; entry != entries_.end() && entry->id == id; ++entry) {
      if (!fits(*entry->item)) continue;
      entry->is_wanted = false;
      return entry->item;
    }
    return nullptr;
  }
  template <typename OnMissing>
  void ForEachMissing(const OnMissing& on_missing) const {
    for (const Entry& entry : entries_) {
      if (entry.is_wanted) on_missing(*entry.item);
    }
  }

 private:
  struct Entry {
    int64_t id = 0;
    const T* item = nullptr;
    bool is_wanted = true;
  };
  std::vector<Entry> entries_;
};

bool SameLogs(const LogList& a, const LogList& b) {
  if (a == b) return true;
  std::vector<LogEntry> left = a.Entries();
  std::vector<LogEntry> right = b.Entries();
  const auto order = [](const LogEntry& x, const LogEntry& y) {
    return std::pair(x.field_id, x.log_id) < std::pair(y.field_id, y.log_id);
  };
  std::ranges::sort(left, order);
  std::ranges::sort(right, order);
  return left == right;
}

class LevelComparison {
 public:
  LevelComparison(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
                  const BackupInfo& full,
                  const std::function<void(const LevelProblem&)>& on_problem)
      : ctx_(ctx), backend_(backend), dir_(backup_dir), full_(full), on_problem_(on_problem) {}

  Status Run() {
    const Status present = backend_.Stat(ctx_, MetaKey(dir_, MetaFile::kFull)).status();
    if (present.code() == Code::kNotFound) return Status::Ok();
    MB_RETURN_IF_ERROR(present);
    MB_RETURN_IF_ERROR(CompareCollections());
    MB_RETURN_IF_ERROR(ComparePartitions());
    return CompareSegments();
  }

 private:
  /// Whether there is something to compare: a file that cannot be read is told, unless it is the
  /// storage that does not answer.
  Result<bool> IsReadable(MetaFile file, const Status& read) {
    if (read.ok()) return true;
    const bool is_missing = read.code() == Code::kNotFound;
    if (!is_missing && read.code() != Code::kDataLoss) {
      if (!ctx_.Check().ok() || !backend_.CheckAccess(ctx_).ok()) return read;
    }
    on_problem_({.file = file,
                 .expected = "a file that says what full_meta.json says",
                 .found = is_missing ? "nothing" : std::string(read.message())});
    return false;
  }

  Status CompareCollections() {
    const std::string key = MetaKey(dir_, MetaFile::kCollections);
    const auto listed =
        DecodeCollectionMeta(ObjectSource(ctx_, backend_, key), key, Depth::kCollections);
    MB_ASSIGN_OR_RETURN(const bool readable, IsReadable(MetaFile::kCollections, listed.status()));
    if (!readable) return Status::Ok();
    std::map<int64_t, const CollectionBackup*> expected;
    for (const CollectionBackup& each : full_.collection_backups) {
      expected.emplace(each.collection_id, &each);
    }
    Differences differences;
    for (const CollectionBackup& collection : *listed) {
      const auto found = expected.find(collection.collection_id);
      if (found == expected.end()) {
        differences.Add(fmt::format("no other collection {}", collection.collection_id),
                        NameOf(collection));
        continue;
      }
      Compare(*found->second, collection, differences);
      expected.erase(found);
    }
    for (const auto& [id, collection] : expected) {
      differences.Add(fmt::format("collection {} {}", id, NameOf(*collection)), "nothing");
    }
    differences.Report(MetaFile::kCollections, on_problem_);
    return Status::Ok();
  }

  static void Compare(const CollectionBackup& expected, const CollectionBackup& found,
                      Differences& differences) {
    const std::string name = NameOf(expected);
    if (NameOf(found) != name) {
      differences.Add(fmt::format("the name {} of collection {}", name, expected.collection_id),
                      NameOf(found));
    }
    if (found.schema != expected.schema) {
      differences.Add(fmt::format("the schema of {}", name), "another schema");
    }
    if (found.shards_num != expected.shards_num) {
      differences.Add(fmt::format("{} shards of {}", expected.shards_num, name),
                      std::to_string(found.shards_num));
    }
    if (found.consistency_level != expected.consistency_level) {
      differences.Add(fmt::format("consistency level {} of {}", expected.consistency_level, name),
                      std::to_string(found.consistency_level));
    }
    // Some writers list them in partition_meta.json alone.
    if (found.partition_backups.empty()) return;
    const auto names_of = [](const CollectionBackup& collection) {
      std::map<int64_t, std::string> names;
      for (const PartitionBackup& partition : collection.partition_backups) {
        names.emplace(partition.partition_id, partition.partition_name);
      }
      return names;
    };
    if (names_of(found) != names_of(expected)) {
      differences.Add(
          fmt::format("the {} partitions of {}", expected.partition_backups.size(), name),
          fmt::format("{} of other ids or names", found.partition_backups.size()));
    }
  }

  Status ComparePartitions() {
    const std::string key = MetaKey(dir_, MetaFile::kPartitions);
    const auto listed = DecodePartitionMeta(ObjectSource(ctx_, backend_, key), key);
    MB_ASSIGN_OR_RETURN(const bool readable, IsReadable(MetaFile::kPartitions, listed.status()));
    if (!readable) return Status::Ok();
    Index<PartitionBackup> expected;
    for (const CollectionBackup& collection : full_.collection_backups) {
      for (const PartitionBackup& each : collection.partition_backups) {
        expected.Add(each.partition_id, each, true);
      }
    }
    expected.Sort();
    Differences differences;
    for (const PartitionBackup& partition : *listed) {
      const PartitionBackup* found =
          expected.Take(partition.partition_id, [&](const PartitionBackup& other) {
            return SameId(partition.collection_id, other.collection_id);
          });
      const std::string text =
          fmt::format("partition {} {}", partition.partition_id, partition.partition_name);
      if (found == nullptr) {
        differences.Add("no such partition", text);
      } else if (found->partition_name != partition.partition_name) {
        differences.Add(fmt::format("partition {} {}", found->partition_id, found->partition_name),
                        text);
      }
    }
    expected.ForEachMissing([&](const PartitionBackup& partition) {
      differences.Add(
          fmt::format("partition {} {}", partition.partition_id, partition.partition_name),
          "nothing");
    });
    differences.Report(MetaFile::kPartitions, on_problem_);
    return Status::Ok();
  }

  Status CompareSegments() {
    Index<SegmentBackup> expected;
    std::vector<std::pair<int64_t, int64_t>> partitions;
    for (const CollectionBackup& collection : full_.collection_backups) {
      for (const PartitionBackup& partition : collection.partition_backups) {
        partitions.emplace_back(collection.collection_id, partition.partition_id);
        for (const SegmentBackup& each : partition.segment_backups) {
          expected.Add(each.segment_id, each, true);
        }
      }
      for (const SegmentBackup& each : collection.l0_segments) {
        expected.Add(each.segment_id, each, false);
      }
    }
    expected.Sort();
    std::ranges::sort(partitions);
    Differences differences;
    const std::string key = MetaKey(dir_, MetaFile::kSegments);
    const Status read =
        DecodeSegments(ObjectSource(ctx_, backend_, key), key, [&](SegmentBackup&& segment) {
          FillLogs(segment);
          const SegmentBackup* found =
              expected.Take(segment.segment_id, [&](const SegmentBackup& other) {
                return SameId(segment.collection_id, other.collection_id) &&
                       SameId(segment.partition_id, other.partition_id);
              });
          if (found != nullptr) {
            Compare(*found, segment, differences);
          } else if (std::ranges::binary_search(
                         partitions, std::pair(segment.collection_id, segment.partition_id))) {
            // Those of partitions that are not listed may have been dropped meanwhile.
            differences.Add("no such segment", fmt::format("segment {}", segment.segment_id));
          }
        });
    MB_ASSIGN_OR_RETURN(const bool readable, IsReadable(MetaFile::kSegments, read));
    if (!readable) return Status::Ok();
    expected.ForEachMissing([&](const SegmentBackup& segment) {
      differences.Add(fmt::format("segment {}", segment.segment_id), "nothing");
    });
    differences.Report(MetaFile::kSegments, on_problem_);
    return Status::Ok();
  }

  static void Compare(const SegmentBackup& expected, const SegmentBackup& found,
                      Differences& differences) {
    const int64_t id = expected.segment_id;
    if (found.num_of_rows != expected.num_of_rows) {
      differences.Add(fmt::format("{} rows of segment {}", expected.num_of_rows, id),
                      std::to_string(found.num_of_rows));
    }
    if (found.group_id != expected.group_id || found.storage_version != expected.storage_version) {
      differences.Add(fmt::format("group {} and storage version {} of segment {}",
                                  expected.group_id, expected.storage_version, id),
                      fmt::format("{} and {}", found.group_id, found.storage_version));
    }
    if (!SameLogs(expected.binlogs, found.binlogs)) {
      differences.Add(
          fmt::format("the {} insert logs of segment {}", expected.binlogs.log_count(), id),
          fmt::format("{} with other ids or sizes", found.binlogs.log_count()));
    }
    if (!SameLogs(expected.deltalogs, found.deltalogs)) {
      differences.Add(
          fmt::format("the {} delta logs of segment {}", expected.deltalogs.log_count(), id),
          fmt::format("{} with other ids or sizes", found.deltalogs.log_count()));
    }
  }

  const CallContext& ctx_;
  storage::Backend& backend_;
  const std::string& dir_;
  const BackupInfo& full_;
  const std::function<void(const LevelProblem&)>& on_problem_;
};

}  // namespace

Status CompareLevels(const CallContext& ctx, storage::Backend& backend,
                     const std::string& backup_dir, const BackupInfo& full,
                     const std::function<void(const LevelProblem&)>& on_problem) {
  return LevelComparison(ctx, backend, backup_dir, full, on_problem).Run();
}

Result<MetaFile> FindDamagedMeta(const CallContext& ctx, storage::Backend& backend,
                                 const std::string& backup_dir) {
  const auto source = [&](MetaFile file) {
    return ObjectSource(ctx, backend, MetaKey(backup_dir, file));
  };
  // Damage makes the answer true, other errors end the search.
  const auto is_damaged = [](const Status& read) -> Result<bool> {
    if (read.ok()) return false;
    if (read.code() == Code::kDataLoss || read.code() == Code::kNotFound) return true;
    return read;
  };
  const Status present = backend.Stat(ctx, MetaKey(backup_dir, MetaFile::kFull)).status();
  if (present.ok()) {
    const Status read = ReadFullMeta(ctx, backend, backup_dir).status();
    MB_ASSIGN_OR_RETURN(const bool full_is_damaged, is_damaged(read));
    return full_is_damaged ? MetaFile::kFull : MetaFile::kHeader;
  }
  if (present.code() != Code::kNotFound) return present;
  const Status collections =
      DecodeCollectionMeta(source(MetaFile::kCollections), "", Depth::kSegments).status();
  MB_ASSIGN_OR_RETURN(bool found, is_damaged(collections));
  if (found) return MetaFile::kCollections;
  MB_ASSIGN_OR_RETURN(found,
                      is_damaged(DecodePartitionMeta(source(MetaFile::kPartitions), "").status()));
  // What fits to nothing, or is there twice, is a segment.
  return found ? MetaFile::kPartitions : MetaFile::kSegments;
}

}  // namespace milvus_backup::meta
