/// Which databases and collections of a server a selection means.
#pragma once

#include "milvus_backup/backup/selection.h"
#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/milvus/client.h"

#include <vector>

namespace milvus_backup::backup {

struct Inventory {
  /// By name.
  std::vector<meta::DatabaseBackup> databases;
  /// By name.
  std::vector<CollectionName> collections;
};

/// Ask the server what is there. kNotFound (Origin::kMilvus) when a database or a collection that
/// `selection` names is not.
Result<Inventory> FindSelected(const CallContext& ctx, milvus::Client& client,
                               const Selection& selection);

}  // namespace milvus_backup::backup
