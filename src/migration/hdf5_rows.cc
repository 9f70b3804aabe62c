#include "hdf5_rows.h"

#include "hdf5_handle.h"
#include "local_file.h"

#include "milvus_backup/base/bytes.h"

#include <fmt/format.h>
#include <hdf5.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace milvus_backup::migration {
namespace {

constexpr char kVectors[] = "embeddings";
constexpr char kIds[] = "ids";
constexpr char kPathKey[] = "data_path or data_dir";
/// One row of chunks is held unpacked; h5py makes chunks of at most 1 MiB by itself.
constexpr uint64_t kMaxChunkBytes = 256 * kMiB;
/// Slots of the table of chunks; a prime well above how many are held (H5Pset_chunk_cache).
constexpr size_t kChunkSlots = 12421;

/// Far more than any vector has.
constexpr hsize_t kMaxColumns = hsize_t{1} << 24;

/// A dataset that has been looked at.
struct Dataset {
  Hdf5Handle set;
  Hdf5Handle type;
  std::vector<hsize_t> dims;

  hsize_t rows() const { return dims.front(); }
};

class Hdf5File {
 public:
  Hdf5File(std::string path, FileVersion version)
      : path_(std::move(path)), version_(std::move(version)) {}

  const std::string& path() const { return path_; }
  const FileVersion& version() const { return version_; }

  Status Open() {
    const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    // Nothing is written, and read-only and network file systems cannot lock.
    H5Pset_file_locking(access.id(), false, true);
    if (H5Fis_hdf5(path_.c_str()) == 0) return DataLossError(path_ + " is no HDF5 file");
    file_ = {H5Fopen(path_.c_str(), H5F_ACC_RDONLY, access.id()), H5Fclose};
    return file_.ok() ? Status::Ok() : Damaged();
  }

  Result<bool> Has(const char* name) const {
    const htri_t exists = H5Lexists(file_.id(), name, H5P_DEFAULT);
    if (exists < 0) return Damaged();
    return exists > 0;
  }

  Result<Dataset> OpenDataset(const char* name) const {
    H5L_info_t link = {};
    if (H5Lget_info(file_.id(), name, &link, H5P_DEFAULT) < 0) return Damaged();
    if (link.type != H5L_TYPE_HARD) return Refused(name, "is a link to another place");
    const Hdf5Handle object(H5Oopen(file_.id(), name, H5P_DEFAULT), H5Oclose);
    if (!object.ok()) return Damaged();
    if (H5Iget_type(object.id()) != H5I_DATASET) return Refused(name, "is no dataset");
    Dataset dataset;
    dataset.set = {H5Dopen2(file_.id(), name, H5P_DEFAULT), H5Dclose};
    if (!dataset.set.ok()) return Damaged();
    dataset.type = {H5Dget_type(dataset.set.id()), H5Tclose};
    const Hdf5Handle space(H5Dget_space(dataset.set.id()), H5Sclose);
    if (!dataset.type.ok() || !space.ok()) return Damaged();
    if (H5Sget_simple_extent_type(space.id()) != H5S_SIMPLE) return Refused(name, "has no rows");
    std::array<hsize_t, H5S_MAX_RANK> dims{};
    const int rank = H5Sget_simple_extent_dims(space.id(), dims.data(), nullptr);
    if (rank < 1 || rank > 2) {
      return Refused(name, fmt::format("has {} dimensions", rank));
    }
    dataset.dims.assign(dims.begin(), dims.begin() + rank);
    if (rank == 2 && dims[1] > kMaxColumns) {
      return Refused(name, fmt::format("has {} columns", dims[1]));
    }
    MB_RETURN_IF_ERROR(CheckStorage(name, dataset));
    return dataset;
  }

  Status Damaged() const {
    return DataLossError(fmt::format("{} is damaged or cut off: {}", path_, LastHdf5Error()));
  }

  Status Refused(const char* name, const std::string& what) const {
    return FailedPreconditionError(fmt::format("{}: {} {}", path_, name, what))
        .WithAdvice("docs/migration.md says what is read");
  }

 private:
  /// Where the data is, that all of it is there, and that it can be read; sets the chunk cache.
  Status CheckStorage(const char* name, Dataset& dataset) const {
    const Hdf5Handle plist(H5Dget_create_plist(dataset.set.id()), H5Pclose);
    if (!plist.ok()) return Damaged();
    if (H5Pget_external_count(plist.id()) != 0) return Refused(name, "is in another file");
    for (int i = 0; i < H5Pget_nfilters(plist.id()); ++i) {
      MB_RETURN_IF_ERROR(CheckFilter(name, plist, static_cast<unsigned>(i)));
    }
    const size_t element = H5Tget_size(dataset.type.id());
    const hsize_t count = std::accumulate(
        dataset.dims.begin(), dataset.dims.end(), hsize_t{1}, [](hsize_t product, hsize_t dim) {
          const bool overflows = dim != 0 && product > kMost / dim;
          return overflows ? kMost : product * dim;
        });
    if (element == 0 || count >= kMost / element) return Damaged();
    switch (H5Pget_layout(plist.id())) {
      case H5D_COMPACT:
        return H5Dget_storage_size(dataset.set.id()) == count * element ? Status::Ok() : Damaged();
      case H5D_CONTIGUOUS:
        return CheckContiguous(name, dataset, count * element);
      case H5D_CHUNKED:
        return CheckChunks(name, plist, element, dataset);
      default:
        return Refused(name, "is stored in a way that is not read");
    }
  }

  Status CheckFilter(const char* name, const Hdf5Handle& plist, unsigned number) const {
    std::array<char, 64> text{};
    unsigned flags = 0;
    size_t values = 0;
    const H5Z_filter_t filter = H5Pget_filter2(plist.id(), number, &flags, &values, nullptr,
                                               text.size() - 1, text.data(), nullptr);
    if (filter < 0) return Damaged();
    if (H5Zfilter_avail(filter) > 0) return Status::Ok();
    const std::string called =
        text.front() == '\0' ? "" : fmt::format(" ({})", std::string_view(text.data()));
    return FailedPreconditionError(fmt::format("{}: {} is packed by filter {}{}, which is not read",
                                               path_, name, static_cast<int>(filter), called))
        .WithAdvice("rewrite the file with: h5repack -f GZIP=1 OLD NEW");
  }

  Status CheckContiguous(const char* name, const Dataset& dataset, hsize_t bytes) const {
    if (bytes == 0) return Status::Ok();
    const haddr_t offset = H5Dget_offset(dataset.set.id());
    if (offset == HADDR_UNDEF)
      return DataLossError(fmt::format("{}: {} was never written", path_, name));
    if (bytes <= version_.size && offset <= version_.size - bytes) return Status::Ok();
    return DataLossError(
        fmt::format("{} is cut off: {} needs {} bytes from {} on and the file has "
                    "{}",
                    path_, name, bytes, offset, version_.size));
  }

  Status CheckChunks(const char* name, const Hdf5Handle& plist, size_t element,
                     Dataset& dataset) const {
    std::array<hsize_t, H5S_MAX_RANK> chunk{};
    const int rank = H5Pget_chunk(plist.id(), static_cast<int>(chunk.size()), chunk.data());
    if (rank != static_cast<int>(dataset.dims.size())) return Damaged();
    hsize_t wanted = 1;
    hsize_t stripe = element;
    for (size_t i = 0; i < dataset.dims.size(); ++i) {
      if (chunk[i] == 0) return Damaged();
      const hsize_t along = dataset.dims[i] / chunk[i] + (dataset.dims[i] % chunk[i] != 0 ? 1 : 0);
      wanted *= along;
      // All chunks that a row lies in.
      const hsize_t factor = i == 0 ? chunk[i] : std::max<hsize_t>(along, 1) * chunk[i];
      stripe = stripe > kMaxChunkBytes / factor ? kMaxChunkBytes + 1 : stripe * factor;
    }
    if (stripe > kMaxChunkBytes) {
      return FailedPreconditionError(
                 fmt::format("{}: a row of chunks of {} takes more than {} bytes unpacked", path_,
                             name, kMaxChunkBytes))
          .WithAdvice("rewrite the file with smaller chunks: h5repack -l CHUNK=1024xDIM OLD NEW");
    }
    hsize_t there = 0;
    const Hdf5Handle space(H5Dget_space(dataset.set.id()), H5Sclose);
    if (H5Dget_num_chunks(dataset.set.id(), space.id(), &there) < 0) return Damaged();
    if (there != wanted) {
      return DataLossError(fmt::format("{}: {} has {} of {} chunks: it was never written whole",
                                       path_, name, there, wanted));
    }
    const Hdf5Handle access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose);
    H5Pset_chunk_cache(access.id(), kChunkSlots, std::max<size_t>(stripe, kMiB), 1.0);
    // The cache is set when a dataset is opened for the first time.
    dataset.set.Reset();
    dataset.set = {H5Dopen2(file_.id(), name, access.id()), H5Dclose};
    return dataset.set.ok() ? Status::Ok() : Damaged();
  }

  static constexpr hsize_t kMost = std::numeric_limits<int64_t>::max();

  std::string path_;
  FileVersion version_;
  Hdf5Handle file_;
};

/// In what form vectors are read, and of what kind they are.
struct VectorType {
  Hdf5Handle memory;
  bool is_binary = false;
  /// Read as doubles of this machine and rounded here: libhdf5 goes value by value, with copies.
  bool is_double = false;
  uint64_t dim = 0;
};

/// Of doubles on their way to floats; small enough to stay in the processor's cache.
constexpr uint64_t kRoundBytes = 256 * kKiB;

/// To the nearest float, or an infinity beyond the largest, as the hardware does.
void RoundToFloats(std::span<const double> doubles, std::byte* floats) {
  static_assert(std::numeric_limits<float>::is_iec559 && std::numeric_limits<double>::is_iec559);
  for (const double value : doubles) {
    const auto rounded = static_cast<float>(value);
    std::memcpy(floats, &rounded, sizeof(rounded));
    floats += sizeof(rounded);
  }
}

Result<VectorType> VectorTypeOf(const Hdf5File& file, const Dataset& dataset) {
  const H5T_class_t kind = H5Tget_class(dataset.type.id());
  const size_t size = H5Tget_size(dataset.type.id());
  VectorType type;
  if (kind == H5T_FLOAT && dataset.dims.size() == 2) {
    type.is_double = size == sizeof(double);
    type.memory = {H5Tcopy(type.is_double ? H5T_NATIVE_DOUBLE : H5T_NATIVE_FLOAT), H5Tclose};
    type.dim = dataset.dims[1];
    return type;
  }
  type.is_binary = true;
  if (kind == H5T_INTEGER && dataset.dims.size() == 2 && size == 1 &&
      H5Tget_sign(dataset.type.id()) == H5T_SGN_NONE) {
    type.memory = {H5Tcopy(H5T_NATIVE_UINT8), H5Tclose};
    type.dim = dataset.dims[1] * 8;
    return type;
  }
  if (kind == H5T_STRING && dataset.dims.size() == 1 &&
      H5Tis_variable_str(dataset.type.id()) == 0) {
    // As the file has it, so that no byte is converted.
    type.memory = {H5Tcopy(dataset.type.id()), H5Tclose};
    type.dim = uint64_t{size} * 8;
    return type;
  }
  return file.Refused(kVectors,
                      "is neither a matrix of floats or of uint8 nor a list of strings of one "
                      "length");
}

class Hdf5Rows final : public RowSource {
 public:
  Hdf5Rows(Hdf5File file, const Table& table, int64_t first_id)
      : file_(std::move(file)),
        vector_bytes_(table.vector_bytes()),
        mark_(fmt::format("{} from {}", file_.version().mark, first_id)),
        first_id_(first_id) {}

  Status Open(const Table& table) {
    MB_RETURN_IF_ERROR(file_.Open());
    MB_ASSIGN_OR_RETURN(const bool has_vectors, file_.Has(kVectors));
    if (!has_vectors) {
      return FailedPreconditionError(
                 fmt::format("{} has no dataset {} at its root", file_.path(), kVectors))
          .WithAdvice("docs/migration.md says what is read");
    }
    MB_ASSIGN_OR_RETURN(vectors_, file_.OpenDataset(kVectors));
    MB_ASSIGN_OR_RETURN(VectorType type, VectorTypeOf(file_, vectors_));
    MB_RETURN_IF_ERROR(CheckVectorKind(file_.path(), type.is_binary, type.dim, table));
    vector_type_ = std::move(type.memory);
    is_double_ = type.is_double;
    MB_ASSIGN_OR_RETURN(has_ids_, file_.Has(kIds));
    return has_ids_ ? OpenIds() : Status::Ok();
  }

  uint64_t rows() const override { return vectors_.rows(); }
  const std::string& mark() const override { return mark_; }
  std::string Describe(uint64_t row) const override {
    return fmt::format("row {} of {}", row, file_.path());
  }

  Status Read(const CallContext& ctx, std::span<int64_t> ids,
              std::span<std::byte> vectors) override {
    MB_RETURN_IF_ERROR(ctx.Check());
    QuietHdf5();
    MB_CHECK(ids.size() <= rows() - next_ && vectors.size() == ids.size() * vector_bytes_);
    MB_RETURN_IF_ERROR(
        is_double_ ? ReadDoubles(ids.size(), vectors)
                   : ReadRows(vectors_, vector_type_.id(), next_, ids.size(), vectors.data()));
    MB_RETURN_IF_ERROR(ReadIds(ids));
    next_ += ids.size();
    return next_ == rows() ? CheckUnchanged() : Status::Ok();
  }

 private:
  Status OpenIds() {
    MB_ASSIGN_OR_RETURN(ids_, file_.OpenDataset(kIds));
    if (ids_.dims.size() != 1 || H5Tget_class(ids_.type.id()) != H5T_INTEGER ||
        H5Tget_size(ids_.type.id()) > sizeof(int64_t)) {
      return file_.Refused(kIds, "is no list of integers");
    }
    if (ids_.rows() != rows()) {
      return DataLossError(
          fmt::format("{} holds {} ids for {} vectors", file_.path(), ids_.rows(), rows()));
    }
    // Ids above 2^63 would be cut to it.
    ids_are_u64_ = H5Tget_size(ids_.type.id()) == sizeof(int64_t) &&
                   H5Tget_sign(ids_.type.id()) == H5T_SGN_NONE;
    return Status::Ok();
  }

  Status ReadDoubles(uint64_t wanted, std::span<std::byte> into) {
    const uint64_t columns = vectors_.dims[1];
    const uint64_t most = std::max<uint64_t>(kRoundBytes / (columns * sizeof(double)), 1);
    for (uint64_t done = 0; done < wanted;) {
      const uint64_t count = std::min(most, wanted - done);
      doubles_.resize(count * columns);
      MB_RETURN_IF_ERROR(
          ReadRows(vectors_, vector_type_.id(), next_ + done, count, doubles_.data()));
      RoundToFloats(doubles_, into.data() + done * vector_bytes_);
      done += count;
    }
    return Status::Ok();
  }

  Status ReadRows(const Dataset& dataset, hid_t memory_type, hsize_t first, hsize_t count,
                  void* into) const {
    if (count == 0) return Status::Ok();
    const Hdf5Handle from(H5Dget_space(dataset.set.id()), H5Sclose);
    std::vector<hsize_t> start(dataset.dims.size(), 0);
    std::vector<hsize_t> extent = dataset.dims;
    start[0] = first;
    extent[0] = count;
    const Hdf5Handle to(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr),
                        H5Sclose);
    if (!from.ok() || !to.ok() ||
        H5Sselect_hyperslab(from.id(), H5S_SELECT_SET, start.data(), nullptr, extent.data(),
                            nullptr) < 0 ||
        H5Dread(dataset.set.id(), memory_type, to.id(), from.id(), H5P_DEFAULT, into) < 0) {
      return file_.Damaged();
    }
    return Status::Ok();
  }

  Status ReadIds(std::span<int64_t> ids) const {
    if (!has_ids_) {
      std::iota(ids.begin(), ids.end(), first_id_ + static_cast<int64_t>(next_));
      return Status::Ok();
    }
    const hid_t type = ids_are_u64_ ? H5T_NATIVE_UINT64 : H5T_NATIVE_INT64;
    MB_RETURN_IF_ERROR(ReadRows(ids_, type, next_, ids.size(), ids.data()));
    if (!ids_are_u64_) return Status::Ok();
    const auto large = std::ranges::find_if(ids, [](int64_t id) { return id < 0; });
    if (large == ids.end()) return Status::Ok();
    const auto row = next_ + static_cast<uint64_t>(large - ids.begin());
    return DataLossError(fmt::format("{} has the id {}, and Milvus takes at most {}", Describe(row),
                                     static_cast<uint64_t>(*large),
                                     std::numeric_limits<int64_t>::max()));
  }

  Status CheckUnchanged() const {
    const auto now = LookAtFile(file_.path(), kPathKey);
    if (now.ok() && now->mark == file_.version().mark) return Status::Ok();
    return Status(Code::kAborted, file_.path() + " has changed while it was read");
  }

  Hdf5File file_;
  const uint64_t vector_bytes_;
  const std::string mark_;
  const int64_t first_id_;
  Dataset vectors_;
  Hdf5Handle vector_type_;
  bool is_double_ = false;
  std::vector<double> doubles_;
  Dataset ids_;
  bool has_ids_ = false;
  bool ids_are_u64_ = false;
  /// The row that comes next.
  uint64_t next_ = 0;
};

}  // namespace

Result<std::unique_ptr<RowSource>> OpenHdf5Rows(const std::string& path, const Table& table,
                                                int64_t first_id) {
  QuietHdf5();
  MB_ASSIGN_OR_RETURN(FileVersion version, LookAtFile(path, kPathKey));
  auto rows = std::make_unique<Hdf5Rows>(Hdf5File(path, std::move(version)), table, first_id);
  MB_RETURN_IF_ERROR(rows->Open(table));
  return std::unique_ptr<RowSource>(std::move(rows));
}

}  // namespace milvus_backup::migration
