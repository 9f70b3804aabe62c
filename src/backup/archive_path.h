/// What the entries of an archive may be called. Pure functions, thread-safe.
#pragma once

#include "milvus_backup/base/status.h"

#include <string>
#include <string_view>

namespace milvus_backup::backup {

/// Whether a path relative to a backup can be that of an object of it in an archive: below `meta/`,
/// `binlogs/` or `bundle/`, without empty, `.` and `..` elements and control characters, of at most
/// 900 bytes, no marker of a run, and nothing of another backup inside. kInvalidArgument says what
/// is wrong with it.
Status CheckArchivePath(std::string_view path);

/// Of a hostile name what can be printed.
std::string ForMessage(std::string_view name);

}  // namespace milvus_backup::backup
