/// What the user calls an option, so that what flags and HTTP bodies share is checked once. Pure
/// functions.
#pragma once

#include <string>
#include <string_view>

namespace milvus_backup::service {

enum class OptionStyle {
  kFlag,  ///< `--dry-run`
  kKey,   ///< `dry_run`
};

/// `key` is the name in a body; `backup_name` is the flag `-n`.
std::string OptionName(std::string_view key, OptionStyle style);

}  // namespace milvus_backup::service
