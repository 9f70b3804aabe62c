#include "support/test_paths.h"
#include "targets.h"

#include "milvus_backup/base/bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace milvus_backup::fuzz {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> LoadCorpus(const std::vector<fs::path>& places) {
  std::vector<fs::path> files;
  for (const fs::path& place : places) {
    if (fs::is_regular_file(place)) files.push_back(place);
    if (!fs::is_directory(place)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(place)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> corpus;
  for (const fs::path& file : files) {
    std::ifstream in(file, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return corpus;
}

/// Overwrites, cuts and repeats, as a fuzzer does.
std::string Mutate(std::string bytes, std::mt19937& random) {
  const auto below = [&](size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit == 0 ? 0 : limit - 1)(random);
  };
  for (size_t changes = 1 + below(4); changes > 0 && !bytes.empty(); --changes) {
    const size_t at = below(bytes.size());
    switch (below(4)) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes[at] = static_cast<char>(static_cast<unsigned>(bytes[at]) ^ 1U << below(8));
        break;
      case 2:
        bytes.erase(at, below(16));
        break;
      default:
        bytes.insert(at, bytes.substr(below(bytes.size()), below(16)));
    }
  }
  return bytes;
}

/// Run every file, and `mutations` variants of each; MB_SEED chooses others.
void Replay(void (*target)(ByteView), const std::vector<fs::path>& places, int mutations) {
  const char* env = std::getenv("MB_SEED");
  const unsigned long seed = env == nullptr ? 1 : std::strtoul(env, nullptr, 10);
  // Printed before anything can abort.
  std::printf("seed %lu\n", seed);
  std::fflush(stdout);
  std::mt19937 random(seed);
  const std::vector<std::string> corpus = LoadCorpus(places);
  ASSERT_FALSE(corpus.empty());
  for (const std::string& bytes : corpus) {
    target(AsBytes(bytes));
    for (int i = 0; i < mutations; ++i) {
      const std::string mutated = Mutate(bytes, random);
      target(AsBytes(mutated));
    }
  }
}

fs::path Data(const char* path) { return fs::path(testing::TestDataDir()) / path; }
fs::path Seeds(const char* name) {
  return fs::path(testing::TestDataDir()).parent_path() / "fuzz" / "corpus" / name;
}

TEST(FuzzReplayTest, InsertLog) {
  Replay(InsertLog, {Data("backups/golden_0516/binlogs/insert_log"), Seeds("insert_log")}, 20);
}

TEST(FuzzReplayTest, DeltaLog) {
  Replay(DeltaLog, {Data("backups/golden_0516/binlogs/delta_log"), Seeds("delta_log")}, 300);
}

TEST(FuzzReplayTest, Parquet) {
  Replay(Parquet, {Data("binlog/packed.parquet"), Data("binlog/wide.parquet"), Seeds("parquet")},
         100);
}

TEST(FuzzReplayTest, Values) { Replay(Values, {Seeds("values")}, 2000); }

TEST(FuzzReplayTest, MetaJson) { Replay(MetaJson, {Seeds("meta_json")}, 300); }

TEST(FuzzReplayTest, Manifest) { Replay(Manifest, {Seeds("manifest")}, 500); }

TEST(FuzzReplayTest, ConfigYaml) {
  const fs::path samples = fs::path(testing::TestDataDir()).parent_path().parent_path() / "configs";
  Replay(ConfigYaml, {samples, Seeds("config_yaml")}, 50);
}

TEST(FuzzReplayTest, S3Xml) { Replay(S3Xml, {Seeds("s3_xml")}, 500); }

TEST(FuzzReplayTest, Keys) { Replay(Keys, {Seeds("keys")}, 1000); }

TEST(FuzzReplayTest, Faiss) { Replay(Faiss, {Data("faiss"), Seeds("faiss")}, 20); }

TEST(FuzzReplayTest, Hdf5) { Replay(Hdf5, {Seeds("hdf5")}, 100); }

}  // namespace
}  // namespace milvus_backup::fuzz
