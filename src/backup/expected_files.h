/// The files a backup should consist of, and comparing them with what a storage holds.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/storage/backend.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

namespace milvus_backup::backup {

/// A log file of a backup.
struct ExpectedFile {
  /// Relative to the backup directory.
  std::string path;
  /// Bytes.
  uint64_t size = 0;
};

/// The insert and delta logs of some segments in the byte order of their paths. Holds pointers to
/// the segments, which must outlive it and stay as they are; paths are made while iterating, those
/// of one segment at a time.
class ExpectedFiles {
 public:
  class Iterator;

  ExpectedFiles() = default;
  /// All segments of a collection. The directories of its partitions are closed: they hold no other
  /// insert or delta logs. So is that of the L0 segments of all partitions, where there are any.
  explicit ExpectedFiles(const meta::CollectionBackup& collection);
  explicit ExpectedFiles(const std::vector<meta::SegmentBackup>& segments);
  /// All segments of all collections, with the closed directories of each.
  explicit ExpectedFiles(const meta::BackupInfo& info);

  Iterator begin() const;
  std::default_sentinel_t end() const { return {}; }
  /// As CheckFiles takes them.
  const std::vector<std::string>& closed_dirs() const { return closed_dirs_; }

 private:
  void Add(const meta::CollectionBackup& collection);
  void Add(const std::vector<meta::SegmentBackup>& segments);
  void Sort();

  /// By the text of their directories.
  std::vector<const meta::SegmentBackup*> segments_;
  std::vector<std::string> closed_dirs_;
};

/// A single pass; every ExpectedFiles may be iterated any number of times, also at once.
class ExpectedFiles::Iterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = ExpectedFile;
  using difference_type = std::ptrdiff_t;
  using pointer = const ExpectedFile*;
  using reference = const ExpectedFile&;

  explicit Iterator(const std::vector<const meta::SegmentBackup*>& segments);

  const ExpectedFile& operator*() const { return files_[next_]; }
  const ExpectedFile* operator->() const { return &files_[next_]; }
  Iterator& operator++();
  friend bool operator==(const Iterator& it, std::default_sentinel_t) {
    return it.next_ == it.files_.size();
  }

 private:
  /// Make the files of the next segments until there are some.
  void Load();

  const std::vector<const meta::SegmentBackup*>* segments_;
  /// Deltalogs come first: `delta_log/` sorts before `insert_log/`.
  bool deltas_ = true;
  size_t next_segment_ = 0;
  std::vector<ExpectedFile> files_;
  size_t next_ = 0;
};

/// Whether one of the directories that hold `path` is among `dirs`, which are sorted.
bool LiesInAny(const std::string& path, const std::vector<std::string>& dirs);

/// List the insert and delta logs of a collection below `backup_dir` and compare them with
/// `expected`. kDataLoss naming the first file that is missing, has another size, or is not
/// expected although it lies in one of `closed_dirs` or those of `expected` (relative, with a slash
/// at the end; empty ones mean nothing). Other files that are not expected are counted in a
/// warning: the reference tool copies, but does not list, segments of partitions that were being
/// dropped. `on_file` gets every listed file that is not named by an error, and its own error
/// ends the check.
Status CheckFiles(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
                  int64_t collection_id, const ExpectedFiles& expected,
                  std::vector<std::string> closed_dirs,
                  const std::function<Status(const storage::ObjectInfo&)>& on_file = {});

}  // namespace milvus_backup::backup
