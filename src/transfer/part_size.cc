#include "milvus_backup/transfer/part_size.h"

#include "milvus_backup/base/bytes.h"

#include <algorithm>

namespace milvus_backup::transfer {
namespace {

/// Rounded up; no sum that could overflow.
uint64_t DivideUp(uint64_t a, uint64_t b) { return a / b + (a % b == 0 ? 0 : 1); }

}  // namespace

std::optional<uint64_t> PartSizeFor(uint64_t size, uint64_t preferred,
                                    const storage::Capabilities& caps) {
  const uint64_t part = std::clamp(preferred, caps.min_part, caps.max_part);
  if (size <= std::min(part, caps.max_put)) return std::nullopt;
  return std::max(part, DivideUp(DivideUp(size, caps.max_parts), kMiB) * kMiB);
}

}  // namespace milvus_backup::transfer
