#include "faiss_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

namespace milvus_backup::migration {
namespace {

static_assert(std::endian::native == std::endian::little, "the files are little-endian");

/// Read at once while the structure is followed.
constexpr uint64_t kWindowBytes = 64 * kKiB;
/// Far more than any index has: their sizes are held.
constexpr uint64_t kMaxLists = uint64_t{1} << 22;
constexpr int32_t kMaxDim = 1 << 24;
constexpr uint64_t kIdBytes = 8;

/// Four characters as a number of the file.
constexpr uint32_t FourCc(std::string_view text) {
  uint32_t code = 0;
  for (size_t i = 0; i < 4; ++i) {
    code |= static_cast<uint32_t>(static_cast<unsigned char>(text[i])) << (8 * i);
  }
  return code;
}

/// With `?` for what cannot be printed.
std::string TextOf(uint32_t code) {
  const auto bytes = std::bit_cast<std::array<char, 4>>(code);
  std::string text(bytes.begin(), bytes.end());
  std::ranges::replace_if(
      text, [](unsigned char c) { return std::isprint(c) == 0; }, '?');
  return text;
}

/// Kinds that people have, and what to do about them.
struct OtherKind {
  std::string_view code;
  std::string_view name;
  std::string_view advice;
};
constexpr char kRebuild[] =
    "it holds codes and not the vectors: build a flat or IVF-flat index of the original vectors";
constexpr char kStorage[] =
    "write its storage, a flat index, with faiss.write_index(index.storage)";
constexpr char kInner[] = "build a flat or IVF-flat index of the original vectors";
constexpr OtherKind kOtherKinds[] = {
    {"IwPQ", "IVF with product quantizer", kRebuild},
    {"IvPQ", "IVF with product quantizer", kRebuild},
    {"IwQR", "IVF with refined product quantizer", kRebuild},
    {"IwPf", "IVF with product quantizer, fast scan", kRebuild},
    {"IwSq", "IVF with scalar quantizer", kRebuild},
    {"IwSQ", "IVF with scalar quantizer", kRebuild},
    {"IxSQ", "scalar quantizer", kRebuild},
    {"IxPq", "product quantizer", kRebuild},
    {"IPfs", "product quantizer, fast scan", kRebuild},
    {"IxHe", "LSH", kRebuild},
    {"IHNf", "HNSW", kStorage},
    {"IHNp", "HNSW with product quantizer", kRebuild},
    {"IHNs", "HNSW with scalar quantizer", kRebuild},
    {"INSf", "NSG", kStorage},
    {"IBHf", "binary HNSW", kStorage},
    {"IBHh", "binary hash", kInner},
    {"IBHm", "binary multi-hash", kInner},
    {"IBFf", "binary vectors in an index of floats", kInner},
    {"IxPT", "a transform in front of another index", kInner},
    {"IxRF", "refinement of another index", kInner},
    {"IwFd", "IVF-flat without duplicates", kInner},
    {"IvFl", "IVF-flat of an old version", "read and write it with a newer Faiss"},
    {"IvFL", "IVF-flat of an old version", "read and write it with a newer Faiss"}};

class LayoutReader {
 public:
  LayoutReader(const CallContext& ctx, const FileBytes& file)
      : ctx_(ctx), file_(file), window_(file, kWindowBytes) {}

  Result<FaissLayout> Run() {
    MB_ASSIGN_OR_RETURN(const auto code, Number<uint32_t>());
    FaissLayout layout;
    if (IsFlat(code)) {
      MB_ASSIGN_OR_RETURN(layout, Flat(code));
    } else if (code == FourCc("IwFl") || code == FourCc("IBwF")) {
      MB_ASSIGN_OR_RETURN(layout, Ivf(code == FourCc("IBwF")));
    } else if (code == FourCc("IxMp") || code == FourCc("IxM2") || code == FourCc("IBMp") ||
               code == FourCc("IBM2")) {
      MB_ASSIGN_OR_RETURN(layout, Map(code == FourCc("IBMp") || code == FourCc("IBM2")));
    } else {
      return Refuse(code);
    }
    if (position_ == file_.size) return layout;
    return Damaged(fmt::format("{} bytes follow the index", file_.size - position_));
  }

 private:
  static bool IsFlat(uint32_t code) {
    return code == FourCc("IxF2") || code == FourCc("IxFI") || code == FourCc("IxFl") ||
           code == FourCc("IBxF");
  }

  uint64_t left() const { return file_.size - position_; }

  Status Damaged(const std::string& what) const {
    return DataLossError(fmt::format("{} is damaged or cut off: {}", file_.name, what));
  }

  Status Refuse(uint32_t number) const {
    const std::string code = TextOf(number);
    const auto is_plain = [](unsigned char c) { return std::isalnum(c) != 0; };
    if (!std::ranges::all_of(code, is_plain)) {
      return DataLossError(file_.name + " is no Faiss index");
    }
    for (const OtherKind& kind : kOtherKinds) {
      if (kind.code != code) continue;
      return FailedPreconditionError(fmt::format("{} is a Faiss index of kind {} ({}), which is "
                                                 "not read",
                                                 file_.name, code, kind.name))
          .WithAdvice(std::string(kind.advice));
    }
    return FailedPreconditionError(
               fmt::format("{} is no Faiss index, or one of a kind that is not read: {}",
                           file_.name, code))
        .WithAdvice(kInner);
  }

  template <typename T>
  Result<T> Number() {
    std::array<std::byte, sizeof(T)> bytes{};
    if (left() < bytes.size()) return Damaged("it ends in the middle of its header");
    MB_RETURN_IF_ERROR(window_.ReadAt(ctx_, position_, bytes));
    position_ += bytes.size();
    return std::bit_cast<T>(bytes);
  }

  /// Pass over `count` things of `size` bytes.
  Status Skip(uint64_t count, uint64_t size, std::string_view what) {
    if (count > left() / size) {
      return Damaged(fmt::format("{} {} of {} bytes do not fit into its {} bytes", count, what,
                                 size, file_.size));
    }
    position_ += count * size;
    return Status::Ok();
  }

  /// What every index begins with.
  Result<FaissLayout> Header(bool is_binary) {
    FaissLayout layout{.is_binary = is_binary};
    MB_ASSIGN_OR_RETURN(const auto dim, Number<int32_t>());
    if (dim < 1 || dim > kMaxDim || (is_binary && dim % 8 != 0)) {
      return Damaged(fmt::format("dimension {}", dim));
    }
    layout.dim = static_cast<uint64_t>(dim);
    if (is_binary) {
      MB_ASSIGN_OR_RETURN(const auto code_size, Number<int32_t>());
      if (static_cast<uint64_t>(code_size) != layout.vector_bytes()) {
        return Damaged(fmt::format("{} bytes for vectors of {} bits", code_size, dim));
      }
    }
    MB_ASSIGN_OR_RETURN(const auto rows, Number<int64_t>());
    if (rows < 0) return Damaged(fmt::format("{} vectors", rows));
    layout.rows = static_cast<uint64_t>(rows);
    if (!is_binary) MB_RETURN_IF_ERROR(Skip(2, sizeof(int64_t), "unused numbers"));
    MB_RETURN_IF_ERROR(Number<uint8_t>().status());
    MB_ASSIGN_OR_RETURN(const auto metric, Number<int32_t>());
    // The metric has an argument unless it is inner product or L2.
    if (!is_binary && metric > 1) MB_RETURN_IF_ERROR(Skip(1, sizeof(float), "arguments"));
    return layout;
  }

  Result<FaissLayout> Flat(uint32_t code) {
    MB_ASSIGN_OR_RETURN(FaissLayout layout, Header(code == FourCc("IBxF")));
    MB_ASSIGN_OR_RETURN(const auto count, Number<uint64_t>());
    const uint64_t per_row = layout.is_binary ? layout.vector_bytes() : layout.dim;
    if (layout.rows > std::numeric_limits<uint64_t>::max() / per_row ||
        count != layout.rows * per_row) {
      return Damaged(
          fmt::format("{} values for {} vectors of dimension {}", count, layout.rows, layout.dim));
    }
    layout.vectors_offset = position_;
    MB_RETURN_IF_ERROR(Skip(layout.rows, layout.vector_bytes(), "vectors"));
    return layout;
  }

  Result<FaissLayout> Map(bool is_binary) {
    MB_RETURN_IF_ERROR(Header(is_binary).status());
    MB_ASSIGN_OR_RETURN(const auto code, Number<uint32_t>());
    if (!IsFlat(code)) {
      if (code != FourCc("IwFl") && code != FourCc("IBwF")) return Refuse(code);
      return FailedPreconditionError(file_.name + " is an IDMap of an IVF index, which is not read")
          .WithAdvice("build the IVF index with add_with_ids instead: it holds ids itself");
    }
    MB_ASSIGN_OR_RETURN(FaissLayout layout, Flat(code));
    MB_ASSIGN_OR_RETURN(const auto count, Number<uint64_t>());
    if (count != layout.rows) {
      return Damaged(fmt::format("{} ids for {} vectors", count, layout.rows));
    }
    layout.ids_offset = position_;
    MB_RETURN_IF_ERROR(Skip(count, kIdBytes, "ids"));
    return layout;
  }

  Result<FaissLayout> Ivf(bool is_binary) {
    MB_ASSIGN_OR_RETURN(FaissLayout layout, Header(is_binary));
    MB_ASSIGN_OR_RETURN(const auto lists, Number<uint64_t>());
    MB_RETURN_IF_ERROR(Skip(1, sizeof(uint64_t), "numbers of probes"));
    MB_ASSIGN_OR_RETURN(const auto code, Number<uint32_t>());
    if (!IsFlat(code)) {
      return FailedPreconditionError(
                 fmt::format("{}: its coarse quantizer is of kind {}, which is not read",
                             file_.name, TextOf(code)))
          .WithAdvice("train the index with a flat quantizer");
    }
    MB_RETURN_IF_ERROR(Flat(code).status());
    MB_RETURN_IF_ERROR(DirectMap());
    MB_RETURN_IF_ERROR(Lists(lists, layout));
    return layout;
  }

  /// Where rows are by their ids: not needed.
  Status DirectMap() {
    MB_ASSIGN_OR_RETURN(const auto type, Number<uint8_t>());
    if (type > 2) return Damaged(fmt::format("direct map {}", type));
    MB_ASSIGN_OR_RETURN(const auto entries, Number<uint64_t>());
    MB_RETURN_IF_ERROR(Skip(entries, sizeof(int64_t), "entries of the direct map"));
    if (type != 2) return Status::Ok();
    MB_ASSIGN_OR_RETURN(const auto pairs, Number<uint64_t>());
    return Skip(pairs, 2 * sizeof(int64_t), "pairs of the direct map");
  }

  Status Lists(uint64_t wanted, FaissLayout& layout) {
    MB_ASSIGN_OR_RETURN(const auto code, Number<uint32_t>());
    if (code != FourCc("ilar")) {
      return FailedPreconditionError(
                 fmt::format("{}: its inverted lists are of kind {}, not in the file itself",
                             file_.name, TextOf(code)))
          .WithAdvice("copy them into an index in memory and write that");
    }
    MB_ASSIGN_OR_RETURN(const auto lists, Number<uint64_t>());
    MB_ASSIGN_OR_RETURN(const auto code_bytes, Number<uint64_t>());
    if (lists != wanted || code_bytes != layout.vector_bytes()) {
      return Damaged(fmt::format("{} lists of vectors of {} bytes instead of {} of {}", lists,
                                 code_bytes, wanted, layout.vector_bytes()));
    }
    if (lists > kMaxLists) {
      return FailedPreconditionError(
          fmt::format("{} has {} lists; at most {} are read", file_.name, lists, kMaxLists));
    }
    MB_ASSIGN_OR_RETURN(const auto type, Number<uint32_t>());
    MB_ASSIGN_OR_RETURN(const auto numbers, Number<uint64_t>());
    const bool full = type == FourCc("full");
    if (!full && type != FourCc("sprs")) return Damaged("lists of type " + TextOf(type));
    if (full ? numbers != lists : numbers % 2 != 0 || numbers / 2 > lists) {
      return Damaged(fmt::format("{} sizes for {} lists", numbers, lists));
    }
    MB_RETURN_IF_ERROR(full ? FullSizes(numbers, layout) : SparseSizes(numbers / 2, lists, layout));
    return CheckSizes(layout);
  }

  Status FullSizes(uint64_t count, FaissLayout& layout) {
    for (uint64_t i = 0; i < count; ++i) {
      MB_ASSIGN_OR_RETURN(const auto size, Number<uint64_t>());
      if (size > 0) layout.lists.push_back(size);
    }
    return Status::Ok();
  }

  Status SparseSizes(uint64_t count, uint64_t lists, FaissLayout& layout) {
    uint64_t next = 0;
    for (uint64_t i = 0; i < count; ++i) {
      MB_ASSIGN_OR_RETURN(const auto list, Number<uint64_t>());
      MB_ASSIGN_OR_RETURN(const auto size, Number<uint64_t>());
      if (list < next || list >= lists) return Damaged(fmt::format("list {}", list));
      next = list + 1;
      if (size > 0) layout.lists.push_back(size);
    }
    return Status::Ok();
  }

  Status CheckSizes(FaissLayout& layout) {
    layout.vectors_offset = position_;
    uint64_t rows = 0;
    for (const uint64_t size : layout.lists) {
      MB_RETURN_IF_ERROR(Skip(size, layout.vector_bytes() + kIdBytes, "vectors and ids"));
      rows += size;
    }
    if (rows == layout.rows) return Status::Ok();
    return Damaged(fmt::format("{} vectors in its lists instead of {}", rows, layout.rows));
  }

  const CallContext& ctx_;
  const FileBytes& file_;
  FileWindow window_;
  uint64_t position_ = 0;
};

}  // namespace

Result<FaissLayout> ReadFaissLayout(const CallContext& ctx, const FileBytes& file) {
  return LayoutReader(ctx, file).Run();
}

}  // namespace milvus_backup::migration
