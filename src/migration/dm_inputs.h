/// From a YAML file of milvusdm to the partitions that are filled and what fills them.
#pragma once

#include "dm_fill.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/dm_options.h"
#include "milvus_backup/migration/store.h"

#include <memory>
#include <string>
#include <vector>

namespace milvus_backup::migration {

struct DmInputs {
  /// In the order they are filled.
  std::vector<DmUnit> units;
  std::vector<std::string> warnings;
};

/// Of M2M, H2M or F2M. kNotFound or kInvalidArgument (Origin::kConfig) for sources that are not
/// there.
Result<DmInputs> FindInputs(const CallContext& ctx, const DmOptions& options);

}  // namespace milvus_backup::migration
