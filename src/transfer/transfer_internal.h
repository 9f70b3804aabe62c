/// Pieces of the copy engine that do not depend on its threads.
#pragma once

#include "milvus_backup/base/memory_budget.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/storage/backend.h"
#include "milvus_backup/transfer/copy_engine.h"
#include "milvus_backup/transfer/etag.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace milvus_backup::transfer {

/// Bytes of a range of an object in a pooled buffer, with their CRC32C.
struct LoadedRange {
  Buffer buffer;
  uint32_t crc32c = 0;
  std::string etag;
};

/// kAborted: the source is not the object that was planned.
Status SourceChanged(const CopyItem& item);

/// Read exactly `range` of an object; kAborted when the object has another size than `object_size`
/// or another ETag than `etag`.
Result<LoadedRange> LoadRange(const CallContext& ctx, storage::Backend& source,
                              MemoryBudget& budget, const CopyItem& item,
                              const storage::ByteRange& range);

/// CRC32C of a whole object, read through a small window.
Result<uint32_t> ReadCrc32c(const CallContext& ctx, storage::Backend& source, const CopyItem& item);

/// Whether the destination holds the item's bytes. False when it has nothing there or an object of
/// another size; otherwise what the services state decides, and where that says nothing, reading
/// both.
Result<bool> IsAlreadyThere(const CallContext& ctx, storage::Backend& source,
                            storage::Backend& destination, const CopyItem& item);

/// Size of the parts in which an object should be sent, none when it should be sent whole. A
/// multipart source is sent in its own layout where that can be guessed from its part count, so
/// that the ETags of both sides can be compared.
std::optional<uint64_t> ChoosePartSize(const CopyItem& item, uint64_t preferred,
                                       const storage::Capabilities& caps);

/// Errors after which no other object of the same pair of storages can succeed.
bool IsHopeless(const Status& status);

}  // namespace milvus_backup::transfer
