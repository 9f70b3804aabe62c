/// Small pieces of a dump, many of which are imported together: however few rows an import has,
/// Milvus 2.3 ends one every 2 s.
#pragma once

#include "load_plan.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/store.h"

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// What one import task brings.
struct PlannedImport {
  std::string partition;
  /// Below the dump's prefix, of its pair of files: those of the piece where it is a single one,
  /// else where they are written before the import is sent.
  std::string dir;
  /// Positions in PlannedCollection::pieces.
  std::vector<size_t> pieces;
  bool is_merged() const { return pieces.size() > 1; }
};

/// Put pieces of one partition together up to `merge_bytes`, but for those that are larger than a
/// quarter of that, which are not worth copying; with 0 none. The same for the same plan.
std::vector<PlannedImport> PlanImports(const PlannedCollection& plan, uint64_t merge_bytes);

/// Directory, below the dump's prefix, of the files that are merged for the collection.
std::string MergedDir(const PlannedCollection& plan);

/// Writes merged files, one pair at a time: each holds 20 MiB. Thread-safe.
class PieceMerger {
 public:
  /// Write the rows of all pieces of `import` to its files, which replace those of an earlier run.
  Status Write(const CallContext& ctx, const Store& store, const PlannedCollection& plan,
               const PlannedImport& import);

 private:
  std::mutex mutex_;
};

}  // namespace milvus_backup::migration
