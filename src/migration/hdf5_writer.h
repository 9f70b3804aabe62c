/// Writing HDF5 files as MilvusDM does: the datasets `embeddings` and `ids` at the root,
/// contiguous, in the oldest version of the format, which every reader knows.
#pragma once

#include "hdf5_handle.h"

#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace milvus_backup::migration {

/// One file under a temporary name until Finish; removed when that is not called. Used by one
/// thread.
class Hdf5Writer {
 public:
  /// Of `rows` rows with vectors of `table`: float32, or uint8 for binary ones.
  static Result<Hdf5Writer> Create(const std::string& path, const Table& table, uint64_t rows);
  Hdf5Writer(Hdf5Writer&& other) noexcept;
  Hdf5Writer& operator=(Hdf5Writer&&) = delete;
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;
  ~Hdf5Writer();

  /// The next rows. A disk that is full is kResourceExhausted.
  Status Append(std::span<const int64_t> ids, std::span<const std::byte> vectors);
  /// kDataLoss unless exactly the rows that were announced have come.
  Status Finish();

 private:
  Hdf5Writer(std::string path, uint64_t columns, bool is_binary, uint64_t rows);
  Status Open();
  Status Failed() const;

  std::string path_;
  /// Empty once the file has its name.
  std::string temporary_;
  uint64_t columns_;
  bool is_binary_;
  uint64_t rows_;
  uint64_t next_ = 0;
  Hdf5Handle file_;
  Hdf5Handle vectors_;
  Hdf5Handle ids_;
};

}  // namespace milvus_backup::migration
