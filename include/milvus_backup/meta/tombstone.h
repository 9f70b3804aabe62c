/// What stands in the place of a header while a pruned backup waits for the removal of its data:
/// `meta/tombstone.json`, documented in docs/format.md. A header beside it wins: then the tombstone
/// says nothing. Functions without state, thread-safe.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace milvus_backup::meta {

struct Tombstone {
  /// Bytes of the header that it took the place of; empty where an unfinished backup was pruned,
  /// and once the data is being removed.
  std::string header{};
  /// Some of the data may be gone.
  bool is_removing = false;
  /// When that was, and from when on the data may go.
  std::chrono::sys_seconds pruned{};
  std::chrono::sys_seconds remove_after{};
  /// Why, and who did it, for people.
  std::string reason{};
  std::string host{};
  friend bool operator==(const Tombstone&, const Tombstone&) = default;

  /// `pruned at 2026-01-02T03:04:05Z; its data may go after 2026-01-02T15:04:05Z`.
  std::string ToString() const;
};

/// `<backup_dir>meta/tombstone.json`.
std::string TombstoneKey(std::string_view backup_dir);

std::string EncodeTombstone(const Tombstone& tombstone);
/// kDataLoss naming `what` when the text is no tombstone. Unknown keys are ignored.
Result<Tombstone> DecodeTombstone(std::string_view text, std::string_view what);

Status WriteTombstone(const CallContext& ctx, storage::Backend& backend,
                      const std::string& backup_dir, const Tombstone& tombstone);
/// None when there is none.
Result<std::optional<Tombstone>> ReadTombstone(const CallContext& ctx, storage::Backend& backend,
                                               const std::string& backup_dir);

/// kNotFound saying that the backup is not there because it was pruned, and how to get it back.
Status WasPruned(const std::string& backup_dir, const Tombstone& tombstone);

}  // namespace milvus_backup::meta
