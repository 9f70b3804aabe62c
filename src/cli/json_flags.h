/// Flags whose value is a JSON text. Pure functions.
#pragma once

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/backup/selection.h"
#include "milvus_backup/base/status.h"

#include <string>

namespace milvus_backup::cli {

/// -a/--database_collections: `{"db1":["c1","c2"],"db2":[]}`, an empty list for the whole database.
/// An empty text selects everything. kInvalidArgument with an example otherwise.
Result<backup::Selection> ParseDatabaseCollections(const std::string& text);

/// --skip_params: lists of keys under `collectionProperties`, `fieldIndexParams`, `fieldTypeParams`
/// and `indexParams`. kInvalidArgument with an example otherwise.
Result<backup::SkipParams> ParseSkipParams(const std::string& text);

}  // namespace milvus_backup::cli
