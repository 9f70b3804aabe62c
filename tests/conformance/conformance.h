/// What the cases of the conformance suite share.
#pragma once

#include "support/status_matchers.h"
#include "support/test_backends.h"

#include "milvus_backup/storage/backend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

namespace milvus_backup::testing {

/// Every test has a prefix of its own and removes what it leaves.
class Conformance : public ::testing::TestWithParam<BackendCase> {
 protected:
  void SetUp() override;
  void TearDown() override;

  const OpenedBackend& opened() const { return opened_; }
  storage::Backend& backend() { return *opened_.backend; }
  storage::Backend& neighbour() { return *opened_.neighbour; }
  std::string Key(const std::string& name) const { return prefix_ + name; }
  const std::string& prefix() const { return prefix_; }

  void Put(const std::string& name, const std::string& bytes);
  std::string Get(const std::string& name);
  /// Names (without the test's prefix) of all objects, from pages of `page_size`.
  std::vector<std::string> Names(uint32_t page_size = 1000);
  /// Bytes of a range, and what came of it.
  Result<std::string> Range(const std::string& name, uint64_t offset,
                            std::optional<uint64_t> length);
  /// An upload of `parts`, each but the last of the first one's size, not completed.
  std::unique_ptr<storage::Upload> Upload(const std::string& name,
                                          const std::vector<std::string>& parts,
                                          std::vector<storage::PartInfo>* infos);
  /// The smallest part the backend takes, but not so small that the last one is larger.
  uint64_t part_size() { return std::max<uint64_t>(backend().caps().min_part, 1'000); }

 private:
  OpenedBackend opened_;
  std::string prefix_;
};

inline void PrintTo(const BackendCase& test, std::ostream* out) { *out << test.name; }

/// `size` bytes that differ from position to position and from seed to seed.
std::string Pattern(size_t size, uint32_t seed = 1);

}  // namespace milvus_backup::testing
