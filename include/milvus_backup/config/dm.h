/// The configuration of milvusdm: one YAML file for each task.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"
#include "milvus_backup/migration/dm_options.h"

#include <optional>
#include <string>

namespace milvus_backup::config {

struct DmConfig {
  migration::DmOptions options;
  /// The `storage:` block, Milvus' own storage; none where rows are to be inserted. `root_path` is
  /// Milvus' directory on a disk, and means nothing in a bucket.
  std::optional<StorageSettings> storage;
};

/// Read the file `path`. Its first key is the task, M2M, H2M, M2H or F2M; keys are case-sensitive,
/// but for those of `storage:`; unknown ones are ignored, as MilvusDM does. Errors name the key and
/// carry Origin::kConfig.
Result<DmConfig> LoadDm(const std::string& path);

}  // namespace milvus_backup::config
