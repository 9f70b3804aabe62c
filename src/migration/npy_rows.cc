#include "npy_rows.h"

#include "npy.h"

#include <fmt/format.h>

#include <cstring>
#include <string>
#include <utility>

namespace milvus_backup::migration {
namespace {

/// A NumPy file, read from its beginning to its end.
struct OpenFile {
  std::string key;
  std::string etag;
  /// Of the byte that comes next.
  uint64_t offset = 0;
};

Result<OpenFile> Open(const CallContext& ctx, const Store& store, const std::string& relative) {
  OpenFile file{.key = store.prefix + relative};
  std::string begin;
  const auto read = store.backend->Read(ctx, file.key, {.offset = 0, .length = kMaxNpyHeaderBytes},
                                        [&](const storage::ReadInfo&, ByteView chunk) {
                                          begin += AsText(chunk);
                                          return Status::Ok();
                                        });
  MB_RETURN_IF_ERROR(read.status());
  const auto header = DecodeNpyHeader(AsBytes(begin));
  if (!header.ok()) return header.status().Annotate(file.key);
  file.etag = read->etag;
  file.offset = header->bytes;
  return file;
}

Status ReadNext(const CallContext& ctx, const Store& store, OpenFile& file,
                std::span<std::byte> into) {
  size_t got = 0;
  const auto read = store.backend->Read(
      ctx, file.key, {.offset = file.offset, .length = into.size(), .if_match = file.etag},
      [&](const storage::ReadInfo&, ByteView chunk) -> Status {
        if (chunk.size() > into.size() - got) return DataLossError(file.key + " has grown");
        std::memcpy(into.data() + got, chunk.data(), chunk.size());
        got += chunk.size();
        return Status::Ok();
      });
  MB_RETURN_IF_ERROR(read.status());
  if (got != into.size()) return DataLossError(file.key + " ended early");
  file.offset += got;
  return Status::Ok();
}

class NpyRows final : public RowSource {
 public:
  NpyRows(const Store& store, OpenFile ids, OpenFile vectors, uint64_t rows)
      : store_(store),
        ids_(std::move(ids)),
        vectors_(std::move(vectors)),
        rows_(rows),
        mark_(ids_.etag + vectors_.etag) {}

  uint64_t rows() const override { return rows_; }
  const std::string& mark() const override { return mark_; }
  std::string Describe(uint64_t row) const override {
    return fmt::format("row {} of {}", row, vectors_.key);
  }
  Status Read(const CallContext& ctx, std::span<int64_t> ids,
              std::span<std::byte> vectors) override {
    MB_RETURN_IF_ERROR(ReadNext(ctx, store_, ids_, std::as_writable_bytes(ids)));
    return ReadNext(ctx, store_, vectors_, vectors);
  }

 private:
  const Store& store_;
  OpenFile ids_;
  OpenFile vectors_;
  const uint64_t rows_;
  const std::string mark_;
};

}  // namespace

Result<std::unique_ptr<RowSource>> OpenNpyRows(const CallContext& ctx, const Store& store,
                                               const PlannedCollection& plan,
                                               const PlannedPiece& piece) {
  MB_ASSIGN_OR_RETURN(OpenFile ids, Open(ctx, store, piece.dir + kIdsName));
  MB_ASSIGN_OR_RETURN(OpenFile vectors, Open(ctx, store, piece.dir + plan.style.vectors_name()));
  return std::unique_ptr<RowSource>(
      std::make_unique<NpyRows>(store, std::move(ids), std::move(vectors), piece.rows));
}

}  // namespace milvus_backup::migration
