/// Finding NaN and infinities, which Milvus refuses to import. Pure functions.
#pragma once

#include "milvus_backup/base/bytes.h"

#include <cstddef>

namespace milvus_backup::migration {

/// Index of the first float from index `from` on that is NaN or infinite; the number of floats when
/// there is none. `bytes` is a whole number of little-endian floats and starts at an address that
/// is a multiple of 4.
size_t FindNonFinite(ByteView bytes, size_t from);

}  // namespace milvus_backup::migration
