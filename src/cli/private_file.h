/// Files that hold secrets.
#pragma once

#include "milvus_backup/base/status.h"

#include <string>
#include <string_view>

namespace milvus_backup::cli {

/// Write a file that only its owner may read (mode 0600). With `overwrite` an existing file is
/// replaced at once, or stays as it was when writing fails; without, kAlreadyExists.
Status WritePrivateFile(const std::string& path, std::string_view text, bool overwrite);

}  // namespace milvus_backup::cli
