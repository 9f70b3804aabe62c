/// Words that people give a backup, such as for `prune --keep-tag`.
#pragma once

#include "milvus_backup/backup/site.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <string>
#include <vector>

namespace milvus_backup::backup {

struct TagChange {
  std::vector<std::string> add{};
  std::vector<std::string> remove{};

  bool empty() const { return add.empty() && remove.empty(); }
};

/// Add and remove tags of a backup, which may be partial, and return those it has then, sorted.
/// Without a change they are read alone. A tag that is there already may be added, one that is not
/// may be removed. Kept apart by a lock from runs that change the backup, not from those that read
/// it. kNotFound when there is no such backup, kInvalidArgument for what cannot be a tag, a tag in
/// both lists, or too many; kAlreadyExists when another run changes the backup.
Result<std::vector<std::string>> TagBackup(const CallContext& ctx, const Place& place,
                                           const std::string& name, const TagChange& change);

}  // namespace milvus_backup::backup
