/// The partitions of a Milvus 0.9–1.x that a YAML file of milvusdm selects.
#pragma once

#include "dm_fill.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/dm_options.h"
#include "milvus_backup/migration/meta.h"
#include "milvus_backup/migration/store.h"

#include <memory>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// A partition of the old Milvus.
struct OldPartition {
  std::string collection;
  /// Empty for the default one.
  std::string tag;
  /// Without segments where it has none.
  Table table;
};

struct OldPartitions {
  /// Collection after collection; of each the default partition first, unless others are listed.
  std::vector<OldPartition> partitions;
  std::vector<std::string> warnings;
};

/// Errors: those of ReadMetaFromSqlite or ReadMetaFromMysql; kInvalidArgument (Origin::kConfig) for
/// a collection or partition that is not there.
Result<OldPartitions> SelectPartitions(const CallContext& ctx, const OldMilvus& source);

/// The segments of `partition`. The openers own what they need.
Result<std::vector<DmInput>> InputsOf(const OldMilvus& source, const OldPartition& partition);

}  // namespace milvus_backup::migration
