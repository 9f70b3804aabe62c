/// What a collection of 1.x is in 2.x. Pure functions, thread-safe.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"
#include "milvus_backup/milvus/types.h"

#include <string>

namespace milvus_backup::migration {

/// The fields `id` and `data`, which the NumPy files are called after; consistency `Bounded`,
/// shards as the server wants.
milvus::CreateCollectionRequest TargetCollection(const std::string& db, const std::string& name,
                                                 const Table& table);

/// kFailedPrecondition naming the difference unless rows of `table` fit into `existing`.
Status CheckFits(const milvus::Collection& existing, const Table& table);

struct TargetIndex {
  milvus::Index index;
  /// What of the old index could not be kept; empty when nothing was lost.
  std::string warning;
};
/// Index and metric of 1.x under their names in 2.x.
TargetIndex IndexOf(const Table& table);

}  // namespace milvus_backup::migration
