/// Rows on their way into Milvus 2.x, whatever file they come from.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace milvus_backup::migration {

/// Ids and vectors of one file or segment, in order. What the vectors are is known to whoever
/// opened it. Used by one thread; holds memory that does not depend on the number of rows.
class RowSource {
 public:
  RowSource() = default;
  RowSource(const RowSource&) = delete;
  RowSource& operator=(const RowSource&) = delete;
  virtual ~RowSource() = default;

  /// All rows, those read already included.
  virtual uint64_t rows() const = 0;
  /// Differs when the file does: sizes, times, ETags.
  virtual const std::string& mark() const = 0;
  /// Where to find row `row` in what people know, for messages.
  virtual std::string Describe(uint64_t row) const = 0;
  /// The next `ids.size()` rows, at most as many as are left; `vectors` has room for exactly those,
  /// as floats of this machine or bits. kDataLoss for damage, kAborted when the file has changed.
  virtual Status Read(const CallContext& ctx, std::span<int64_t> ids,
                      std::span<std::byte> vectors) = 0;
};

/// Opens a source at its first row.
using RowOpener = std::function<Result<std::unique_ptr<RowSource>>(const CallContext& ctx)>;

/// How many rows make about `bytes`; at least one.
uint64_t RowsIn(uint64_t bytes, uint64_t vector_bytes);

/// Read everything that is left, so that damage shows before anything is written: kDataLoss also
/// for a NaN or an infinity among vectors of floats, which Milvus 2.x refuses.
Status CheckRows(const CallContext& ctx, RowSource& source, uint64_t vector_bytes, bool is_binary);

/// kInvalidArgument (Origin::kConfig) unless vectors of this kind are what `table` says; `what` is
/// the file.
Status CheckVectorKind(const std::string& what, bool is_binary, uint64_t dim, const Table& table);

/// kDataLoss naming the first row with a NaN or an infinity. `first_row` is that of `vectors`.
Status CheckFinite(const RowSource& source, uint64_t first_row, std::span<const std::byte> vectors,
                   uint64_t vector_bytes);

}  // namespace milvus_backup::migration
