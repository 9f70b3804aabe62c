/// Live rows of a segment of Milvus 0.9–1.x.
#pragma once

#include "row_source.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"
#include "milvus_backup/migration/store.h"

#include <memory>

namespace milvus_backup::migration {

/// `tables` must outlive the source. Errors: those of OpenSegment.
Result<std::unique_ptr<RowSource>> OpenSegmentRows(const CallContext& ctx, const Store& tables,
                                                   const Table& table, const Segment& segment);

}  // namespace milvus_backup::migration
