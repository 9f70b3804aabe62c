/// Flags whose value is a JSON text. Pure functions.
#pragma once

#include "milvus_backup/backup/restore.h"
#include "milvus_backup/base/status.h"

#include <string>

namespace milvus_backup::cli {

/// --skip_params: lists of keys under `collectionProperties`, `fieldIndexParams`, `fieldTypeParams`
/// and `indexParams`. kInvalidArgument with an example otherwise.
Result<backup::SkipParams> ParseSkipParams(const std::string& text);

}  // namespace milvus_backup::cli
