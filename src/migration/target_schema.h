/// What a collection of 1.x is in 2.x. Pure functions, thread-safe.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"
#include "milvus_backup/milvus/types.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace milvus_backup::migration {

/// What the collections of one of the old tools look like. NumPy files are called after the fields.
struct CollectionStyle {
  std::string vector_field = "data";
  std::string description = "Migration from Milvus1.x";
  /// 0 leaves the number to the server.
  int32_t shards = 0;

  std::string vectors_name() const { return vector_field + ".npy"; }
};

/// The fields `id` and that of the vectors; consistency `Bounded`.
milvus::CreateCollectionRequest TargetCollection(const std::string& db, const std::string& name,
                                                 const Table& table, const CollectionStyle& style);

/// kFailedPrecondition naming the difference unless rows of `table` fit into `existing`.
Status CheckFits(const milvus::Collection& existing, const Table& table,
                 const CollectionStyle& style);

/// What 1.x calls a metric.
std::string_view OldMetricName(Metric metric);

struct TargetIndex {
  milvus::Index index;
  /// What of the old index could not be kept; empty when nothing was lost.
  std::string warning;
};
/// Index and metric of 1.x under their names in 2.x.
TargetIndex IndexOf(const Table& table, const std::string& vector_field);

}  // namespace milvus_backup::migration
