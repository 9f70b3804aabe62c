#include "row_source.h"

#include "float_check.h"

#include "milvus_backup/base/bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace milvus_backup::migration {
namespace {

/// Read at a time to be looked at while it is still in the processor's cache.
constexpr uint64_t kCheckBytes = 512 * kKiB;

}  // namespace

uint64_t RowsIn(uint64_t bytes, uint64_t vector_bytes) {
  return std::max<uint64_t>(bytes / (vector_bytes + sizeof(int64_t)), 1);
}

Status CheckFinite(const RowSource& source, uint64_t first_row, std::span<const std::byte> vectors,
                   uint64_t vector_bytes) {
  const size_t at = FindNonFinite(vectors, 0);
  if (at == vectors.size() / sizeof(float)) return Status::Ok();
  const uint64_t row = first_row + at * sizeof(float) / vector_bytes;
  return DataLossError(source.Describe(row) +
                       " holds a NaN or an infinity, which Milvus 2.x refuses")
      .WithAdvice("replace or remove such rows at their source");
}

Status CheckVectorKind(const std::string& what, bool is_binary, uint64_t dim, const Table& table) {
  const auto kind = [](bool binary) { return binary ? "binary" : "float"; };
  if (is_binary != IsBinary(table.metric)) {
    return InvalidArgumentError(fmt::format("{} holds {} vectors, but the metric is one of {} ones",
                                            what, kind(is_binary), kind(!is_binary)))
        .WithOrigin(Origin::kConfig)
        .WithAdvice("L2 and IP go with float vectors, HAMMING, JACCARD and the others with binary");
  }
  if (dim == static_cast<uint64_t>(table.dim)) return Status::Ok();
  return InvalidArgumentError(
             fmt::format("{} holds vectors of dimension {} and not {}", what, dim, table.dim))
      .WithOrigin(Origin::kConfig)
      .WithAdvice("set the dimension in the configuration to that of the file");
}

Status CheckRows(const CallContext& ctx, RowSource& source, uint64_t vector_bytes, bool is_binary) {
  const uint64_t batch = std::min(RowsIn(kCheckBytes, vector_bytes), source.rows());
  std::vector<int64_t> ids(batch);
  std::vector<std::byte> vectors(batch * vector_bytes);
  for (uint64_t row = 0; row < source.rows(); row += batch) {
    MB_RETURN_IF_ERROR(ctx.Check());
    const uint64_t count = std::min(batch, source.rows() - row);
    const std::span<std::byte> into = std::span(vectors).first(count * vector_bytes);
    MB_RETURN_IF_ERROR(source.Read(ctx, std::span(ids).first(count), into));
    if (!is_binary) MB_RETURN_IF_ERROR(CheckFinite(source, row, into, vector_bytes));
  }
  return Status::Ok();
}

}  // namespace milvus_backup::migration
