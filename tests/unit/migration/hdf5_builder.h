/// HDF5 files of any form, written with libhdf5.
#pragma once

#include <hdf5.h>

#include <string>
#include <vector>

namespace milvus_backup::migration::testing {

struct Hdf5Dataset {
  std::string name;
  std::vector<hsize_t> dims;
  hid_t file_type = 0;
  hid_t memory_type = 0;
  const void* data = nullptr;
  /// Chunked when not empty.
  std::vector<hsize_t> chunk = {};
  bool gzip = false;
};

inline void WriteHdf5(const std::string& path, const std::vector<Hdf5Dataset>& datasets) {
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  for (const Hdf5Dataset& dataset : datasets) {
    const hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    if (!dataset.chunk.empty()) {
      H5Pset_chunk(plist, static_cast<int>(dataset.chunk.size()), dataset.chunk.data());
    }
    if (dataset.gzip) H5Pset_deflate(plist, 1);
    const hid_t space =
        H5Screate_simple(static_cast<int>(dataset.dims.size()), dataset.dims.data(), nullptr);
    const hid_t set = H5Dcreate2(file, dataset.name.c_str(), dataset.file_type, space, H5P_DEFAULT,
                                 plist, H5P_DEFAULT);
    if (dataset.data != nullptr) {
      H5Dwrite(set, dataset.memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, dataset.data);
    }
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(plist);
  }
  H5Fclose(file);
}

}  // namespace milvus_backup::migration::testing
