/// A backup that has every message and member in it; tests/golden/meta holds its files, written by
/// hand from docs/format.md.
#pragma once

#include "milvus_backup/meta/backup_info.h"

#include <string>

namespace milvus_backup::meta::testing {

BackupInfo SampleBackup();

/// Content of a file below tests/; fails the test when it cannot be read.
std::string ReadTestFile(const std::string& path);
std::string GoldenMeta(const std::string& name);

}  // namespace milvus_backup::meta::testing
