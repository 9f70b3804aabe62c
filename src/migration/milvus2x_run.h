/// What the collections of one migration from Milvus 2.x have in common.
#pragma once

#include "milvus_backup/migration/milvus2x.h"

namespace milvus_backup::migration {

/// Everything outlives it.
struct Milvus2xRun {
  milvus::Client& source;
  milvus::Client& target;
  const Milvus2xOptions& options;
  const Milvus2xRules& rules;
  storage::Backend& state;
  transfer::Progress& progress;
  const Milvus2xPercent& on_percent;
};

}  // namespace milvus_backup::migration
