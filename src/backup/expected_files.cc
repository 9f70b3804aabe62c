#include "expected_files.h"

#include "milvus_backup/base/log.h"
#include "milvus_backup/meta/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <compare>
#include <utility>

namespace milvus_backup::backup {
namespace {

/// The ids in the path of a segment's directory, outermost first.
struct DirectoryIds {
  std::array<int64_t, 4> ids{};
  size_t count = 0;
};

DirectoryIds IdsOf(const meta::SegmentBackup& segment) {
  if (segment.group_id == 0) {
    return {{segment.collection_id, segment.partition_id, segment.segment_id}, 3};
  }
  return {{segment.collection_id, segment.partition_id, segment.group_id, segment.segment_id}, 4};
}

bool IsBefore(const meta::SegmentBackup* a, const meta::SegmentBackup* b) {
  const DirectoryIds left = IdsOf(*a);
  const DirectoryIds right = IdsOf(*b);
  for (size_t i = 0; i < std::min(left.count, right.count); ++i) {
    const std::strong_ordering order = meta::CompareAsText(left.ids.at(i), right.ids.at(i));
    if (order == std::strong_ordering::equal) continue;
    return order == std::strong_ordering::less;
  }
  return left.count < right.count;
}

/// Whether the directory of `inner` is that of `outer` or lies in it. A backup of one layout has no
/// such pair, but a meta that mixes groups with no groups may.
bool IsInside(const meta::SegmentBackup& outer, const meta::SegmentBackup& inner) {
  const DirectoryIds left = IdsOf(outer);
  const DirectoryIds right = IdsOf(inner);
  return left.count <= right.count &&
         std::equal(left.ids.begin(), left.ids.begin() + static_cast<std::ptrdiff_t>(left.count),
                    right.ids.begin());
}

void AppendFiles(const meta::SegmentBackup& segment, bool deltas,
                 std::vector<ExpectedFile>& files) {
  const std::string dir =
      deltas ? meta::DeltaSegmentDir("", segment) : meta::InsertSegmentDir("", segment);
  const meta::LogList& logs = deltas ? segment.deltalogs : segment.binlogs;
  for (const meta::LogEntry& log : logs.Entries()) {
    std::string path = dir;
    if (!deltas) path += std::to_string(log.field_id) + "/";
    path += std::to_string(log.log_id);
    files.push_back({std::move(path), static_cast<uint64_t>(log.log_size)});
  }
}

}  // namespace

bool LiesInAny(const std::string& path, const std::vector<std::string>& dirs) {
  for (size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0;
       slash = path.rfind('/', slash - 1)) {
    if (std::ranges::binary_search(dirs, path.substr(0, slash + 1))) return true;
  }
  return false;
}

ExpectedFiles::ExpectedFiles(const meta::CollectionBackup& collection) {
  Add(collection);
  Sort();
}

ExpectedFiles::ExpectedFiles(const meta::BackupInfo& info) {
  for (const meta::CollectionBackup& collection : info.collection_backups) Add(collection);
  Sort();
}

void ExpectedFiles::Add(const meta::CollectionBackup& collection) {
  for (const meta::PartitionBackup& partition : collection.partition_backups) {
    Add(partition.segment_backups);
    closed_dirs_.push_back(
        meta::InsertGroupDir("", collection.collection_id, partition.partition_id, 0));
    // A delta log that nobody lists is a stranger that an import would apply, or was cut out of the
    // metas, and then deleted rows come back.
    closed_dirs_.push_back(
        meta::DeltaGroupDir("", collection.collection_id, partition.partition_id, 0));
  }
  if (!collection.l0_segments.empty()) {
    closed_dirs_.push_back(
        meta::DeltaGroupDir("", collection.collection_id, meta::kAllPartitions, 0));
  }
  Add(collection.l0_segments);
}

ExpectedFiles::ExpectedFiles(const std::vector<meta::SegmentBackup>& segments) {
  Add(segments);
  Sort();
}

void ExpectedFiles::Add(const std::vector<meta::SegmentBackup>& segments) {
  for (const meta::SegmentBackup& segment : segments) segments_.push_back(&segment);
}

void ExpectedFiles::Sort() { std::ranges::sort(segments_, IsBefore); }

ExpectedFiles::Iterator ExpectedFiles::begin() const { return Iterator(segments_); }

ExpectedFiles::Iterator::Iterator(const std::vector<const meta::SegmentBackup*>& segments)
    : segments_(&segments) {
  Load();
}

ExpectedFiles::Iterator& ExpectedFiles::Iterator::operator++() {
  if (++next_ == files_.size()) Load();
  return *this;
}

void ExpectedFiles::Iterator::Load() {
  files_.clear();
  next_ = 0;
  while (files_.empty()) {
    if (next_segment_ == segments_->size()) {
      if (!deltas_) return;
      deltas_ = false;
      next_segment_ = 0;
      continue;
    }
    const meta::SegmentBackup& first = *(*segments_)[next_segment_];
    while (next_segment_ < segments_->size() && IsInside(first, *(*segments_)[next_segment_])) {
      AppendFiles(*(*segments_)[next_segment_++], deltas_, files_);
    }
  }
  std::ranges::sort(files_, {}, &ExpectedFile::path);
}

Status CheckFiles(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
                  int64_t collection_id, const ExpectedFiles& expected,
                  std::vector<std::string> closed_dirs,
                  const std::function<Status(const storage::ObjectInfo&)>& on_file) {
  const auto damaged = [&](const std::string& path, const std::string& problem) {
    return DataLossError(fmt::format("{}{} {}", backup_dir, path, problem))
        .WithOrigin(Origin::kStorage)
        .Annotate("checking the files in " + backend.Describe());
  };
  std::ranges::copy(expected.closed_dirs(), std::back_inserter(closed_dirs));
  std::ranges::sort(closed_dirs);
  uint64_t strangers = 0;
  std::string first_stranger;
  // Listings and expectations are both in key order, and delta_log sorts before insert_log.
  auto next = expected.begin();
  for (const char* kind : {"delta_log", "insert_log"}) {
    const std::string prefix =
        fmt::format("{}{}/{}/", meta::BinlogsDir(backup_dir), kind, collection_id);
    const auto visit = [&](const storage::ObjectInfo& object) -> Status {
      const std::string path = object.key.substr(backup_dir.size());
      if (next != expected.end() && next->path < path) return damaged(next->path, "is missing");
      if (next == expected.end() || next->path != path) {
        if (LiesInAny(path, closed_dirs)) return damaged(path, "does not belong to the backup");
        if (strangers++ == 0) first_stranger = path;
        return on_file ? on_file(object) : Status::Ok();
      }
      if (next->size != object.size) {
        return damaged(path, fmt::format("has {} bytes instead of {}", object.size, next->size));
      }
      ++next;
      return on_file ? on_file(object) : Status::Ok();
    };
    MB_RETURN_IF_ERROR(storage::ForEachObject(ctx, backend, prefix, visit));
    const std::string end = fmt::format("binlogs/{}/", kind);
    if (next != expected.end() && next->path.starts_with(end)) {
      return damaged(next->path, "is missing");
    }
  }
  if (strangers > 0) {
    log::Warn("{} files, first {}{}, are of partitions that the backup does not have: ignored",
              strangers, backup_dir, first_stranger);
  }
  return Status::Ok();
}

}  // namespace milvus_backup::backup
