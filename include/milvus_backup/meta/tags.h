/// Words that people give a backup, in `meta/tags.json`. They are no part of the backup's content:
/// manifest, checks and archives pass over them, and a copy takes them along only to where there
/// are none. Functions without state, thread-safe; two writers are the caller's to prevent.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"

#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::meta {

inline constexpr size_t kMaxTagLength = 64;
inline constexpr size_t kMaxTags = 100;

/// A letter, digit or `_` first, then also `-`, `.`, `:`, `=`, `@`, `+` and `/`; at most
/// kMaxTagLength. kInvalidArgument otherwise.
Status ValidateTag(std::string_view tag);

/// `<backup_dir>meta/tags.json`.
std::string TagsKey(std::string_view backup_dir);

/// The tags of a `tags.json`, sorted, each once. kDataLoss naming `what` when the text holds none.
Result<std::vector<std::string>> DecodeTags(std::string_view text, std::string_view what);

/// As DecodeTags; empty when there are none. kDataLoss when the object is damaged.
Result<std::vector<std::string>> ReadTags(const CallContext& ctx, storage::Backend& backend,
                                          const std::string& backup_dir);
/// Replace them all; without any the object is removed.
Status WriteTags(const CallContext& ctx, storage::Backend& backend, const std::string& backup_dir,
                 const std::vector<std::string>& tags);

}  // namespace milvus_backup::meta
