/// Sizes and rates, in flags and in HTTP bodies alike. Pure functions.
#pragma once

#include "milvus_backup/base/status.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace milvus_backup::service {

/// `1048576`, `512k`, `20M`, `8MiB`, `1.5G`: bytes, in units of 1024, in any case. `KB` and the
/// like count as `KiB`. kInvalidArgument for anything else, and for what does not fit.
Result<uint64_t> ParseBytes(std::string_view text);

/// `bytes` in the unit of `sample`, or where that is no whole number of them, in the largest that
/// is. `sample` is a text that ParseBytes takes.
std::string AmountLike(std::string_view sample, uint64_t bytes);

/// kInvalidArgument unless it is such a text and from so many to so many bytes.
Status CheckAmount(std::string_view text, uint64_t least, uint64_t most = UINT64_MAX);

}  // namespace milvus_backup::service
