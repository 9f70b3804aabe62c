/// Rows of a Faiss index file.
#pragma once

#include "row_source.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"
#include "milvus_backup/migration/store.h"

#include <memory>
#include <string>

namespace milvus_backup::migration {

/// Ids are those of the index; a flat index without any is numbered from 0 on. Rows come in the
/// order of the file, which of an IVF index is that of its lists. `store` must outlive the source;
/// its prefix does not count; `name` is the file in messages. Errors: those of ReadFaissLayout;
/// kNotFound; kInvalidArgument (Origin::kConfig) when the vectors are not those of `table`.
Result<std::unique_ptr<RowSource>> OpenFaissRows(const CallContext& ctx, const Store& store,
                                                 const std::string& key, const std::string& name,
                                                 const Table& table);

}  // namespace milvus_backup::migration
