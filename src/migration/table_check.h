/// What every table of a 1.x meta must be, whether it came from a database or from a meta.json.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"

namespace milvus_backup::migration {

/// kDataLoss naming table and fault: a name that is no single path element, an unknown metric, a
/// dimension that no server has, a partition without a tag.
Status CheckTable(const Table& table);

/// kDataLoss when a table, a segment of a table, or a tag of a collection is there twice, or the
/// partitions of a collection differ in metric or dimension.
Status CheckUnique(const Meta& meta);

}  // namespace milvus_backup::migration
