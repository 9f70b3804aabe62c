/// Rows of a Faiss index file.
#pragma once

#include "file_window.h"
#include "row_source.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"

#include <memory>

namespace milvus_backup::migration {

/// Ids are those of the index; a flat index without any is numbered from 0 on. Rows come in the
/// order of the file, which of an IVF index is that of its lists. Errors: those of ReadFaissLayout;
/// kInvalidArgument (Origin::kConfig) when the vectors are not those of `table`.
Result<std::unique_ptr<RowSource>> OpenFaissRows(const CallContext& ctx, FileBytes file,
                                                 const Table& table);

}  // namespace milvus_backup::migration
