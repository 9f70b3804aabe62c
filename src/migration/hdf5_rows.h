/// Rows of an HDF5 file as MilvusDM reads them: the datasets `embeddings` and `ids` at its root.
#pragma once

#include "row_source.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"

#include <cstdint>
#include <memory>
#include <string>

namespace milvus_backup::migration {

/// `embeddings` is two-dimensional of floats of any size (rounded to 32 bits) or, of binary
/// vectors, of uint8; or one-dimensional of strings of a fixed length, whose bytes are taken as
/// they are. `ids` are integers; without them rows are numbered from `first_id` on. Chunks,
/// compression and both generations of the file format are read.
///
/// kNotFound for a file that is not there, kDataLoss for a damaged or cut-off one, kInvalidArgument
/// (Origin::kConfig) for one that does not fit `table`, kFailedPrecondition for what is not read:
/// other types, filters this machine lacks, data in other files.
Result<std::unique_ptr<RowSource>> OpenHdf5Rows(const std::string& path, const Table& table,
                                                int64_t first_id);

}  // namespace milvus_backup::migration
