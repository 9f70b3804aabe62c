/// The configuration file before its keys are resolved.
#pragma once

#include "keys.h"
#include "resolver.h"

#include "milvus_backup/base/status.h"
#include "milvus_backup/config/config.h"

#include <string>

namespace milvus_backup::config {

struct SourceFile {
  std::string path;
  Version version = Version::kV1;
  FlatFile keys;
  /// Nothing but comments.
  bool is_empty = false;
};

/// The text of the file at exactly this path.
Result<std::string> ReadConfigFile(const std::string& path);

/// Whether ReadKeys finds a file.
bool HasConfigFile(const LoadOptions& options);

/// Find, read and parse a file of any kind; `version` is not looked at.
Result<SourceFile> ReadKeys(const LoadOptions& options);

/// Find, read and parse the file. An unknown configVersion is an error.
Result<SourceFile> ReadSourceFile(const LoadOptions& options);

/// The secret in a file, without the newline at its end. Errors for files that cannot be read, are
/// empty or larger than any secret.
Result<std::string> ReadSecretFile(const std::string& path);

}  // namespace milvus_backup::config
