/// What a migration from Milvus 2.x writes down of each collection, so that the same command can go
/// on. Functions without state, thread-safe.
#pragma once

#include "row_key.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::migration {

struct PartitionRecord {
  /// Every row is there.
  bool done = false;
  /// Rows up to this key may have been sent; none while none was.
  std::optional<RowKey> frontier;
  /// What the target has taken.
  RangeSet confirmed;
  /// Rows in there.
  uint64_t rows = 0;
  /// Some of their keys, of which rows are compared in the end.
  std::vector<RowKey> sample;
  /// Of the target's partition, when a run has created it in a collection that was there before.
  int64_t created_id = 0;
  /// Whether rows may have been sent that are not known to be there.
  bool has_unconfirmed() const { return !done && frontier != confirmed.contiguous_end(); }
};

enum class CollectionState {
  kCreating,  ///< the target may have been created, under an id that is not known
  kFilling,   ///< `target_id` is known; rows may have been sent
  kDone,      ///< everything is there and was compared
};

struct CollectionRecord {
  /// `host:port/database/collection` of either end.
  std::string source;
  std::string target;
  int64_t source_id = 0;
  int64_t target_id = 0;
  CollectionState state = CollectionState::kCreating;
  /// The target was not there before.
  bool created = false;
  bool keeps_keys = true;
  /// Stored rows that the target had.
  int64_t rows_before = 0;
  /// Rows sent again after an interruption.
  uint64_t repeated = 0;
  /// The source was written to while it was brought over.
  bool source_changed = false;
  /// Partitions were dropped to be begun anew: the target may still count their rows.
  bool dropped_partitions = false;
  /// By name; an empty name stands for a collection with a partition key.
  std::map<std::string, PartitionRecord> partitions;
};

std::string EncodeCollectionRecord(const CollectionRecord& record);
/// kDataLoss naming `what` when the text is no record.
Result<CollectionRecord> DecodeCollectionRecord(std::string_view text, const std::string& what);

/// One per target.
std::string CollectionRecordKey(const std::string& collection, const std::string& target);
/// None when there is none.
Result<std::optional<CollectionRecord>> ReadCollectionRecord(const CallContext& ctx,
                                                             storage::Backend& state,
                                                             const std::string& key);
Status WriteCollectionRecord(const CallContext& ctx, storage::Backend& state,
                             const std::string& key, const CollectionRecord& record);

}  // namespace milvus_backup::migration
