#include "row_dump.h"

#include "object_writer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

/// Read from the source at a time: what is looked at next is still in the processor's cache.
constexpr uint64_t kBatchBytes = 512 * kKiB;
constexpr size_t kMaxRecordBytes = kMiB;

/// Rows of each piece, as equal as they can be.
std::vector<uint64_t> CutRows(uint64_t rows, uint64_t vector_bytes, uint64_t piece_bytes) {
  std::vector<uint64_t> pieces;
  if (rows == 0) return pieces;
  const uint64_t most = RowsIn(piece_bytes, vector_bytes);
  const uint64_t count = (rows + most - 1) / most;
  for (uint64_t i = 0; i < count; ++i) pieces.push_back(rows / count + (i < rows % count ? 1 : 0));
  return pieces;
}

/// What rows are read into, but for most vectors, which go where they are sent from.
struct Batch {
  std::vector<int64_t> ids;
  /// One that lies in two parts.
  std::vector<std::byte> vector;
};

/// `first_row` is that of the piece in the source.
Status WritePiece(const CallContext& ctx, const RowDumpRun& run, const std::string& dir,
                  RowSource& source, uint64_t first_row, uint64_t rows, Batch& batch) {
  storage::Backend& backend = *run.target.backend;
  const std::string at = run.target.prefix + dir;
  MB_ASSIGN_OR_RETURN(ObjectWriter vectors,
                      ObjectWriter::Create(ctx, backend, at + run.vectors_name,
                                           VectorsBytes(run.table, rows), run.budget));
  MB_ASSIGN_OR_RETURN(ObjectWriter ids, ObjectWriter::Create(ctx, backend, at + kIdsName,
                                                             IdsBytes(rows), run.budget));
  MB_RETURN_IF_ERROR(vectors.Append(ctx, AsBytes(VectorsHeader(run.table, rows))));
  MB_RETURN_IF_ERROR(ids.Append(ctx, AsBytes(IdsHeader(rows))));
  const uint64_t vector_bytes = run.table.vector_bytes();
  for (uint64_t row = 0; row < rows;) {
    MB_RETURN_IF_ERROR(ctx.Check());
    const std::span<std::byte> tail = vectors.room();
    const uint64_t whole = tail.size() / vector_bytes;
    const bool fits = whole > 0;
    const uint64_t count =
        std::min({fits ? whole : uint64_t{1}, uint64_t{batch.ids.size()}, rows - row});
    const std::span<int64_t> some_ids = std::span(batch.ids).first(count);
    const std::span<std::byte> some =
        (fits ? tail : std::span<std::byte>(batch.vector)).first(count * vector_bytes);
    MB_RETURN_IF_ERROR(source.Read(ctx, some_ids, some));
    if (!IsBinary(run.table.metric)) {
      MB_RETURN_IF_ERROR(CheckFinite(source, first_row + row, some, vector_bytes));
    }
    MB_RETURN_IF_ERROR(fits ? vectors.Filled(ctx, some.size()) : vectors.Append(ctx, some));
    MB_RETURN_IF_ERROR(ids.Append(ctx, std::as_bytes(some_ids)));
    if (run.progress != nullptr) run.progress->bytes_done += some.size();
    row += count;
  }
  MB_RETURN_IF_ERROR(vectors.Finish(ctx));
  return ids.Finish(ctx);
}

Result<bool> Has(const CallContext& ctx, const Store& store, const std::string& relative,
                 uint64_t size) {
  const auto info = store.backend->Stat(ctx, store.prefix + relative);
  if (info.status().code() == Code::kNotFound) return false;
  MB_RETURN_IF_ERROR(info.status());
  return info->size == size;
}

}  // namespace

Result<std::optional<DumpRecord>> FindRowDump(const CallContext& ctx, const RowDumpRun& run,
                                              const std::string& dir, const std::string& mark) {
  const std::string key = run.target.prefix + RecordKey(dir);
  const auto text = storage::ReadAll(ctx, *run.target.backend, key, kMaxRecordBytes);
  if (text.status().code() == Code::kNotFound) return std::optional<DumpRecord>();
  MB_RETURN_IF_ERROR(text.status());
  auto record = DecodeDumpRecord(*text, key);
  if (!record.ok() || record->source != mark) return std::optional<DumpRecord>();
  const size_t count = record->piece_rows.size();
  for (size_t i = 0; i < count; ++i) {
    const std::string piece = PieceDir(dir, i, count);
    const uint64_t rows = record->piece_rows[i];
    MB_ASSIGN_OR_RETURN(const bool vectors, Has(ctx, run.target, piece + run.vectors_name,
                                                VectorsBytes(run.table, rows)));
    MB_ASSIGN_OR_RETURN(const bool ids, Has(ctx, run.target, piece + kIdsName, IdsBytes(rows)));
    if (!vectors || !ids) return std::optional<DumpRecord>();
  }
  return std::optional(*std::move(record));
}

Result<RowDump> DumpRows(const CallContext& ctx, const RowDumpRun& run, const std::string& dir,
                         RowSource& source) {
  MB_ASSIGN_OR_RETURN(std::optional<DumpRecord> earlier, FindRowDump(ctx, run, dir, source.mark()));
  if (earlier) return RowDump{*std::move(earlier), true};
  // A record of other rows must not survive beside what is written now.
  MB_RETURN_IF_ERROR(run.target.backend->Delete(ctx, run.target.prefix + RecordKey(dir)));
  const uint64_t vector_bytes = run.table.vector_bytes();
  DumpRecord record{.source = source.mark(),
                    .piece_rows = CutRows(source.rows(), vector_bytes, run.piece_bytes)};
  const uint64_t batch_rows =
      std::min(RowsIn(kBatchBytes, vector_bytes), std::max<uint64_t>(source.rows(), 1));
  Batch batch{.ids = std::vector<int64_t>(batch_rows),
              .vector = std::vector<std::byte>(vector_bytes)};
  uint64_t first_row = 0;
  for (size_t i = 0; i < record.piece_rows.size(); ++i) {
    const uint64_t rows = record.piece_rows[i];
    MB_RETURN_IF_ERROR(WritePiece(ctx, run, PieceDir(dir, i, record.piece_rows.size()), source,
                                  first_row, rows, batch));
    first_row += rows;
  }
  MB_RETURN_IF_ERROR(
      run.target.backend
          ->Put(ctx, run.target.prefix + RecordKey(dir), AsBytes(EncodeDumpRecord(record)), {})
          .status());
  return RowDump{std::move(record), false};
}

}  // namespace milvus_backup::migration
