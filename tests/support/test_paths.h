/// Directories of the source tree that tests read.
#pragma once

#include <string>

namespace milvus_backup::testing {

/// `tests/data`, without a slash at the end.
std::string TestDataDir();
/// `tests/golden`.
std::string GoldenDir();
/// `configs`.
std::string ConfigsDir();

}  // namespace milvus_backup::testing
