/// Files of this machine that rows are read from.
#pragma once

#include "milvus_backup/base/status.h"

#include <cstdint>
#include <string>

namespace milvus_backup::migration {

/// One version of a file.
struct FileVersion {
  uint64_t size = 0;
  /// Path, size and time of the last change.
  std::string mark;
};

/// kNotFound (Origin::kConfig) when `path` is no readable regular file. `key` is what the
/// configuration calls it, for the advice.
Result<FileVersion> LookAtFile(const std::string& path, const std::string& key);

}  // namespace milvus_backup::migration
