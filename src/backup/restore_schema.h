/// Schemas and indexes of restored collections: what to create, and whether what exists fits.
#pragma once

#include "restore_plan.h"

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/meta/backup_info.h"
#include "milvus_backup/milvus/types.h"

#include <string>
#include <vector>

namespace milvus_backup::backup {

/// Whether the tool of the time (0.5.0 to 0.5.6) stored the default value as text and lost the
/// bytes that were no UTF-8: what is left may be a valid value, but another one.
bool HasDamagedDefault(const meta::FieldSchema& field);

/// The call that creates the target of a plan; damaged default values are left out. kDataLoss when
/// the backup's schema is damaged.
Result<milvus::CreateCollectionRequest> ToCreateRequest(const CollectionPlan& plan,
                                                        const RestoreOptions& options);

/// Whether the server has what the schema needs. An older one passes over flags that it does not
/// know, and would make another collection without a word; a type it refuses, but late and without
/// the field's name. kUnimplemented naming the first field; OK where the server's version is not
/// known.
Status CheckServerKnows(const milvus::CollectionSchema& schema, const std::string& server_version);

/// Whether the server made the fields with the flags it was asked for. One whose version is not
/// known may pass over them: rows without a value would then be refused, or get one. kUnimplemented
/// naming the first field that lacks one.
Status CheckMadeAsAsked(const milvus::CollectionSchema& wanted,
                        const milvus::CollectionSchema& made, const std::string& server_version);

/// The indexes of a collection in the order in which they are created: vector fields first.
std::vector<milvus::Index> IndexesToBuild(const meta::CollectionBackup& backup,
                                          const RestoreOptions& options);

/// Whether rows of `wanted` can be imported into `existing`: the same fields in the same order with
/// the same ids, types and dimensions, and room for every value. kFailedPrecondition naming the
/// first difference.
Status CheckSchemaFits(const milvus::CollectionSchema& wanted,
                       const milvus::CollectionSchema& existing);

/// Those of `wanted` that `existing` does not have yet. kFailedPrecondition when a field has
/// another index already.
Result<std::vector<milvus::Index>> MissingIndexes(const std::vector<milvus::Index>& wanted,
                                                  const std::vector<milvus::Index>& existing);

/// A vector field without an index among `indexes`, which keeps its collection from being loaded;
/// empty when there is none.
std::string VectorFieldWithoutIndex(const milvus::CollectionSchema& schema,
                                    const std::vector<milvus::Index>& indexes);

}  // namespace milvus_backup::backup
