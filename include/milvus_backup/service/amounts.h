/// Sizes and rates, in flags and in HTTP bodies alike. Pure functions.
#pragma once

#include "milvus_backup/base/status.h"

#include <cstdint>
#include <string_view>

namespace milvus_backup::service {

/// `1048576`, `512k`, `20M`, `8MiB`, `1.5G`: bytes, in units of 1024, in any case. `KB` and the
/// like count as `KiB`. kInvalidArgument for anything else, and for what does not fit.
Result<uint64_t> ParseBytes(std::string_view text);

/// kInvalidArgument unless it is such a text and from so many to so many bytes.
Status CheckAmount(std::string_view text, uint64_t least, uint64_t most = UINT64_MAX);

}  // namespace milvus_backup::service
