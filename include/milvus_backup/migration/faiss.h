/// Bringing a Faiss index file into Milvus 2.x: the same dump and load as of Milvus 1.x, of one
/// collection, below a directory called after it.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/dump.h"
#include "milvus_backup/migration/load.h"
#include "milvus_backup/migration/options.h"
#include "milvus_backup/migration/store.h"
#include "milvus_backup/milvus/client.h"

#include <cstdint>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// kInvalidArgument `no required collection exist, col=NAME` unless `collections` is empty or names
/// only that of `faiss`.
Status CheckSelected(const FaissSource& faiss, const std::vector<std::string>& collections);

/// Write `<collection>/{data,id}.npy` and a record of them. What an earlier dump of the same file
/// has finished is kept. `skip_bad_rows` is refused: rows are not looked at before they are
/// written.
///
/// Errors: kDataLoss for a damaged file or a row with a NaN or an infinity; kFailedPrecondition for
/// kinds of index that are not read, and while a load of another dump in this place is unfinished;
/// kInvalidArgument when the index has another dimension.
Result<DumpReport> DumpFaiss(const CallContext& ctx, const FaissSource& faiss, const Store& source,
                             const Store& target, const DumpRules& rules);

/// See Load; the dump is that of DumpFaiss or of the Go tool.
Result<LoadReport> LoadFaiss(const CallContext& ctx, milvus::Client& client, const std::string& db,
                             const FaissSource& faiss, const Store& target, const LoadRules& rules);

/// See PreviewLoad; `rows` are those of the index.
Result<LoadReport> PreviewLoadFaiss(const CallContext& ctx, milvus::Client& client,
                                    const std::string& db, const FaissSource& faiss, uint64_t rows,
                                    const Store& target, const LoadRules& rules);

}  // namespace milvus_backup::migration
