/// Options whose value is a JSON text, of flags and of HTTP bodies alike. Pure functions.
#pragma once

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/backup/selection.h"
#include "milvus_backup/base/status.h"

#include <string>
#include <string_view>

namespace milvus_backup::service {

/// Lists of keys under `collectionProperties`, `fieldIndexParams`, `fieldTypeParams` and
/// `indexParams`; nothing is skipped when `text` is empty. Otherwise kInvalidArgument with an
/// example, naming `option`, which is what the user calls it.
Result<backup::SkipParams> ParseSkipParams(const std::string& text,
                                           std::string_view option = "--skip_params");

/// `{"db1":["c1","c2"],"db2":[]}`: collections by database, an empty list for the whole database;
/// everything when `text` is empty. kInvalidArgument naming `option` otherwise.
Result<backup::Selection> ParseDatabaseCollections(
    const std::string& text, std::string_view option = "-a/--database_collections");

}  // namespace milvus_backup::service
