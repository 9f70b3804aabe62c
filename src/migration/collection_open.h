/// Finding or creating the collection that a load fills, and what a load before has done about it.
#pragma once

#include "load_plan.h"
#include "load_record.h"
#include "load_run.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <optional>
#include <string>

namespace milvus_backup::migration {

/// The record of the collection, written down; its state is kFilling, or kDone when an earlier run
/// has filled it. Partitions that are planned exist. None when the target is there and to be
/// skipped. Drops what is to be overwritten, and what an earlier run has inserted in part.
///
/// kFailedPrecondition when a collection of the name does not fit, or it cannot be told what an
/// earlier run has left in it.
Result<std::optional<LoadRecord>> OpenCollection(const CallContext& ctx, const LoadRun& run,
                                                 const PlannedCollection& plan);

/// Whether OpenCollection would skip it or has nothing to fill any more. Changes nothing.
Result<bool> NeedsNoRows(const CallContext& ctx, const LoadRun& run, const PlannedCollection& plan);

/// A partition of the collection that is neither the default one nor planned: somebody else's, with
/// rows or without. Empty when there is none.
Result<std::string> OtherPartition(const CallContext& ctx, const LoadRun& run,
                                   const PlannedCollection& plan);

}  // namespace milvus_backup::migration
