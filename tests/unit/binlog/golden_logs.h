/// The logs of tests/data/backups/golden_0516, and what their keys say.
#pragma once

#include "support/test_paths.h"

#include "milvus_backup/binlog/check.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace milvus_backup::testing {

struct GoldenLog {
  std::string path;
  std::string bytes;
  bool is_delta = false;
  binlog::LogFacts facts;
};

inline std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// All logs, sorted by path. Fields of the schema are not filled in.
inline std::vector<GoldenLog> LoadGoldenLogs() {
  static const std::vector<binlog::FieldFacts> kNoFields;
  std::vector<GoldenLog> logs;
  const std::filesystem::path root = TestDataDir() + "/backups/golden_0516/binlogs";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    GoldenLog log = {.path = entry.path().lexically_relative(root).string(),
                     .bytes = ReadFile(entry.path())};
    std::vector<std::string> levels;
    for (const auto& level : entry.path().lexically_relative(root))
      levels.push_back(level.string());
    log.is_delta = levels[0] == "delta_log";
    log.facts = {.collection_id = std::stoll(levels[1]),
                 .partition_id = std::stoll(levels[2]),
                 .segment_id = std::stoll(levels[4]),
                 .field_id = log.is_delta ? -1 : std::stoll(levels[5]),
                 .fields = &kNoFields,
                 .has_dynamic_field = true};
    logs.push_back(std::move(log));
  }
  std::ranges::sort(logs, {}, &GoldenLog::path);
  return logs;
}

}  // namespace milvus_backup::testing
