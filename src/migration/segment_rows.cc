#include "segment_rows.h"

#include "dump_layout.h"
#include "segment_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace milvus_backup::migration {
namespace {

class SegmentRows final : public RowSource {
 public:
  SegmentRows(const Store& tables, SegmentFiles files, uint64_t vector_bytes)
      : tables_(tables),
        files_(std::move(files)),
        vector_bytes_(vector_bytes),
        mark_(files_.vectors.key + " " + SourceMark(files_)) {}

  uint64_t rows() const override { return files_.live_rows(); }
  const std::string& mark() const override { return mark_; }

  std::string Describe(uint64_t row) const override {
    if (row >= rows()) return files_.vectors.key;
    return fmt::format("row {} of {}", RowAt(0, row), files_.vectors.key);
  }

  Status Read(const CallContext& ctx, std::span<int64_t> ids,
              std::span<std::byte> vectors) override {
    MB_CHECK(vectors.size() == ids.size() * vector_bytes_);
    if (ids.empty()) return Status::Ok();
    const uint64_t end = RowAt(next_, ids.size() - 1) + 1;
    MB_RETURN_IF_ERROR(ReadFile(ctx, files_.ids, kIdBytes, end, std::as_writable_bytes(ids)));
    MB_RETURN_IF_ERROR(ReadFile(ctx, files_.vectors, vector_bytes_, end, vectors));
    next_ = end;
    return Status::Ok();
  }

 private:
  /// Position in the segment of the live row `index`, counted from `first` on; the number of rows
  /// when there are fewer.
  uint64_t RowAt(uint64_t first, uint64_t index) const {
    uint64_t row = files_.deleted.NextOut(first);
    for (uint64_t run = files_.deleted.NextIn(row) - row; index >= run;
         run = files_.deleted.NextIn(row) - row) {
      if (row >= files_.rows()) return files_.rows();
      index -= run;
      row = files_.deleted.NextOut(row + run);
    }
    return row + index;
  }

  Status ReadFile(const CallContext& ctx, const SourceFile& file, uint64_t row_bytes, uint64_t end,
                  std::span<std::byte> into) const {
    const RowStream stream{.row_bytes = row_bytes,
                           .block_bytes = std::numeric_limits<uint64_t>::max(),
                           .room = [&into] { return into; },
                           .filled =
                               [&into](uint64_t count) {
                                 into = into.subspan(count);
                                 return Status::Ok();
                               }};
    return StreamRows(ctx, tables_, file, files_.deleted, next_, end, stream);
  }

  const Store& tables_;
  const SegmentFiles files_;
  const uint64_t vector_bytes_;
  const std::string mark_;
  /// Position in the segment of the first row that was not read.
  uint64_t next_ = 0;
};

}  // namespace

Result<std::unique_ptr<RowSource>> OpenSegmentRows(const CallContext& ctx, const Store& tables,
                                                   const Table& table, const Segment& segment) {
  MB_ASSIGN_OR_RETURN(SegmentFiles files, OpenSegment(ctx, tables, table, segment));
  return std::unique_ptr<RowSource>(
      std::make_unique<SegmentRows>(tables, std::move(files), table.vector_bytes()));
}

}  // namespace milvus_backup::migration
