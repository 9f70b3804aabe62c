#include "support/temp_dir.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace milvus_backup::testing {

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "mb_test_XXXXXX").string();
  const char* created = mkdtemp(pattern.data());
  EXPECT_NE(created, nullptr);
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace milvus_backup::testing
