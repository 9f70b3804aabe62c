/// Sizes and rates on the command line. Pure functions.
#pragma once

#include "milvus_backup/base/status.h"

#include <cstdint>
#include <string_view>

namespace milvus_backup::cli {

/// `1048576`, `512k`, `20M`, `8MiB`, `1.5G`: bytes, in units of 1024, in any case. `KB` and the
/// like count as `KiB`. kInvalidArgument for anything else, and for what does not fit.
Result<uint64_t> ParseBytes(std::string_view text);

}  // namespace milvus_backup::cli
