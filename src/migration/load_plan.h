/// What a dump holds, as imports into collections of Milvus 2.x.
#pragma once

#include "dump_layout.h"
#include "target_schema.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/meta.h"
#include "milvus_backup/migration/store.h"
#include "milvus_backup/migration/write_mode.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// A pair of NumPy files, or rows that are in no such form.
struct PlannedPiece {
  /// In Milvus.
  std::string partition;
  /// Below the dump's prefix, empty or with a slash at its end; of NumPy files only.
  std::string dir;
  uint64_t rows = 0;
  /// Which of the sources of the run; not of NumPy files.
  size_t source = 0;
};

/// What may be there already, and what then. One partition is filled, or, where `partition` is
/// empty, the collection.
struct ExistingRule {
  WriteMode mode = WriteMode::kAppend;
  std::string partition;
  /// A collection that exists is skipped, whatever partitions it has.
  bool skip_by_collection = false;
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
  CollectionStyle style;
  ExistingRule existing;
  /// Of the files that the rows come from, where records of other files may lie in the same place.
  std::string source_mark;

  uint64_t rows() const;
};

struct LoadPlan {
  std::vector<PlannedCollection> collections;
  /// Whether the dump has collections that are not planned.
  bool is_partial = false;
  /// Without these, which are removed first, nothing of it can be loaded.
  std::vector<std::string> needed = {kMetaName};
};

/// Read meta.json of the dump at `target` and look at every file that is to be imported. Empty
/// `collections` means all. kFailedPrecondition without a dump, or with one that is unfinished;
/// kInvalidArgument for a collection that is not there; kDataLoss naming a file whose header, size
/// and meta do not go together.
Result<LoadPlan> PlanLoad(const CallContext& ctx, const Store& target,
                          const std::vector<std::string>& collections);

/// What a dump of all of `meta` would give, with the rows that the meta counts. Looks at nothing.
LoadPlan PlanFromMeta(const Meta& meta);

/// Plan what was dumped to the directory `dir` of `target` as pieces of `partition`. Errors as
/// above.
Status AddDump(const CallContext& ctx, const Store& target, const std::string& dir,
               const std::string& partition, PlannedCollection& collection);

}  // namespace milvus_backup::migration
