/// How large the parts of a multipart upload must be. Pure functions, thread-safe.
#pragma once

#include "milvus_backup/storage/backend.h"

#include <cstdint>
#include <optional>

namespace milvus_backup::transfer {

/// Bytes of every part but the last for an object of `size` bytes: `preferred`, or what the limits
/// of the storage ask for. None when the object should be sent whole.
std::optional<uint64_t> PartSizeFor(uint64_t size, uint64_t preferred,
                                    const storage::Capabilities& caps);

}  // namespace milvus_backup::transfer
