/// Whether a source shows what it holds, and a target holds what was brought over. Functions
/// without state, thread-safe.
#pragma once

#include "milvus2x_rows.h"
#include "row_key.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/milvus2x.h"
#include "milvus_backup/milvus/client.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// Flush collections of a database and wait for that, so that all of their rows are counted as
/// stored.
Status FlushAndWait(const CallContext& ctx, milvus::Client& client, const std::string& db,
                    const std::vector<std::string>& names, std::chrono::milliseconds poll_interval);

/// The same where it is a precaution: one by one when a request for all is refused, for at most
/// `sight_patience` each, and without effect on servers that store everything at once. The last
/// error of those that were not flushed.
Status FlushSource(const CallContext& ctx, milvus::Client& client, const std::string& db,
                   const std::vector<std::string>& names, const Milvus2xRules& rules);

/// Wait until queries of a loaded collection read all that is stored from there, at most for
/// `sight_patience`; not at all when what they count is all that is stored. OK for servers that do
/// not know the question.
Status AwaitSightOfStored(const CallContext& ctx, const CollectionPlace& place, uint64_t counted,
                          const Milvus2xRules& rules);

/// Rows of a partition as they are stored, deleted ones too; what was not flushed is not counted.
/// Waits up to `count_patience` for segments that are being stored.
Result<uint64_t> CountRowsIn(const CallContext& ctx, const CollectionPlace& place,
                             const milvus::Partition& partition, const Milvus2xRules& rules);

/// Load a collection if it is not loaded, and wait until it is. Returns whether it had to be
/// loaded.
Result<bool> LoadAndWait(const CallContext& ctx, const CollectionPlace& place,
                         std::chrono::milliseconds poll_interval);

/// Compare the rows of a partition with these keys field by field; an empty name means the whole
/// collection. Returns how many the source still has.
/// kDataLoss naming the first key and field that differ.
Result<size_t> CompareRows(const CallContext& ctx, const CollectionReader& source,
                           const CollectionReader& target, const RowPlan& rows,
                           const std::string& partition, const std::vector<RowKey>& keys);

}  // namespace milvus_backup::migration
