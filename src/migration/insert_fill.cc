#include "insert_fill.h"

#include "milvus_backup/base/clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

Status FlushRows(const CallContext& ctx, milvus::Client& client, const std::string& db,
                 const std::string& name, std::chrono::milliseconds pause) {
  MB_ASSIGN_OR_RETURN(const milvus::FlushTicket ticket, client.Flush(ctx, db, name));
  while (true) {
    MB_ASSIGN_OR_RETURN(const bool done, client.IsFlushed(ctx, db, name, ticket));
    if (done) return Status::Ok();
    if (!Clock::Real().SleepFor(pause, ctx.stop)) return CancelledError();
  }
}

}  // namespace

Result<uint64_t> InsertRows(const CallContext& ctx, milvus::Client& client, const std::string& db,
                            const PlannedCollection& plan, const PieceOpener& open,
                            const InsertRules& rules) {
  const Table& table = plan.table;
  const uint64_t vector_bytes = table.vector_bytes();
  const uint64_t batch_rows = RowsIn(rules.batch_bytes, vector_bytes);
  milvus::InsertRequest request{
      .db_name = db,
      .collection_name = plan.name,
      .columns = {
          {.field_name = "id", .data_type = milvus::data_type::kInt64, .width = sizeof(int64_t)},
          {.field_name = plan.style.vector_field,
           .data_type = IsBinary(table.metric) ? milvus::data_type::kBinaryVector
                                               : milvus::data_type::kFloatVector,
           .width = vector_bytes}}};
  std::string& vectors = request.columns[1].fixed;
  std::vector<int64_t> ids;
  uint64_t inserted = 0;
  for (const PlannedPiece& piece : plan.pieces) {
    request.partition_name = piece.partition;
    MB_ASSIGN_OR_RETURN(const auto source, open(ctx, piece));
    if (source->rows() != piece.rows) {
      return Status(Code::kAborted, fmt::format("{} rows instead of {}: {} has changed",
                                                source->rows(), piece.rows, source->Describe(0)));
    }
    for (uint64_t row = 0; row < piece.rows; row += batch_rows) {
      MB_RETURN_IF_ERROR(ctx.Check());
      const uint64_t rows = std::min(batch_rows, piece.rows - row);
      ids.resize(rows);
      vectors.resize(rows * vector_bytes);
      MB_RETURN_IF_ERROR(source->Read(ctx, ids, std::as_writable_bytes(std::span<char>(vectors))));
      request.columns[0].fixed.assign(reinterpret_cast<const char*>(ids.data()),
                                      rows * sizeof(int64_t));
      for (milvus::Column& column : request.columns) column.rows = rows;
      MB_ASSIGN_OR_RETURN(const int64_t taken, client.Insert(ctx, request));
      inserted += static_cast<uint64_t>(taken);
      if (rules.progress != nullptr) rules.progress->bytes_done += vectors.size();
    }
    if (rules.progress != nullptr) ++rules.progress->objects_done;
  }
  MB_RETURN_IF_ERROR(FlushRows(ctx, client, db, plan.name, rules.poll_interval));
  return inserted;
}

}  // namespace milvus_backup::migration
