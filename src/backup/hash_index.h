/// What is known of the bytes of very many objects, in little memory.
#pragma once

#include "milvus_backup/meta/manifest.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace milvus_backup::backup {

/// Hashes and sizes by path, about 40 bytes for each. Paths are known by a 64-bit hash: that two of
/// a million have the same one is less likely than one in ten million. Add everything, then Sort,
/// then Find from any thread.
class HashIndex {
 public:
  struct Known {
    uint64_t size = 0;
    meta::ContentHash hash;
  };

  void Add(std::string_view path, uint64_t size, const meta::ContentHash& hash);
  void Sort();
  std::optional<Known> Find(std::string_view path) const;

 private:
  struct Entry {
    uint64_t path = 0;
    uint64_t size = 0;
    uint32_t crc32c = 0;
    bool has_crc32c = false;
    bool has_md5 = false;
    Md5Digest md5{};
  };

  std::vector<Entry> entries_;
};

}  // namespace milvus_backup::backup
