#include "insert_fill.h"

#include "npy.h"

#include "milvus_backup/base/clock.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

/// A NumPy file of a dump, read in stretches.
struct OpenFile {
  std::string key;
  std::string etag;
  uint64_t header_bytes = 0;
};

Result<OpenFile> Open(const CallContext& ctx, const Store& source, const std::string& relative) {
  OpenFile file{.key = source.prefix + relative};
  std::string begin;
  const auto read = source.backend->Read(ctx, file.key, {.offset = 0, .length = kMaxNpyHeaderBytes},
                                         [&](const storage::ReadInfo&, ByteView chunk) {
                                           begin += AsText(chunk);
                                           return Status::Ok();
                                         });
  MB_RETURN_IF_ERROR(read.status());
  const auto header = DecodeNpyHeader(AsBytes(begin));
  if (!header.ok()) return header.status().Annotate(file.key);
  file.etag = read->etag;
  file.header_bytes = header->bytes;
  return file;
}

/// `size` bytes of the data from `offset` on.
Result<std::string> ReadData(const CallContext& ctx, const Store& source, const OpenFile& file,
                             uint64_t offset, uint64_t size) {
  std::string data;
  data.reserve(size);
  const auto read = source.backend->Read(
      ctx, file.key, {.offset = file.header_bytes + offset, .length = size, .if_match = file.etag},
      [&](const storage::ReadInfo&, ByteView chunk) {
        data += AsText(chunk);
        return Status::Ok();
      });
  MB_RETURN_IF_ERROR(read.status());
  if (data.size() != size) return DataLossError(file.key + " ended early");
  return data;
}

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
                            const Store& source, const PlannedCollection& plan,
                            const InsertRules& rules) {
  const Table& table = plan.table;
  const uint64_t vector_bytes = table.vector_bytes();
  const uint64_t batch_rows = std::max<uint64_t>(rules.batch_bytes / (vector_bytes + kIdBytes), 1);
  uint64_t inserted = 0;
  for (const PlannedPiece& piece : plan.pieces) {
    MB_ASSIGN_OR_RETURN(const OpenFile ids, Open(ctx, source, piece.dir + kIdsName));
    MB_ASSIGN_OR_RETURN(const OpenFile vectors, Open(ctx, source, piece.dir + kVectorsName));
    for (uint64_t row = 0; row < piece.rows; row += batch_rows) {
      MB_RETURN_IF_ERROR(ctx.Check());
      const uint64_t rows = std::min(batch_rows, piece.rows - row);
      MB_ASSIGN_OR_RETURN(const std::string keys,
                          ReadData(ctx, source, ids, row * kIdBytes, rows * kIdBytes));
      milvus::InsertRequest request{.db_name = db,
                                    .collection_name = plan.name,
                                    .partition_name = piece.partition,
                                    .key_field = "id",
                                    .keys = std::vector<int64_t>(rows),
                                    .vector_field = "data",
                                    .vector_type = IsBinary(table.metric)
                                                       ? milvus::data_type::kBinaryVector
                                                       : milvus::data_type::kFloatVector,
                                    .dim = table.dim};
      std::memcpy(request.keys.data(), keys.data(), keys.size());
      MB_ASSIGN_OR_RETURN(request.vectors,
                          ReadData(ctx, source, vectors, row * vector_bytes, rows * vector_bytes));
      MB_ASSIGN_OR_RETURN(const int64_t taken, client.Insert(ctx, request));
      inserted += static_cast<uint64_t>(taken);
    }
  }
  MB_RETURN_IF_ERROR(FlushRows(ctx, client, db, plan.name, rules.poll_interval));
  return inserted;
}

}  // namespace milvus_backup::migration
