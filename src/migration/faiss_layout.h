/// Where the vectors of a Faiss index file are. The format is that of faiss/impl/index_write.cpp,
/// version 1.15.
#pragma once

#include "file_window.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace milvus_backup::migration {

/// Vectors stand together, or list by list: the vectors of a list and then its ids.
struct FaissLayout {
  bool is_binary = false;
  /// Of binary vectors in bits.
  uint64_t dim = 0;
  uint64_t rows = 0;
  /// Of the first vector, or the first list.
  uint64_t vectors_offset = 0;
  /// Of the ids of vectors that stand together; without, they are numbered.
  std::optional<uint64_t> ids_offset;
  /// Rows of each list that is not empty, in the order of the file.
  std::vector<uint64_t> lists;

  uint64_t vector_bytes() const { return is_binary ? dim / 8 : dim * 4; }
};

/// Read everything in the file but the vectors and ids, and hold it against the size of the file.
/// Flat, IVF-flat, and IDMap or IDMap2 of flat, of floats or binary. kDataLoss for a file that is
/// damaged, cut off or no Faiss index; kFailedPrecondition naming the kind for others.
Result<FaissLayout> ReadFaissLayout(const CallContext& ctx, const FileBytes& file);

}  // namespace milvus_backup::migration
