/// That a run of milvusdm has filled all of its partitions: written down before their records go,
/// so that a run after it can tell those that are forgotten from those that were never filled.
/// Functions without state.
#pragma once

#include "dm_fill.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <optional>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// Forget what earlier runs have written down that had filled everything and ended before they had
/// forgotten it. When one of them was that of these surveyed `units`, there is nothing left to do,
/// and what becomes of each is returned.
///
/// kFailedPrecondition when a collection that it has filled is gone or was replaced. A record that
/// cannot be removed is a line of `warnings` then.
Result<std::optional<std::vector<DmFilled>>> FinishEarlierRun(const CallContext& ctx,
                                                              const DmRun& run,
                                                              const std::vector<DmUnit>& units,
                                                              std::vector<std::string>& warnings);

/// That `status` keeps records of filled units from going, for people.
std::string LeftWarning(const Status& status);

/// Forget what was written down about `units`, all of which are filled.
Status ForgetUnits(const CallContext& ctx, const DmRun& run, const std::vector<DmUnit>& units);

}  // namespace milvus_backup::migration
