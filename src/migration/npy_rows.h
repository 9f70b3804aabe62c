/// Rows of a pair of NumPy files that a dump has written.
#pragma once

#include "load_plan.h"
#include "row_source.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/store.h"

#include <memory>

namespace milvus_backup::migration {

/// `store` must outlive the source. The files were looked at when the load was planned.
Result<std::unique_ptr<RowSource>> OpenNpyRows(const CallContext& ctx, const Store& store,
                                               const PlannedCollection& plan,
                                               const PlannedPiece& piece);

}  // namespace milvus_backup::migration
