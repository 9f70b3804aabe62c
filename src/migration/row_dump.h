/// Rows of any source as the NumPy files that bulk insert wants.
#pragma once

#include "dump_layout.h"
#include "row_source.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/memory_budget.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"
#include "milvus_backup/migration/store.h"
#include "milvus_backup/transfer/progress.h"

#include <cstdint>
#include <optional>
#include <string>

namespace milvus_backup::migration {

struct RowDumpRun {
  const Store& target;
  /// For metric and dimension.
  const Table& table;
  /// Base name of the file of the vectors.
  std::string vectors_name = kVectorsName;
  /// Larger sources are cut into pieces.
  uint64_t piece_bytes = 2 * kGiB;
  MemoryBudget& budget;
  /// May be null.
  transfer::Progress* progress = nullptr;
};

struct RowDump {
  DumpRecord record;
  /// An earlier dump of the same rows had finished it.
  bool kept = false;
};

/// Write `<dir>{id,<vectors>}.npy` (of several pieces `<dir>1/…`, `<dir>2/…`) and then `dump.json`,
/// unless they are there for the same source. Holds two parts of 8 MiB. kDataLoss for a
/// NaN or an infinity, after which nothing of it can be loaded.
Result<RowDump> DumpRows(const CallContext& ctx, const RowDumpRun& run, const std::string& dir,
                         RowSource& source);

/// The record of a finished dump of the source with this mark; none when there is no such dump.
Result<std::optional<DumpRecord>> FindRowDump(const CallContext& ctx, const RowDumpRun& run,
                                              const std::string& dir, const std::string& mark);

}  // namespace milvus_backup::migration
