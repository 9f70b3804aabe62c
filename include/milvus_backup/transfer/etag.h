/// What ETags tell of bytes. Pure functions, thread-safe.
#pragma once

#include <string_view>

namespace milvus_backup::transfer {

/// Whether both ETags are content hashes (MD5, or MD5 of part MD5s) and equal.
bool EtagsProveEqual(std::string_view a, std::string_view b);

}  // namespace milvus_backup::transfer
