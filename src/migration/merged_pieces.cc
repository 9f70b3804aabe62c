#include "merged_pieces.h"

#include "npy_rows.h"
#include "object_writer.h"
#include "row_source.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/memory_budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <span>

namespace milvus_backup::migration {
namespace {

/// Larger parts of a merged import are imported by themselves.
constexpr uint64_t kSmallestShare = 4;
/// Read from a piece at a time.
constexpr uint64_t kBatchBytes = 4 * kMiB;
/// Two parts of 8 MiB.
constexpr size_t kBufferBytes = 16 * kMiB;

/// An import that still takes pieces.
struct OpenImport {
  size_t index = 0;
  uint64_t bytes = 0;
};

}  // namespace

std::string MergedDir(const PlannedCollection& plan) {
  return fmt::format("{}{:06d}/", kLoadDir, plan.number);
}

std::vector<PlannedImport> PlanImports(const PlannedCollection& plan, uint64_t merge_bytes) {
  std::vector<PlannedImport> imports;
  std::map<std::string, OpenImport> open;
  for (size_t i = 0; i < plan.pieces.size(); ++i) {
    const PlannedPiece& piece = plan.pieces[i];
    const uint64_t bytes = VectorsBytes(plan.table, piece.rows) + IdsBytes(piece.rows);
    if (bytes > merge_bytes / kSmallestShare) {
      imports.push_back({.partition = piece.partition, .pieces = {i}});
      continue;
    }
    const auto [at, is_new] = open.try_emplace(piece.partition);
    OpenImport& last = at->second;
    if (is_new || last.bytes + bytes > merge_bytes) {
      last = {.index = imports.size()};
      imports.push_back({.partition = piece.partition});
    }
    imports[last.index].pieces.push_back(i);
    last.bytes += bytes;
  }
  size_t merged = 0;
  for (PlannedImport& import : imports) {
    import.dir = import.is_merged() ? fmt::format("{}{}/", MergedDir(plan), ++merged)
                                    : plan.pieces[import.pieces.front()].dir;
  }
  return imports;
}

Status PieceMerger::Write(const CallContext& ctx, const Store& store, const PlannedCollection& plan,
                          const PlannedImport& import) {
  const std::scoped_lock lock(mutex_);
  MemoryBudget budget(kBufferBytes);
  uint64_t all_rows = 0;
  for (const size_t i : import.pieces) all_rows += plan.pieces[i].rows;
  const std::string at = store.prefix + import.dir;
  MB_ASSIGN_OR_RETURN(ObjectWriter vectors,
                      ObjectWriter::Create(ctx, *store.backend, at + plan.style.vectors_name(),
                                           VectorsBytes(plan.table, all_rows), budget));
  MB_ASSIGN_OR_RETURN(ObjectWriter ids, ObjectWriter::Create(ctx, *store.backend, at + kIdsName,
                                                             IdsBytes(all_rows), budget));
  MB_RETURN_IF_ERROR(vectors.Append(ctx, AsBytes(VectorsHeader(plan.table, all_rows))));
  MB_RETURN_IF_ERROR(ids.Append(ctx, AsBytes(IdsHeader(all_rows))));
  const uint64_t vector_bytes = plan.table.vector_bytes();
  const uint64_t batch_rows = std::min(RowsIn(kBatchBytes, vector_bytes), all_rows);
  std::vector<int64_t> id_batch(batch_rows);
  std::vector<std::byte> vector_batch(batch_rows * vector_bytes);
  for (const size_t i : import.pieces) {
    const PlannedPiece& piece = plan.pieces[i];
    MB_ASSIGN_OR_RETURN(const auto source, OpenNpyRows(ctx, store, plan, piece));
    for (uint64_t row = 0; row < piece.rows; row += batch_rows) {
      MB_RETURN_IF_ERROR(ctx.Check());
      const uint64_t count = std::min(batch_rows, piece.rows - row);
      const std::span<int64_t> some_ids = std::span(id_batch).first(count);
      const std::span<std::byte> some = std::span(vector_batch).first(count * vector_bytes);
      MB_RETURN_IF_ERROR(source->Read(ctx, some_ids, some));
      MB_RETURN_IF_ERROR(vectors.Append(ctx, some));
      MB_RETURN_IF_ERROR(ids.Append(ctx, std::as_bytes(some_ids)));
    }
  }
  MB_RETURN_IF_ERROR(vectors.Finish(ctx));
  return ids.Finish(ctx);
}

}  // namespace milvus_backup::migration
