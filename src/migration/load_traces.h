/// What a load leaves at a dump for the runs that come after it. Functions without state,
/// thread-safe.
#pragma once

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/store.h"

#include <string>
#include <vector>

namespace milvus_backup::migration {

struct LoadTraces {
  /// A load has begun with the dump that is there.
  bool is_loading = false;
  /// A load had every row of a dump in Milvus, and ended while it removed that.
  bool was_loaded = false;
  /// Records are there and nothing says of what: somebody has removed the dump.
  bool is_unclear = false;
  /// Then: what the first needed file of that dump held. Empty when that is not known.
  std::string dump_text;
};

/// `needed` are the files below the prefix of `target` without which nothing can be loaded. The
/// first of them tells dumps from each other; the Go tool writes none for a Faiss file.
Result<LoadTraces> FindLoadTraces(const CallContext& ctx, const Store& target,
                                  const std::vector<std::string>& needed);

/// kFailedPrecondition for what `is_unclear`.
Status UnclearTraces(const Store& target);

/// A warning for a dump of what was loaded already.
std::string LoadedBefore(const Store& target);

/// Every row is in Milvus and the dump is to be removed, whose first needed file is `name`.
Status NoteLoaded(const CallContext& ctx, const Store& target, const std::string& name);

/// Remove everything below the prefix; last the records, which tell that it was loaded.
Status RemoveLoaded(const CallContext& ctx, const Store& target);

}  // namespace milvus_backup::migration
