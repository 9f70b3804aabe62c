/// What a restore writes down about each of its collections, so that the same command can go on
/// after it was killed: `restore-temp-<run>/run/<number>.json` at the root of Milvus' storage. One
/// JSON object, documented in docs/format.md. Functions without state, thread-safe.
#pragma once

#include "milvus_backup/base/status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::meta {

enum class RestoreState {
  kCreating,  ///< the collection may have been created, perhaps under an id that is not known
  kFilling,   ///< `collection_id` is known; the imports recorded may have been sent
  kSwapping,  ///< the collection is whole and is taking over the name of another
  kDone,      ///< the collection is whole and has its name
};

/// What the restore found under the target's name.
enum class RestoreMode {
  kCreate,   ///< nothing
  kReplace,  ///< a collection that is to be replaced
  kReuse,    ///< a collection that rows are added to
};

/// An import that was handed to Milvus, or was about to be.
struct RecordedImport {
  std::string partition;
  /// As in the request.
  std::vector<std::string> files;
  /// Id that Milvus gave to the task; 0 until its answer was written down.
  int64_t task_id = 0;
  /// When it was written down that it was about to be sent, in milliseconds since 1970 by the clock
  /// of the storage; 0 in records of versions that did not tell.
  int64_t announced_ms = 0;
  friend bool operator==(const RecordedImport&, const RecordedImport&) = default;
};

/// How far a restore has come with one collection.
struct RestoreProgress {
  /// `db.collection`.
  std::string target;
  /// What is restored into it, and with which options: only a run that wants the same may go on.
  std::string request;
  RestoreState state = RestoreState::kCreating;
  RestoreMode mode = RestoreMode::kCreate;
  /// Id of the collection in the backup, which staged files are below.
  int64_t source_id = 0;
  /// Name of the collection that is being filled; the target's own unless it replaces another.
  std::string filled_as;
  /// Name that the replaced collection has until it is dropped; empty without.
  std::string retired_as;
  /// Milvus' own time before the collection was created, hybrid; 0 where Milvus did not tell.
  uint64_t created_after = 0;
  /// Id of the collection that is being filled; 0 until that is known.
  int64_t collection_id = 0;
  /// Id of the collection to be replaced; 0 without.
  int64_t replaced_id = 0;
  /// The newest import task that a reused collection had before.
  int64_t after_task = 0;
  /// Rows that a reused collection had before; none in records of versions that did not tell.
  std::optional<int64_t> rows_before;
  /// Rows that the whole collection was seen to have; those added to a reused one.
  int64_t rows = 0;
  /// Keys below the staging directory that may have an unfinished multipart upload.
  std::vector<std::string> uploads;
  /// In the order in which they are sent, written down before.
  std::vector<RecordedImport> imports;
  friend bool operator==(const RestoreProgress&, const RestoreProgress&) = default;
};

std::string EncodeRestoreProgress(const RestoreProgress& progress);
/// kDataLoss naming `what` when the text is not such a record. Unknown keys are ignored.
Result<RestoreProgress> DecodeRestoreProgress(std::string_view text, std::string_view what);

}  // namespace milvus_backup::meta
