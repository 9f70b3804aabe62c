#include "hdf5_writer.h"

#include <fmt/format.h>
#include <hdf5.h>

#include <array>
#include <filesystem>
#include <system_error>
#include <utility>

namespace milvus_backup::migration {
namespace {

namespace fs = std::filesystem;

Hdf5Handle CreateDataset(const Hdf5Handle& file, const char* name, hid_t type,
                         std::span<const hsize_t> dims) {
  const Hdf5Handle space(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr),
                         H5Sclose);
  const Hdf5Handle plist(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  // Every byte is written, so none is filled before.
  H5Pset_fill_time(plist.id(), H5D_FILL_TIME_NEVER);
  return {H5Dcreate2(file.id(), name, type, space.id(), H5P_DEFAULT, plist.id(), H5P_DEFAULT),
          H5Dclose};
}

bool Write(const Hdf5Handle& dataset, hid_t type, std::span<const hsize_t> start,
           std::span<const hsize_t> extent, const void* from) {
  const Hdf5Handle to(H5Dget_space(dataset.id()), H5Sclose);
  const Hdf5Handle memory(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr),
                          H5Sclose);
  return to.ok() && memory.ok() &&
         H5Sselect_hyperslab(to.id(), H5S_SELECT_SET, start.data(), nullptr, extent.data(),
                             nullptr) >= 0 &&
         H5Dwrite(dataset.id(), type, memory.id(), to.id(), H5P_DEFAULT, from) >= 0;
}

}  // namespace

Hdf5Writer::Hdf5Writer(std::string path, uint64_t columns, bool is_binary, uint64_t rows)
    : path_(std::move(path)),
      temporary_(path_ + ".part"),
      columns_(columns),
      is_binary_(is_binary),
      rows_(rows) {}

Hdf5Writer::Hdf5Writer(Hdf5Writer&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      columns_(other.columns_),
      is_binary_(other.is_binary_),
      rows_(other.rows_),
      next_(other.next_),
      file_(std::move(other.file_)),
      vectors_(std::move(other.vectors_)),
      ids_(std::move(other.ids_)) {
  other.temporary_.clear();
}

Hdf5Writer::~Hdf5Writer() {
  if (temporary_.empty()) return;
  vectors_.Reset();
  ids_.Reset();
  file_.Reset();
  std::error_code ignored;
  fs::remove(temporary_, ignored);
}

Result<Hdf5Writer> Hdf5Writer::Create(const std::string& path, const Table& table, uint64_t rows) {
  QuietHdf5();
  const bool is_binary = IsBinary(table.metric);
  const auto dim = static_cast<uint64_t>(table.dim);
  Hdf5Writer writer(path, is_binary ? dim / 8 : dim, is_binary, rows);
  MB_RETURN_IF_ERROR(writer.Open());
  return writer;
}

Status Hdf5Writer::Failed() const {
  return Status(Code::kResourceExhausted,
                fmt::format("cannot write {}: {}", temporary_, LastHdf5Error()))
      .WithAdvice("look for room and rights in data_dir");
}

Status Hdf5Writer::Open() {
  file_ = {H5Fcreate(temporary_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose};
  if (!file_.ok()) return Failed();
  const std::array<hsize_t, 2> dims = {rows_, columns_};
  vectors_ = CreateDataset(file_, "embeddings", is_binary_ ? H5T_STD_U8LE : H5T_IEEE_F32LE, dims);
  ids_ = CreateDataset(file_, "ids", H5T_STD_I64LE, std::span(dims).first(1));
  return vectors_.ok() && ids_.ok() ? Status::Ok() : Failed();
}

Status Hdf5Writer::Append(std::span<const int64_t> ids, std::span<const std::byte> vectors) {
  QuietHdf5();
  if (ids.size() > rows_ - next_) {
    return DataLossError(fmt::format("{}: more rows than the {} announced", path_, rows_));
  }
  const std::array<hsize_t, 2> start = {next_, 0};
  const std::array<hsize_t, 2> extent = {ids.size(), columns_};
  const hid_t type = is_binary_ ? H5T_NATIVE_UINT8 : H5T_NATIVE_FLOAT;
  const bool written = Write(vectors_, type, start, extent, vectors.data()) &&
                       Write(ids_, H5T_NATIVE_INT64, std::span(start).first(1),
                             std::span(extent).first(1), ids.data());
  if (!written) return Failed();
  next_ += ids.size();
  return Status::Ok();
}

Status Hdf5Writer::Finish() {
  QuietHdf5();
  if (next_ != rows_) {
    return DataLossError(fmt::format("{}: {} rows instead of {}", path_, next_, rows_));
  }
  const bool closed = vectors_.Reset() && ids_.Reset() && file_.Reset();
  if (!closed) return Failed();
  std::error_code error;
  fs::rename(temporary_, path_, error);
  if (error) return Failed();
  temporary_.clear();
  return Status::Ok();
}

}  // namespace milvus_backup::migration
