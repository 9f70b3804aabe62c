/// Putting a restored collection in the place of another.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/client.h"

#include <cstdint>
#include <string>

namespace milvus_backup::backup {

/// Collections are told apart by their ids, for their names change on the way.
struct NameSwap {
  std::string db;
  /// The name in question.
  std::string target;
  /// Name under which the collection was restored.
  std::string filled_as;
  /// Name of the replaced collection until it is dropped.
  std::string retired_as;
  int64_t restored_id = 0;
  int64_t replaced_id = 0;
};

/// Rename both collections. May be called again whatever an earlier, killed call has done; returns
/// at once when the names are right. On an error the replaced collection has its name back where
/// that is possible, and the error tells where both are. kFailedPrecondition when a third
/// collection has the name, or the restored one is gone.
Status SwapNames(const CallContext& ctx, milvus::Client& client, const NameSwap& swap);

}  // namespace milvus_backup::backup
