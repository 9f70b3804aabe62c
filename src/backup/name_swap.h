/// Putting a restored collection in the place of another.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/milvus/client.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace milvus_backup::backup {

/// What names beside a target say of the collection: it is being filled, or was replaced.
inline constexpr std::string_view kFilledMark = "_mbtmp_";
inline constexpr std::string_view kRetiredMark = "_mbold_";

/// A name beside `target` that nobody has: `<target>_mbtmp_<8 hex digits>`, the target cut off
/// where the whole would be longer than Milvus takes.
std::string NameBeside(std::string_view target, std::string_view mark);
/// Whether NameBeside can have given `name`.
bool IsNameBeside(std::string_view name, std::string_view target, std::string_view mark);

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
