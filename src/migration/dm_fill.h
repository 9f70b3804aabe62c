/// Filling one partition of Milvus from any sources.
#pragma once

#include "load_plan.h"
#include "row_source.h"

#include "milvus_backup/base/context.h"
#include "milvus_backup/base/status.h"
#include "milvus_backup/migration/dm.h"
#include "milvus_backup/migration/load.h"
#include "milvus_backup/milvus/client.h"
#include "milvus_backup/transfer/progress.h"

#include <cstdint>
#include <string>
#include <vector>

namespace milvus_backup::migration {

/// A file or a segment.
struct DmInput {
  RowOpener open;
  /// Set by Survey.
  uint64_t rows = 0;
  std::string mark;
};

/// In Milvus.
inline constexpr char kDmDatabase[] = "default";

struct DmUnit {
  /// What the collection is called at its source, for messages.
  std::string source;
  /// For metric and dimension.
  Table table;
  /// In Milvus; an empty partition is the default one.
  std::string collection;
  std::string partition;
  WriteMode mode = WriteMode::kAppend;
  bool skip_by_collection = false;
  std::vector<DmInput> inputs;

  uint64_t rows() const;
  /// `_default` for the default one.
  const std::string& partition_name() const;
};

/// What all units of a run share.
struct DmRun {
  milvus::Client& client;
  const DmPlaces& places;
  const LoadRules& rules;
  transfer::Progress& progress;
};

/// Where the records of all units lie, each in a directory of its own, with its NumPy files.
Store RecordsStore(const DmRun& run);
/// `<collection>.<partition>/`.
std::string RecordsDir(const DmUnit& unit);

/// Open every input and note its rows: damage that shows there ends a run before it has begun.
Status Survey(const CallContext& ctx, DmUnit& unit);

/// See BringIntoMilvus. The unit was surveyed.
Result<DmFilled> FillUnit(const CallContext& ctx, const DmRun& run, const DmUnit& unit);

}  // namespace milvus_backup::migration
