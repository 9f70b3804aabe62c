/// Rows that go into Milvus by gRPC inserts instead of imports.
#pragma once

#include "load_plan.h"
#include "row_source.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/transfer/progress.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace milvus_backup::migration {

struct InsertRules {
  /// Of the vectors and ids of one request. Milvus 2.3 receives at most 64 MiB.
  uint64_t batch_bytes = uint64_t{8} << 20;
  std::chrono::milliseconds poll_interval{50};
  /// Counts bytes; may be null.
  transfer::Progress* progress = nullptr;
};

/// Opens the rows of a planned piece.
using PieceOpener = std::function<Result<std::unique_ptr<RowSource>>(const CallContext& ctx,
                                                                     const PlannedPiece& piece)>;

/// Insert every row of the planned pieces into `db.plan.name`, flush, and wait for that. Returns
/// how many rows Milvus has taken. Holds one batch. kAborted when a file changes meanwhile. After
/// any error it is unknown which rows are there.
Result<uint64_t> InsertRows(const CallContext& ctx, milvus::Client& client, const std::string& db,
                            const PlannedCollection& plan, const PieceOpener& open,
                            const InsertRules& rules);

}  // namespace milvus_backup::migration
