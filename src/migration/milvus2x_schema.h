/// What of a collection is brought over, and what its target is. Pure functions, thread-safe.
#pragma once

#include "row_key.h"

#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/milvus2x_options.h"
#include "milvus_backup/milvus/types.h"

#include <cstdint>
#include <string>
#include <vector>

namespace milvus_backup::migration {

struct RowPlan {
  /// Fields to read, in order; the dynamic field, `$meta`, is the last one if it goes along. The
  /// primary key is always read.
  std::vector<milvus::FieldSchema> fields;
  KeyField key{"", false};
  /// Rows keep their keys; otherwise the target makes new ones.
  bool keeps_keys = true;
  /// The source's partitions by name. Of a collection with a partition key there are none: the
  /// server chooses them.
  std::vector<std::string> partitions;
  bool has_partition_key = false;
};

struct TargetPlan {
  RowPlan rows;
  milvus::CreateCollectionRequest create;
  /// What of the source cannot be kept.
  std::vector<std::string> warnings;
};

/// Bytes of the values of a row whose width the schema tells: all but texts, JSON, arrays and
/// sparse vectors, and fields that may be null.
uint64_t LeastRowBytes(const RowPlan& rows);

/// All of the request but the database. kInvalidArgument (Origin::kConfig) when `meta.fields` names
/// fields that are not there, no vector field or not the primary key; kUnimplemented for a field of
/// a type that cannot be read by queries; kFailedPrecondition when the target's version does not
/// know what the source uses.
Result<TargetPlan> PlanTarget(const milvus::Collection& source,
                              const std::vector<milvus::Partition>& partitions,
                              const Milvus2xOptions& options, const std::string& name,
                              const std::string& target_version);

/// kFailedPrecondition naming the difference unless the rows fit into `existing`.
Status CheckRowsFit(const milvus::Collection& existing, const RowPlan& rows);

/// The indexes of the source that are on these fields of the target, those of vectors first.
std::vector<milvus::Index> IndexesToCopy(const std::vector<milvus::Index>& source,
                                         const std::vector<milvus::FieldSchema>& fields);

/// A vector field without an index, which keeps its collection from being loaded; empty when there
/// is none.
std::string VectorWithoutIndex(const milvus::CollectionSchema& schema,
                               const std::vector<milvus::Index>& indexes);

}  // namespace milvus_backup::migration
