#include "hash_index.h"

#include <algorithm>
#include <functional>

namespace milvus_backup::backup {
namespace {

uint64_t IdOf(std::string_view path) { return std::hash<std::string_view>()(path); }

}  // namespace

void HashIndex::Add(std::string_view path, uint64_t size, const meta::ContentHash& hash) {
  entries_.push_back({.path = IdOf(path),
                      .size = size,
                      .crc32c = hash.crc32c.value_or(0),
                      .has_crc32c = hash.crc32c.has_value(),
                      .has_md5 = hash.md5.has_value(),
                      .md5 = hash.md5.value_or(Md5Digest())});
}

void HashIndex::Sort() { std::ranges::sort(entries_, {}, &Entry::path); }

std::optional<HashIndex::Known> HashIndex::Find(std::string_view path) const {
  const auto found = std::ranges::lower_bound(entries_, IdOf(path), {}, &Entry::path);
  if (found == entries_.end() || found->path != IdOf(path)) return std::nullopt;
  Known known{.size = found->size};
  if (found->has_crc32c) known.hash.crc32c = found->crc32c;
  if (found->has_md5) known.hash.md5 = found->md5;
  return known;
}

}  // namespace milvus_backup::backup
