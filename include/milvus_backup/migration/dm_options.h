/// What a YAML file of milvusdm says. Plain data.
#pragma once

#include "milvus_backup/base/secret.h"
#include "milvus_backup/migration/meta.h"
#include "milvus_backup/migration/write_mode.h"
#include "milvus_backup/milvus/options.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace milvus_backup::migration {

enum class DmTask {
  kM2M,  ///< Milvus 0.9–1.x to Milvus
  kH2M,  ///< HDF5 to Milvus
  kM2H,  ///< Milvus 0.9–1.x to HDF5
  kF2M,  ///< Faiss to Milvus
};
/// `M2M` and so on.
constexpr std::string_view NameOf(DmTask task) {
  switch (task) {
    case DmTask::kM2M:
      return "M2M";
    case DmTask::kH2M:
      return "H2M";
    case DmTask::kM2H:
      return "M2H";
    case DmTask::kF2M:
      return "F2M";
  }
  return "";
}

/// Of M2M and M2H.
struct OldMilvus {
  /// Its directory, in which are `db/meta.sqlite` and `db/tables`.
  std::string path;
  /// Data source name of its MySQL; empty for SQLite.
  Secret mysql_dsn;
  struct Selected {
    std::string collection;
    /// By their tags; an empty tag is the default partition. All when empty.
    std::vector<std::string> partitions;
  };
  std::vector<Selected> collections;
};

struct DmOptions {
  DmTask task = DmTask::kH2M;
  /// The YAML file, for messages.
  std::string path;

  OldMilvus source;
  /// Of H2M in the order they are read; of F2M one.
  std::vector<std::string> files;
  /// Of H2M instead of `files`: where they are. Of M2H where they go.
  std::string data_dir;

  /// Of all but M2H.
  milvus::ClientOptions milvus;
  WriteMode mode = WriteMode::kSkip;
  /// Of H2M and F2M: names that Milvus takes. An empty partition is the default one.
  std::string collection;
  std::string partition;
  /// Likewise; `dim` of binary vectors in bits.
  Metric metric = Metric::kL2;
  int64_t dim = 0;
};

}  // namespace milvus_backup::migration
