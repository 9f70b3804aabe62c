/// Words of the migration tools' files. Pure functions.
#pragma once

#include "milvus_backup/migration/dm_options.h"

#include <optional>
#include <string>
#include <string_view>

namespace milvus_backup::config {

/// `L2`, `IP`, `HAMMING`, `JACCARD`, `TANIMOTO`, `SUBSTRUCTURE` or `SUPERSTRUCTURE`, in any case.
std::optional<migration::Metric> MetricNamed(std::string_view word);

/// Dimensions that a server takes: of floats, and of binary vectors in bits.
int64_t MaxDimension(migration::Metric metric);

/// Whether Milvus takes it for a collection or partition.
bool IsMilvusName(std::string_view name);
/// What it takes, for advice.
inline constexpr char kNameRule[] = "use a letter or '_' and then letters, digits and '_'";

}  // namespace milvus_backup::config
