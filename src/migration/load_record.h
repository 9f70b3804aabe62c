/// What a load writes down of each collection below the dump, `load/<number>.json`, so that the
/// same command can go on. Functions without state, thread-safe.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/restore_progress.h"
#include "milvus_backup/migration/store.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::migration {

enum class LoadState {
  kCreating,  ///< the collection may have been created, under an id that is not known
  kFilling,   ///< `collection_id` is known; the recorded imports may have been sent
  kDone,      ///< every row is there
};

struct LoadRecord {
  /// `db.collection` in Milvus, and where that Milvus is.
  std::string target;
  std::string endpoint;
  LoadState state = LoadState::kCreating;
  /// See PlannedCollection.
  std::string source;
  /// LoadRules::merge_bytes of the run that began: the same pieces make the same imports with it. 0
  /// in records of versions that merged nothing.
  uint64_t merge_bytes = 0;
  /// The collection was not there before, or was dropped.
  bool created = false;
  /// Likewise the one partition that is filled.
  bool created_partition = false;
  int64_t collection_id = 0;
  /// Rows go in by inserts, of which an unfinished run may have sent any number.
  bool inserting = false;
  /// The newest import task that the collection had before.
  int64_t after_task = 0;
  /// Rows it had before, and in the end.
  int64_t rows_before = 0;
  int64_t rows_after = 0;
  std::vector<meta::RecordedImport> imports;
  friend bool operator==(const LoadRecord&, const LoadRecord&) = default;
};

std::string EncodeLoadRecord(const LoadRecord& record);
/// kDataLoss naming `what` when the text is no record.
Result<LoadRecord> DecodeLoadRecord(std::string_view text, const std::string& what);

/// Key of the record of collection `number` of the dump.
std::string LoadRecordKey(const Store& target, size_t number);
/// None when there is none.
Result<std::optional<LoadRecord>> ReadLoadRecord(const CallContext& ctx, const Store& target,
                                                 size_t number);
Status WriteLoadRecord(const CallContext& ctx, const Store& target, size_t number,
                       const LoadRecord& record);

}  // namespace milvus_backup::migration
