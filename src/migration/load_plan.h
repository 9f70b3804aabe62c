/// What a dump holds, as imports into collections of Milvus 2.x.
#pragma once

#include "dump_layout.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"
#include "milvus_backup/migration/store.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// A pair of NumPy files.
struct PlannedPiece {
  /// In Milvus.
  std::string partition;
  /// Below the dump's prefix, with a slash at its end.
  std::string dir;
  uint64_t rows = 0;
};

struct PlannedCollection {
  /// Position among all collections of the dump.
  size_t number = 0;
  std::string source;
  std::string name;
  /// Any of its tables, for metric, dimension and index: that of the collection where it has one.
  Table table;
  /// Names in Milvus of the partitions by their tags, without the default one.
  std::map<std::string, std::string> partitions;
  std::vector<PlannedPiece> pieces;

  uint64_t rows() const;
};

struct LoadPlan {
  std::vector<PlannedCollection> collections;
  /// Whether the dump has collections that are not planned.
  bool is_partial = false;
};

/// Read meta.json of the dump at `target` and look at every file that is to be imported. Empty
/// `collections` means all. kFailedPrecondition without a dump, or with one that is unfinished;
/// kInvalidArgument for a collection that is not there; kDataLoss naming a file whose header, size
/// and meta do not go together.
Result<LoadPlan> PlanLoad(const CallContext& ctx, const Store& target,
                          const std::vector<std::string>& collections);

}  // namespace milvus_backup::migration
