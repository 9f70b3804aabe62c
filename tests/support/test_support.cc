#include "support/temp_dir.h"
#include "support/test_paths.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
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

std::string LeaveTemporary(const std::string& path) {
  const std::filesystem::path target(path);
  std::filesystem::create_directories(target.parent_path());
  const std::string name = "." + target.filename().string() + ".0123456789abcdef.mbtmp";
  const std::string temporary = target.parent_path() / name;
  std::ofstream file(temporary);
  EXPECT_TRUE(file << "half of it" << std::flush) << temporary;
  file.close();
  const auto now = std::filesystem::last_write_time(temporary);
  std::filesystem::last_write_time(temporary, now - std::chrono::hours(2));
  return temporary;
}

std::string TestDataDir() { return MB_TEST_DATA; }
std::string GoldenDir() { return MB_GOLDEN_DIR; }
std::string ConfigsDir() { return MB_CONFIGS; }

}  // namespace milvus_backup::testing
