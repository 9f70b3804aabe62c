/// Copies the rows of one partition after the other, several ranges of keys at a time.
#pragma once

#include "milvus2x_record.h"
#include "milvus2x_rows.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/base/task_group.h"
#include "milvus_backup/migration/milvus2x.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace milvus_backup::migration {

/// One thread walks over the keys and cuts them into ranges; workers read and write those. The
/// record is saved before rows beyond its frontier are sent, and every now and then afterwards.
class PartitionCopy {
 public:
  struct Rules {
    int parallel_ranges = 1;
    std::optional<int64_t> page_rows;
    /// Bytes of a row that the schema tells: no row is smaller.
    uint64_t least_row_bytes = 0;
    Milvus2xRules run;
  };
  /// Told after every step how many rows were read and written in this run.
  using OnProgress = std::function<void(uint64_t read, uint64_t written)>;
  using SaveRecord = std::function<Status(const CallContext& ctx)>;

  /// Everything outlives the copy. `save` writes the record that `Run` changes, one call at a time.
  PartitionCopy(const CollectionReader& source, CollectionWriter& target, const KeyField& key,
                const Rules& rules, SaveRecord save, OnProgress on_progress)
      : source_(source),
        target_(target),
        key_(key),
        rules_(rules),
        save_(std::move(save)),
        on_progress_(std::move(on_progress)) {}

  /// Copy what `record` does not have yet of partition `name`; empty for all of the collection.
  Status Run(const CallContext& ctx, const std::string& name, PartitionRecord& record);

  /// A row whose key was seen could not be read afterwards.
  bool source_changed() const { return source_changed_; }

 private:
  struct Cut {
    KeyRange range;
    /// Seen in the range, in order.
    std::vector<RowKey> keys;
    bool may_be_there = false;
  };

  Status Walk(const CallContext& ctx, const std::string& name, PartitionRecord& record,
              TaskGroup& group);
  /// A range that begins with keys[begin], which is not done: as many of the keys as make one now.
  /// `after` lies before the first of the keys.
  Cut NextCut(const std::vector<RowKey>& keys, size_t begin, const std::optional<RowKey>& after,
              const std::optional<RowKey>& resumed, const RangeSet& done) const;
  Status CopyRange(const CallContext& ctx, const std::string& name, const Cut& cut,
                   PartitionRecord& record);
  /// Write rows of a cut; `arrived` gets their keys.
  Status WriteRows(const CallContext& ctx, const std::string& name, const Cut& cut,
                   std::vector<milvus::Column> columns, std::vector<RowKey>& arrived);
  /// Keep the key of a range now and then. Needs the lock.
  void Sample(const RowKey& key, PartitionRecord& record);
  /// Milvus 2.3.5 leaves a row out of its answer now and then where it has two of one key: ask for
  /// those by their keys.
  Status FetchMissing(const CallContext& ctx, const std::string& name, const Cut& cut,
                      std::vector<RowKey>& arrived);
  Status Confirm(const CallContext& ctx, const Cut& cut, const std::vector<RowKey>& arrived,
                 PartitionRecord& record);
  /// As many as come to about `range_bytes`, as far as it is known by now.
  size_t RowsPerRange() const;

  const CollectionReader& source_;
  CollectionWriter& target_;
  const KeyField& key_;
  const Rules rules_;
  const SaveRecord save_;
  const OnProgress on_progress_;
  std::atomic<uint64_t> read_ = 0;
  std::atomic<uint64_t> read_bytes_ = 0;
  /// Of the rows that came last.
  std::atomic<uint64_t> last_row_bytes_ = 0;
  std::atomic<uint64_t> written_ = 0;
  std::atomic<bool> source_changed_ = false;
  /// Guards the record, its saving and what is below.
  std::mutex mutex_;
  std::chrono::steady_clock::time_point saved_;
  /// Ranges seen, and of how many one is sampled.
  uint64_t ranges_ = 0;
  uint64_t sample_every_ = 1;
};

}  // namespace milvus_backup::migration
