/// Dumping one segment.
#pragma once

#include "dump_layout.h"
#include "segment_files.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/memory_budget.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/dump.h"

namespace milvus_backup::migration {

/// What the dumps of all segments of a run share. Thread-safe.
struct DumpRun {
  const Store& source;
  const Store& target;
  const DumpRules& rules;
  MemoryBudget& budget;
  /// A load has begun with what lies at the target: nothing of it may change.
  bool is_loading = false;
};

struct DumpedSegment {
  DumpRecord record;
  /// An earlier dump had finished it.
  bool kept = false;
};

/// See Dump.
Result<DumpedSegment> DumpSegment(const CallContext& ctx, const DumpRun& run, const Table& table,
                                  const Segment& segment);

}  // namespace milvus_backup::migration
