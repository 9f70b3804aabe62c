#include "faiss_rows.h"

#include "faiss_layout.h"
#include "file_window.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace milvus_backup::migration {
namespace {

constexpr uint64_t kWindowBytes = 8 * kMiB;
/// Of ids that are far from their vectors.
constexpr uint64_t kIdWindowBytes = 256 * kKiB;

class FaissRows final : public RowSource {
 public:
  FaissRows(FileBytes file, FaissLayout layout)
      : file_(std::move(file)),
        layout_(std::move(layout)),
        vector_window_(file_, file_.is_remote ? kWindowBytes : 0),
        id_window_(file_, file_.is_remote ? kIdWindowBytes : 0),
        list_offset_(layout_.vectors_offset) {}

  uint64_t rows() const override { return layout_.rows; }
  const std::string& mark() const override { return file_.mark; }
  std::string Describe(uint64_t row) const override {
    return fmt::format("vector {} of {}", row, file_.name);
  }

  Status Read(const CallContext& ctx, std::span<int64_t> ids,
              std::span<std::byte> vectors) override {
    const uint64_t bytes = layout_.vector_bytes();
    MB_CHECK(ids.size() <= layout_.rows - next_ && vectors.size() == ids.size() * bytes);
    if (layout_.lists.empty()) return ReadTogether(ctx, ids, vectors);
    while (!ids.empty()) {
      const uint64_t size = layout_.lists[list_];
      const uint64_t count = std::min<uint64_t>(ids.size(), size - row_in_list_);
      MB_RETURN_IF_ERROR(ReadFromList(ctx, size, ids.first(count), vectors.first(count * bytes)));
      ids = ids.subspan(count);
      vectors = vectors.subspan(count * bytes);
      next_ += count;
      row_in_list_ += count;
      if (row_in_list_ < size) continue;
      list_offset_ += size * (bytes + sizeof(int64_t));
      row_in_list_ = 0;
      ++list_;
    }
    return Status::Ok();
  }

 private:
  Status ReadTogether(const CallContext& ctx, std::span<int64_t> ids,
                      std::span<std::byte> vectors) {
    const uint64_t at = layout_.vectors_offset + next_ * layout_.vector_bytes();
    MB_RETURN_IF_ERROR(vector_window_.ReadAt(ctx, at, vectors));
    if (layout_.ids_offset) {
      MB_RETURN_IF_ERROR(id_window_.ReadAt(ctx, *layout_.ids_offset + next_ * sizeof(int64_t),
                                           std::as_writable_bytes(ids)));
    } else {
      std::iota(ids.begin(), ids.end(), static_cast<int64_t>(next_));
    }
    next_ += ids.size();
    return Status::Ok();
  }

  Status ReadFromList(const CallContext& ctx, uint64_t size, std::span<int64_t> ids,
                      std::span<std::byte> vectors) {
    const uint64_t bytes = layout_.vector_bytes();
    // A list that fits is read as a whole, so that its ids cost no request.
    const bool fits = size <= kWindowBytes / (bytes + sizeof(int64_t));
    MB_RETURN_IF_ERROR(vector_window_.ReadAt(ctx, list_offset_ + row_in_list_ * bytes, vectors));
    return (fits ? vector_window_ : id_window_)
        .ReadAt(ctx, list_offset_ + size * bytes + row_in_list_ * sizeof(int64_t),
                std::as_writable_bytes(ids));
  }

  const FileBytes file_;
  const FaissLayout layout_;
  FileWindow vector_window_;
  FileWindow id_window_;
  /// Of the row that comes next; the list it is in, where that begins, and its place there.
  uint64_t next_ = 0;
  size_t list_ = 0;
  uint64_t list_offset_;
  uint64_t row_in_list_ = 0;
};

}  // namespace

Result<std::unique_ptr<RowSource>> OpenFaissRows(const CallContext& ctx, FileBytes file,
                                                 const Table& table) {
  MB_ASSIGN_OR_RETURN(FaissLayout layout, ReadFaissLayout(ctx, file));
  MB_RETURN_IF_ERROR(CheckVectorKind(file.name, layout.is_binary, layout.dim, table));
  return std::unique_ptr<RowSource>(
      std::make_unique<FaissRows>(std::move(file), std::move(layout)));
}

}  // namespace milvus_backup::migration
