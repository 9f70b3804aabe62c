/// Objects in memory, for tests and examples: the contract of backend.h to the letter. Thread-safe.
#pragma once

#include "milvus_backup/base/clock.h"
#include "milvus_backup/storage/backend.h"

#include <cstddef>
#include <memory>

namespace milvus_backup::storage {

struct MemoryOptions {
  /// Most bytes handed to a Sink at once.
  size_t chunk_size = 64 * kKiB;
  /// Most keys and prefixes on a page of List, whatever was asked for.
  uint32_t page_size = 1000;
  /// What caps() says; sizes above them are refused.
  Capabilities caps = {.server_copy = true, .conditional_put = true, .min_part = 1};
};

/// CanCopyFrom accepts every memory backend. `clock` dates the objects and must outlive the
/// backend.
std::unique_ptr<Backend> MakeMemoryBackend(MemoryOptions options = {},
                                           Clock& clock = Clock::Real());

}  // namespace milvus_backup::storage
