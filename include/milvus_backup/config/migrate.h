/// Translate a configuration file from version 1 to version 2.
#pragma once

#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"

#include <cstddef>
#include <string>
#include <vector>

namespace milvus_backup::config {

/// A key of the old file that is not in the new one.
struct NotTranslated {
  std::string key;
  std::string reason;
};

struct Migration {
  /// The file that was read.
  std::string path;
  /// The new file's text, secrets included.
  std::string yaml;
  /// Keys of the new file.
  size_t keys = 0;
  /// Left out without consequence: the key has no effect where it stands.
  std::vector<NotTranslated> dropped;
  /// Left out because version 2 cannot say it, or because nobody knows what it means.
  std::vector<NotTranslated> lost;
};

/// Read the v1 file that `options.path` finds and write what it says, and nothing the environment
/// or --set says, as v2. Loading both gives the same Config wherever `lost` is empty. Files named
/// by `…File` keys are not read. kInvalidArgument when the file is not valid or already v2.
Result<Migration> Migrate(const LoadOptions& options);

}  // namespace milvus_backup::config
