// A fuzz target for HDF5. The bytes are a recipe: they choose what a file holds, libhdf5 writes it,
// and it may be cut off. So what is searched are the decisions of hdf5_rows.cc, by types, shapes,
// layouts, ids and links, and the memory that it hands to libhdf5. The library itself is not
// instrumented and has faults of its own: it is given no bytes that are damaged inside.
#include "migration/hdf5_handle.h"
#include "migration/hdf5_rows.h"
#include "targets.h"

#include "milvus_backup/base/bytes.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"

#include <hdf5.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <system_error>
#include <vector>

namespace milvus_backup::fuzz {
namespace {

namespace fs = std::filesystem;
using migration::Hdf5Handle;

constexpr int64_t kFirstId = 1000;

/// In the directory for temporary files; gone when the process ends.
class ScratchFile {
 public:
  ScratchFile() : directory_((fs::temp_directory_path() / "fuzz-hdf5-XXXXXX").string()) {
    MB_CHECK(::mkdtemp(directory_.data()) != nullptr);
    path_ = directory_ + "/f.h5";
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile() {
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }

  const std::string& path() const { return path_; }

 private:
  std::string directory_;
  std::string path_;
};

/// One choice after the other; zeros when the bytes are used up.
class Recipe {
 public:
  explicit Recipe(ByteView bytes) : left_(bytes) {}

  unsigned Below(unsigned limit) {
    if (left_.empty()) return 0;
    const auto value = std::to_integer<unsigned>(left_.front());
    left_ = left_.subspan(1);
    return value % limit;
  }

 private:
  ByteView left_;
};

enum class Kind { kF32, kF32Be, kF64, kF64Be, kLong, kU8, kString, kI8, kI32, kVariable };
constexpr unsigned kKinds = 10;
enum class Layout { kContiguous, kCompact, kChunked, kPacked };
constexpr unsigned kLayouts = 4;
enum class Ids { kNone, kI64, kI32Be, kU8, kU64, kDouble, kMatrix, kTooLarge };
constexpr unsigned kIdKinds = 8;

bool IsFloat(Kind kind) { return kind <= Kind::kLong; }
bool IsText(Kind kind) { return kind == Kind::kString || kind == Kind::kVariable; }

/// What a recipe says.
struct Plan {
  Kind kind = Kind::kF32;
  Layout layout = Layout::kContiguous;
  Ids ids = Ids::kNone;
  /// 0 for a dataset without extent.
  unsigned rank = 2;
  hsize_t rows = 0;
  hsize_t columns = 1;
  hsize_t chunk_rows = 1;
  hsize_t chunk_columns = 1;
  hsize_t id_count = 0;
  /// 0 a dataset, 1 a group, 2 a link, 3 nothing.
  unsigned object = 0;
  bool is_written = true;
  bool has_other_metric = false;
  bool has_other_dim = false;
  /// Eighths of the file that are left; 0 leaves all.
  unsigned eighths = 0;
  uint64_t batch = 1;
  /// Of `embeddings`, from 0 to 255.
  std::vector<unsigned> values;

  /// `embeddings`.
  std::vector<hsize_t> dims() const {
    std::vector<hsize_t> all = {rows, columns, 1};
    all.resize(rank);
    return all;
  }

  migration::Table table() const {
    const bool holds_bits = !IsFloat(kind);
    const bool is_binary = holds_bits != has_other_metric;
    const auto dim = static_cast<int64_t>(columns) + (has_other_dim ? 1 : 0);
    return {.metric = is_binary ? migration::Metric::kHamming : migration::Metric::kL2,
            .dim = is_binary ? dim * 8 : dim};
  }

  /// A file of the documented form must be read.
  bool is_sound() const {
    const bool is_read =
        (rank == 2 && (IsFloat(kind) || kind == Kind::kU8)) || (rank == 1 && kind == Kind::kString);
    const bool has_ids = ids != Ids::kNone;
    return is_read && rows > 0 && object == 0 && is_written && !has_other_metric &&
           !has_other_dim && eighths == 0 && ids <= Ids::kU64 && (!has_ids || id_count == rows);
  }
};

Plan ReadPlan(ByteView bytes) {
  Recipe recipe(bytes);
  Plan plan;
  plan.kind = static_cast<Kind>(recipe.Below(kKinds));
  plan.layout = static_cast<Layout>(recipe.Below(kLayouts));
  plan.ids = static_cast<Ids>(recipe.Below(kIdKinds));
  // A text is a row.
  plan.rank = (IsText(plan.kind) ? 1U : 2U) + recipe.Below(4);
  plan.rank %= 4;
  plan.rows = recipe.Below(65);
  plan.columns = 1 + recipe.Below(16);
  plan.chunk_rows = 1 + recipe.Below(16);
  plan.chunk_columns = 1 + recipe.Below(8);
  plan.id_count = plan.rows + recipe.Below(3);
  plan.object = recipe.Below(4);
  plan.is_written = recipe.Below(4) != 3;
  plan.has_other_metric = recipe.Below(4) == 3;
  plan.has_other_dim = recipe.Below(4) == 3;
  plan.eighths = recipe.Below(8);
  plan.batch = 1 + recipe.Below(9);
  for (hsize_t i = 0; i < plan.rows * plan.columns; ++i) plan.values.push_back(recipe.Below(256));
  return plan;
}

Hdf5Handle TextType(size_t bytes) {
  Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  MB_CHECK(H5Tset_size(type.id(), bytes) >= 0);
  MB_CHECK(H5Tset_strpad(type.id(), H5T_STR_NULLPAD) >= 0);
  return type;
}

Hdf5Handle FileType(const Plan& plan) {
  switch (plan.kind) {
    case Kind::kF32:
      return {H5Tcopy(H5T_IEEE_F32LE), H5Tclose};
    case Kind::kF32Be:
      return {H5Tcopy(H5T_IEEE_F32BE), H5Tclose};
    case Kind::kF64:
      return {H5Tcopy(H5T_IEEE_F64LE), H5Tclose};
    case Kind::kF64Be:
      return {H5Tcopy(H5T_IEEE_F64BE), H5Tclose};
    case Kind::kLong:
      return {H5Tcopy(H5T_NATIVE_LDOUBLE), H5Tclose};
    case Kind::kU8:
      return {H5Tcopy(H5T_STD_U8LE), H5Tclose};
    case Kind::kI8:
      return {H5Tcopy(H5T_STD_I8LE), H5Tclose};
    case Kind::kI32:
      return {H5Tcopy(H5T_STD_I32LE), H5Tclose};
    case Kind::kString:
      return TextType(plan.columns);
    case Kind::kVariable:
      break;
  }
  return TextType(H5T_VARIABLE);
}

Hdf5Handle IdType(Ids ids) {
  switch (ids) {
    case Ids::kI32Be:
      return {H5Tcopy(H5T_STD_I32BE), H5Tclose};
    case Ids::kU8:
      return {H5Tcopy(H5T_STD_U8LE), H5Tclose};
    case Ids::kU64:
    case Ids::kTooLarge:
      return {H5Tcopy(H5T_STD_U64LE), H5Tclose};
    case Ids::kDouble:
      return {H5Tcopy(H5T_IEEE_F64LE), H5Tclose};
    default:
      return {H5Tcopy(H5T_STD_I64LE), H5Tclose};
  }
}

Hdf5Handle CreateDataset(const Hdf5Handle& file, const char* name, const Hdf5Handle& type,
                         const std::vector<hsize_t>& dims, const Plan& plan) {
  const Hdf5Handle plist(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const bool is_empty = std::ranges::count(dims, hsize_t{0}) > 0;
  if (plan.layout == Layout::kCompact) H5Pset_layout(plist.id(), H5D_COMPACT);
  if (plan.layout >= Layout::kChunked && !dims.empty() && !is_empty) {
    std::vector<hsize_t> chunk = {plan.chunk_rows, plan.chunk_columns, 1};
    chunk.resize(dims.size());
    for (size_t i = 0; i < dims.size(); ++i) chunk[i] = std::min(chunk[i], dims[i]);
    H5Pset_chunk(plist.id(), static_cast<int>(chunk.size()), chunk.data());
    if (plan.layout == Layout::kPacked) H5Pset_deflate(plist.id(), 1);
  }
  const Hdf5Handle space =
      dims.empty()
          ? Hdf5Handle(H5Screate(H5S_SCALAR), H5Sclose)
          : Hdf5Handle(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr),
                       H5Sclose);
  return {H5Dcreate2(file.id(), name, type.id(), space.id(), H5P_DEFAULT, plist.id(), H5P_DEFAULT),
          H5Dclose};
}

void WriteVectors(const Hdf5Handle& file, const Plan& plan) {
  const Hdf5Handle type = FileType(plan);
  const std::vector<hsize_t> dims = plan.dims();
  const Hdf5Handle set = CreateDataset(file, "embeddings", type, dims, plan);
  // Shapes that are not read need no values.
  if (!set.ok() || !plan.is_written || dims.empty() || plan.rows == 0) return;
  if (plan.kind == Kind::kVariable) return;
  if (plan.kind == Kind::kString) {
    std::string bytes;
    for (const unsigned value : plan.values) bytes += static_cast<char>(value);
    // More dimensions than one hold more texts than there are values.
    for (size_t i = 1; i < dims.size(); ++i) bytes.append((dims[i] - 1) * plan.values.size(), 'x');
    H5Dwrite(set.id(), type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data());
    return;
  }
  std::vector<double> numbers;
  const double unit = IsFloat(plan.kind) ? 0.25 : 1;
  for (const unsigned value : plan.values) numbers.push_back(value * unit);
  H5Dwrite(set.id(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers.data());
}

/// The ids are 0, 3, 6, …, so that the smallest type can hold them.
void WriteIds(const Hdf5Handle& file, const Plan& plan) {
  if (plan.ids == Ids::kNone) return;
  std::vector<hsize_t> dims = {plan.id_count};
  if (plan.ids == Ids::kMatrix) dims.push_back(1);
  const Hdf5Handle set = CreateDataset(file, "ids", IdType(plan.ids), dims, plan);
  if (!set.ok() || plan.id_count == 0) return;
  std::vector<uint64_t> ids;
  for (uint64_t row = 0; row < plan.id_count; ++row) ids.push_back(row * 3);
  if (plan.ids == Ids::kTooLarge) ids.back() = std::numeric_limits<uint64_t>::max();
  H5Dwrite(set.id(), H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, ids.data());
}

void WriteFile(const std::string& path, const Plan& plan) {
  {
    const Hdf5Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
                          H5Fclose);
    MB_CHECK(file.ok());
    if (plan.object == 0) WriteVectors(file, plan);
    if (plan.object == 1) {
      const Hdf5Handle group(
          H5Gcreate2(file.id(), "embeddings", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
    }
    if (plan.object == 2) {
      H5Lcreate_soft("/ids", file.id(), "embeddings", H5P_DEFAULT, H5P_DEFAULT);
    }
    WriteIds(file, plan);
  }
  if (plan.eighths != 0) fs::resize_file(path, fs::file_size(path) * plan.eighths / 8);
}

void CheckStatus(const Status& status, const Plan& plan) {
  MB_CHECK(status.ok() || !plan.is_sound());
  MB_CHECK(status.ok() || status.code() == Code::kDataLoss ||
           status.code() == Code::kFailedPrecondition || status.code() == Code::kInvalidArgument);
}

/// What was written is what was read.
void CheckRows(const Plan& plan, const std::vector<int64_t>& ids,
               const std::vector<std::byte>& vectors) {
  for (size_t row = 0; row < ids.size(); ++row) {
    const auto number = static_cast<int64_t>(row);
    MB_CHECK(ids[row] == (plan.ids == Ids::kNone ? kFirstId + number : 3 * number));
  }
  for (size_t i = 0; i < plan.values.size(); ++i) {
    if (!IsFloat(plan.kind)) {
      MB_CHECK(vectors[i] == static_cast<std::byte>(plan.values[i]));
      continue;
    }
    float value = 0;
    std::memcpy(&value, vectors.data() + i * sizeof(value), sizeof(value));
    MB_CHECK(static_cast<double>(value) == plan.values[i] * 0.25);
  }
}

}  // namespace

void Hdf5(ByteView bytes) {
  static const ScratchFile scratch;
  const Plan plan = ReadPlan(bytes);
  migration::QuietHdf5();
  WriteFile(scratch.path(), plan);
  const migration::Table table = plan.table();
  const auto source = migration::OpenHdf5Rows(scratch.path(), table, kFirstId);
  CheckStatus(source.status(), plan);
  if (!source.ok()) return;
  const uint64_t rows = (*source)->rows();
  MB_CHECK(rows == plan.rows);
  const uint64_t vector_bytes = table.vector_bytes();
  std::vector<int64_t> ids(rows);
  std::vector<std::byte> vectors(rows * vector_bytes);
  for (uint64_t row = 0; row < rows; row += plan.batch) {
    const uint64_t count = std::min(plan.batch, rows - row);
    // Memory of exactly this size, so that a sanitizer sees what goes beyond it.
    std::vector<int64_t> some_ids(count);
    std::vector<std::byte> some(count * vector_bytes);
    const Status status = (*source)->Read({}, some_ids, some);
    CheckStatus(status, plan);
    if (!status.ok()) return;
    std::ranges::copy(some_ids, ids.begin() + static_cast<std::ptrdiff_t>(row));
    std::ranges::copy(some, vectors.begin() + static_cast<std::ptrdiff_t>(row * vector_bytes));
  }
  if (plan.is_sound()) CheckRows(plan, ids, vectors);
}

}  // namespace milvus_backup::fuzz
