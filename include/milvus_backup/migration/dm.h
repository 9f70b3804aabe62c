/// What MilvusDM does: rows of HDF5 and Faiss files and of a Milvus 0.9–1.x into Milvus 2.x.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/dm_options.h"
#include "milvus_backup/migration/load.h"
#include "milvus_backup/migration/store.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/transfer/progress.h"

#include <cstdint>
#include <string>
#include <vector>

namespace milvus_backup::migration {

struct DmPlaces {
  /// A directory of this machine, where is written down what inserts have begun.
  Store state;
  /// Milvus' own storage: rows are written there as NumPy files and imported. Null: they are
  /// inserted.
  const Store* staging = nullptr;
};

/// What became of a partition.
struct DmFilled {
  std::string collection;
  /// In Milvus; `_default` for the default one.
  std::string partition;
  LoadedCollection load;
  /// Its source has no rows, so nothing was created.
  bool is_empty = false;
};

struct DmReport {
  std::vector<DmFilled> partitions;
  /// One line each: names that Milvus does not take, and the like.
  std::vector<std::string> warnings;
  double seconds = 0;
};

/// M2M, H2M and F2M. Every source is read as a whole, or written as NumPy files, before anything in
/// Milvus changes. What is begun is written down first: the same command after one that failed or
/// was killed goes on, and brings no row twice into what it has created itself.
///
/// Errors: kDataLoss naming a damaged file or a row with a NaN; kNotFound (Origin::kConfig) for
/// missing files; kFailedPrecondition when a collection of that name does not fit, or it cannot be
/// told what an earlier run has left in it; kAlreadyExists while another run fills the same
/// partition.
Result<DmReport> BringIntoMilvus(const CallContext& ctx, milvus::Client& client,
                                 const DmOptions& options, const DmPlaces& places,
                                 const LoadRules& rules, transfer::Progress& progress);

/// An HDF5 file of M2H.
struct WrittenHdf5 {
  std::string collection;
  /// Its tag; empty for the default one.
  std::string partition;
  /// Absolute; empty for a partition without rows, of which nothing is written.
  std::string path;
  uint64_t rows = 0;
};

struct HdfReport {
  std::vector<WrittenHdf5> files;
  /// `<data_dir>/<id of this run>`.
  std::string directory;
  std::vector<std::string> warnings;
  double seconds = 0;
};

/// M2H: a file for each partition, `<directory>/<collection>/<tag>.h5` (`None.h5` for the default
/// one), and beside it the YAML file that brings it into Milvus,
/// `<directory>/yamls/<collection>/<tag>.yaml`. A file has its name once it is whole.
///
/// Errors: as above; kResourceExhausted when the disk has no room.
Result<HdfReport> WriteHdf5Files(const CallContext& ctx, const DmOptions& options,
                                 transfer::Progress& progress);

}  // namespace milvus_backup::migration
